//! A CRL of many revocations: time to sign and to read it, its size, and what memory grew by.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use pki::{
    CA_LIFETIME, CRL_LIFETIME, Crl, CrlRequest, KeyType, LocalSigner, NewCa, Revocation,
    RevocationReason, Serial, SignAnswer, SignRequest, Signer,
};
use serde::Serialize;

use crate::house::now;

/// One list.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    pub(crate) revocations: usize,
    pub(crate) sign_ms: f64,
    pub(crate) read_and_verify_ms: f64,
    pub(crate) bytes: usize,
    /// The most that the process held beyond what it held before.
    pub(crate) memory_kib: u64,
}

pub(crate) fn measure(count: usize) -> Result<List, Box<dyn Error>> {
    let serial = Serial::from_random([0x11; 16]);
    let key_type = KeyType::Rsa3072;
    let new = NewCa { key_type, serial, now: now(), lifetime: CA_LIFETIME };
    let signer = LocalSigner::create(&new)?;
    let entry = |number: usize| {
        let mut bits = [0x77; 16];
        bits[8..].copy_from_slice(&(number as u64).to_be_bytes());
        let revocation = Revocation { at: now(), reason: RevocationReason::KeyCompromise };
        (Serial::from_random(bits), revocation)
    };
    let (this_update, next_update) = (now(), now().after(CRL_LIFETIME));
    let revoked = (0..count).map(entry).collect();
    let request = CrlRequest { number: 1, this_update, next_update, revoked };
    let before = memory("VmRSS:")?;
    // From here on the peak is this one's.
    fs::write("/proc/self/clear_refs", "5")?;
    let begun = Instant::now();
    let SignAnswer::Crl(der) = signer.sign_now(SignRequest::Crl(request))? else {
        return Err("a list was asked for".into());
    };
    let signed = begun.elapsed();
    let begun = Instant::now();
    Crl::from_der(&der)?.verify(signer.ca())?;
    let memory_kib = memory("VmHWM:")?.saturating_sub(before);
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (sign_ms, read_and_verify_ms) = (ms(signed), ms(begun.elapsed()));
    Ok(List { revocations: count, sign_ms, read_and_verify_ms, bytes: der.len(), memory_kib })
}

fn memory(what: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
    Ok(line.split_whitespace().next().unwrap_or("0").parse()?)
}
