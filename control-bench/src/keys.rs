//! Kinds of keys, and what openssl makes of them.

use std::error::Error;
use std::path::Path;
use std::process::Command;

/// What certificates are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rsa2048,
    P256,
}

impl Kind {
    pub(crate) const BOTH: [Kind; 2] = [Kind::Rsa2048, Kind::P256];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Rsa2048 => "RSA-2048",
            Kind::P256 => "P-256",
        }
    }

    /// The file name of a thing of this kind.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Rsa2048 => "rsa2048",
            Kind::P256 => "p256",
        }
    }

    pub(crate) fn openssl(self) -> &'static [&'static str] {
        match self {
            Kind::Rsa2048 => &["-newkey", "rsa:2048"],
            Kind::P256 => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        }
    }
}

/// Runs openssl in a folder.
pub(crate) fn openssl(folder: &Path, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
