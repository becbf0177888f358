//! What a signature alone costs, without anything around it.

use std::error::Error;
use std::time::{Duration, Instant};

use pki::{KeyType, PrivateKey};
use rcgen::SigningKey as _;
use serde::Serialize;

use crate::servers::cpu_of;

/// One kind of key.
#[derive(Debug, Serialize)]
pub(crate) struct Signatures {
    pub(crate) key: String,
    pub(crate) per_second: f64,
}

/// Signs for so long, on one core.
pub(crate) fn measure(kind: KeyType, time: Duration) -> Result<Signatures, Box<dyn Error>> {
    let key = PrivateKey::generate(kind)?;
    // As long as what is signed of an answer about one certificate.
    let octets = [0x5a; 200];
    let (begun, mut count) = (Instant::now(), 0_u32);
    let before = cpu_of(std::process::id())?;
    while begun.elapsed() < time {
        key.sign(&octets)?;
        count += 1;
    }
    // Others may have had the core meanwhile.
    let per_second = f64::from(count) / (cpu_of(std::process::id())? - before);
    Ok(Signatures { key: kind.to_string(), per_second })
}
