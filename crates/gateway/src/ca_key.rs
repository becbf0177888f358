//! How the CA's key lies on the disk, changed while nobody works in the data folder.
//!
//! Not for the gateway's process: whoever calls this has the key in memory for a moment, and ends.

use admin::failure::{Failure, FailureKind};
use pki::SignError;
use signer::{Protection, Vault, VaultError};
use store::FolderLock;

use crate::data::DataDir;
use crate::error::GatewayError;

/// Seals all keys. What opens those that are sealed already is `former`, where a person has to know it.
///
/// # Errors
/// When somebody works in the folder, or a key does not open.
pub fn seal(
    data: &DataDir,
    protection: &Protection,
    secret: &[u8],
    former: Option<&[u8]>,
) -> Result<usize, Failure> {
    with_vault(data, |vault| vault.seal(protection, secret, former))
}

/// Writes all keys in the clear.
///
/// # Errors
/// As for sealing.
pub fn unseal(data: &DataDir, former: Option<&[u8]>) -> Result<usize, Failure> {
    with_vault(data, |vault| vault.unseal(former))
}

/// How the keys are sealed, if they are.
pub fn protection(data: &DataDir) -> Option<Protection> {
    Vault::at(&data.ca_keys()).protection().ok().flatten()
}

fn with_vault(
    data: &DataDir,
    deed: impl FnOnce(&Vault) -> Result<usize, VaultError>,
) -> Result<usize, Failure> {
    let lock = FolderLock::take(data.path());
    let _lock = lock.map_err(|error| Failure::from(GatewayError::from(error)))?;
    match deed(&Vault::at(&data.ca_keys())) {
        Ok(0) => Err(Failure::new(FailureKind::NotFound, "there is no key of a CA here")
            .hint("a folder of an earlier release has it moved here by its next start")),
        Ok(keys) => Ok(keys),
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &VaultError) -> Failure {
    let kind = match error {
        VaultError::Seal(SignError::WrongSecret | SignError::Locked) => FailureKind::Forbidden,
        VaultError::File(_) => FailureKind::Environment,
        _ => FailureKind::Failed,
    };
    Failure::new(kind, "the CA's key could not be sealed or opened").caused_by(error)
}
