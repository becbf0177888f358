//! A CA in a folder, in the forms that each of the servers reads: its certificate, whoever signs its answers, and
//! its records, in which every tenth certificate is revoked.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use pki::ocsp::{
    CertId, CertIdHash, Nonce, OcspAuthority, OcspRecords, OcspRequest, OcspSigner, OcspStatus,
    respond,
};
use pki::{
    CA_LIFETIME, CaCertificate, CertificateId, CertificateRequest, KeyType, LocalSigner, NewCa,
    OCSP_SIGNER_LIFETIME, PrivateKey, Profile, Publishing, Revocation, RevocationReason, Serial,
    SignAnswer, SignRequest, Signer, Timestamp, Validity, certificate_to_pem,
    certificates_from_pem,
};

/// A CA, for as long as the value lives.
pub(crate) struct House {
    pub(crate) folder: PathBuf,
    pub(crate) key: KeyType,
    pub(crate) ca: CaCertificate,
    pub(crate) count: usize,
}

impl House {
    /// A new one, with a signer of this kind.
    pub(crate) fn build(key: KeyType, count: usize) -> Result<Self, Box<dyn Error>> {
        let folder = std::env::temp_dir().join(format!("ca-bench-{}-{key}", std::process::id()));
        let folder = PathBuf::from(folder.display().to_string().replace(' ', "-"));
        fs::create_dir_all(&folder)?;
        let new =
            NewCa { key_type: key, serial: serial(usize::MAX), now: now(), lifetime: CA_LIFETIME };
        let signer = LocalSigner::create(&new)?;
        let ca = signer.ca().clone();
        let own = PrivateKey::generate(key)?;
        let request = CertificateRequest {
            serial: serial(usize::MAX - 1),
            profile: Profile::OcspSigner { name: "OCSP".into() },
            public_key: own.public_key().clone(),
            validity: Validity::starting(now(), OCSP_SIGNER_LIFETIME),
            publishing: Publishing::default(),
        };
        let answer = signer.sign_now(SignRequest::Certificate(Box::new(request)))?;
        let SignAnswer::Certificate(certificate) = answer else {
            return Err("a certificate was asked for".into());
        };
        fs::write(folder.join("ca.pem"), ca.to_pem())?;
        fs::write(folder.join("signer.pem"), certificate_to_pem(&certificate.into()))?;
        fs::write(folder.join("signer.key"), own.to_pem().as_bytes())?;
        fs::write(folder.join("index.txt"), index(count))?;
        let house = Self { folder, key, ca, count };
        fs::write(house.folder.join("answers"), house.answers_ahead()?)?;
        Ok(house)
    }

    /// One answer a line, in base64, as cfssl reads them.
    fn answers_ahead(&self) -> Result<String, Box<dyn Error>> {
        let ocsp = [authority(&self.folder)?];
        let mut lines = String::new();
        for number in 0..self.count {
            let reply = respond(&ocsp, &Records, &self.request(number, None), now(), HOUR);
            lines.push_str(&BASE64.encode(&reply.der));
            lines.push('\n');
        }
        Ok(lines)
    }

    /// A request about the certificate of this number.
    pub(crate) fn request(&self, number: usize, nonce: Option<u64>) -> Vec<u8> {
        let id = CertId::new(CertIdHash::Sha1, &self.ca, serial(number % self.count));
        let nonce = nonce.map(|nonce| {
            let mut octets = [0x5a; 32];
            octets[..8].copy_from_slice(&nonce.to_be_bytes());
            Nonce::from_random(octets)
        });
        OcspRequest::new(id, nonce).to_der()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // A temporary folder that stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whoever signs there.
pub(crate) fn authority(folder: &Path) -> Result<OcspAuthority, Box<dyn Error>> {
    let certificate = |name: &str| -> Result<_, Box<dyn Error>> {
        let mut all = certificates_from_pem(&fs::read_to_string(folder.join(name))?)?;
        Ok(all.remove(0))
    };
    let key = PrivateKey::from_pem(&fs::read_to_string(folder.join("signer.key"))?)?;
    let signer = OcspSigner::new(certificate("signer.pem")?, key)?.into();
    Ok(OcspAuthority { ca: CaCertificate::from_der(&certificate("ca.pem")?)?, signer })
}

/// Every tenth certificate is revoked.
#[derive(Debug)]
pub(crate) struct Records;

impl OcspRecords for Records {
    fn ocsp_status(&self, id: &CertificateId) -> OcspStatus {
        let last = id.serial.as_bytes().last().copied().unwrap_or_default();
        match last % 10 {
            0 => OcspStatus::Revoked(Revocation {
                at: Timestamp::from_unix_secs(1_700_000_000),
                reason: RevocationReason::KeyCompromise,
            }),
            _ => OcspStatus::Good,
        }
    }
}

impl publish::Records for Records {
    fn revision(&self) -> u64 {
        1
    }
}

/// As `openssl ca` keeps it: state, end, revocation with its reason, number, file, subject.
fn index(count: usize) -> String {
    let line = |number: usize| {
        let serial = serial(number);
        let text = serial.to_string().to_uppercase();
        match serial.as_bytes().last().copied().unwrap_or_default() % 10 {
            0 => format!(
                "R\t991231235959Z\t231114221320Z,keyCompromise\t{text}\tunknown\t/CN={number}\n"
            ),
            _ => format!("V\t991231235959Z\t\t{text}\tunknown\t/CN={number}\n"),
        }
    };
    (0..count).map(line).collect()
}

fn serial(number: usize) -> Serial {
    let mut bits = [0xa5; 16];
    bits[8..].copy_from_slice(&(number as u64).to_be_bytes());
    Serial::from_random(bits)
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_wall(since)
}

const HOUR: Duration = Duration::from_secs(3600);
