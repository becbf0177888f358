//! A device's key under a passphrase, as clients ask for it: PKCS#8 with PBES2 (RFC 8018), by PBKDF2 with
//! HMAC-SHA-256 and AES-256-CBC, which every client's TLS library reads.
//!
//! Only here, where the files are written: the gateway never learns the passphrase.

use admin::failure::{Failure, FailureKind};
use admin::secret::SecretText;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::pkcs5::pbes2::Parameters;
use rustix::rand::{GetRandomFlags, getrandom};

/// The key in this PEM text, under this passphrase.
pub(super) fn lock(pem: &SecretText, passphrase: &[u8]) -> Result<SecretText, Failure> {
    let key = pki::PrivateKey::from_pem(pem.expose()).map_err(|error| failed(&error))?;
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    for octets in [&mut salt, &mut iv] {
        getrandom(&mut octets[..], GetRandomFlags::empty()).map_err(|error| failed(&error))?;
    }
    let how = Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv);
    let info = PrivateKeyInfoRef::try_from(key.pkcs8()).map_err(|error| failed(&error))?;
    let locked = how
        .map_err(pkcs8::Error::from)
        .and_then(|how| info.encrypt_with_params(how, passphrase))
        .map_err(|error| failed(&error))?;
    Ok(SecretText::new(pki::to_pem("ENCRYPTED PRIVATE KEY", locked.as_bytes())))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Failed, "the key could not be put under the passphrase")
        .caused_by(error)
}

/// What OWASP recommends; a phone has it in a second.
const ROUNDS: u32 = 600_000;
