//! What CAs said, kept from one run to the next: as files of this user alone in the state folder, bounded in
//! number and size.
//!
//! They are as they came from the CA, and checked anew when they are read: whoever can write them can at most
//! have the CA asked again. A folder that can't be written to costs the same.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ask::LONGEST_CRL;
use clock::Timestamp;
use pki::Serial;
use pki::ocsp::LONGEST_RESPONSE;
use pki::standing::{CaId, NotTaken, Said, Standings};

/// The folder.
#[derive(Debug)]
pub(super) struct Kept(PathBuf);

impl Kept {
    pub(super) fn in_state(state: &Path) -> Self {
        Self(state.join(FOLDER))
    }

    /// Tells the standings what is there. What does not count any more is removed; what other CAs said is for
    /// other profiles, and what is from the future may be for a clock that is right.
    pub(super) fn recall(&self, standings: &Standings, now: Timestamp) {
        for (path, _) in self.files() {
            match read(&path).map(|said| standings.recall(&said, now)) {
                Ok(Ok(()) | Err(NotTaken::NoIssuer | NotTaken::Older { .. })) => {}
                Ok(Err(why)) if why.is_too_early() => {}
                Ok(Err(_)) | Err(_) => remove(&path),
            }
        }
        // It was read from where it is kept.
        standings.news();
    }

    /// Keeps this, in the place of what was said of the same before.
    pub(super) fn keep(&self, news: &[Said]) {
        if news.is_empty() {
            return;
        }
        for said in news {
            if let Err(error) = self.write(said) {
                tracing::debug!(%error, "what a CA said is not kept");
            }
        }
        self.forget_the_oldest();
    }

    fn write(&self, said: &Said) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let (name, der) = match said {
            Said::Ocsp { ca, serial, der } => (format!("{ca}-{serial}.{OCSP}"), der),
            Said::Crl { ca, der } => (format!("{ca}.{CRL}"), der),
        };
        sysio::replace_file(&self.0.join(name), der, 0o600, |_| Ok(())).map(drop)
    }

    fn forget_the_oldest(&self) {
        let mut files = self.files();
        files.sort_by_key(|(_, written)| *written);
        let many = files.len().saturating_sub(MOST_FILES);
        files.iter().take(many).for_each(|(path, _)| remove(path));
    }

    fn files(&self) -> Vec<(PathBuf, SystemTime)> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let files = entries.filter_map(|entry| {
            let written = entry.metadata().ok().filter(|data| data.is_file())?.modified().ok()?;
            Some((entry.path(), written))
        });
        files.take(MOST_FILES * 2).collect()
    }
}

fn read(path: &Path) -> io::Result<Said> {
    let no_name = || io::Error::from(io::ErrorKind::InvalidInput);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or_else(no_name)?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some(OCSP) => {
            let (ca, serial) = stem.split_once('-').ok_or_else(no_name)?;
            let serial = serial.parse::<Serial>().map_err(|_| no_name())?;
            let ca = ca_id(ca).ok_or_else(no_name)?;
            Ok(Said::Ocsp { ca, serial, der: octets(path, LONGEST_RESPONSE)? })
        }
        Some(CRL) => {
            let ca = ca_id(stem).ok_or_else(no_name)?;
            Ok(Said::Crl { ca, der: octets(path, LONGEST_CRL)? })
        }
        _ => Err(no_name()),
    }
}

fn ca_id(text: &str) -> Option<CaId> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

fn octets(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(most as u64).read_to_end(&mut octets)?;
    Ok(octets)
}

fn remove(path: &Path) {
    // What stays is looked at again next time.
    let _ = fs::remove_file(path);
}

/// Beside the records of running clients, which look at no name that begins with a dot.
const FOLDER: &str = ".answers";
const OCSP: &str = "ocsp";
const CRL: &str = "crl";
const MOST_FILES: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use pki::{
        CA_LIFETIME, CRL_LIFETIME, CrlRequest, KeyType, LocalSigner, NewCa, PrivateKey, Signer as _,
    };

    use super::*;

    #[test]
    fn a_clock_that_was_set_back_removes_nothing_and_what_has_run_out_is_removed() {
        let now = Timestamp::from_unix_secs(1_800_000_000);
        let serial = Serial::from_random([7; 16]);
        let new = NewCa { key_type: KeyType::P256, serial, now, lifetime: CA_LIFETIME };
        let signer = LocalSigner::create(&new).unwrap();
        let folder = folder("clock");
        let kept = Kept::in_state(&folder);
        kept.keep(&[list(&signer, now)]);
        let standings = Standings::new(&[signer.ca().der().clone()]);
        for (at, stays) in [
            (now, 1),
            (now.before(Duration::from_secs(365 * 86_400)), 1),
            (now.after(2 * CRL_LIFETIME), 0),
        ] {
            kept.recall(&standings, at);
            assert_eq!(kept.files().len(), stays, "{at}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn two_cas_of_one_name_keep_a_list_each() {
        let now = Timestamp::from_unix_secs(1_800_000_000);
        let cas = [namesake(), namesake()];
        let [one, other] = &cas;
        assert_eq!(one.ca().issuer_id(), other.ca().issuer_id());
        let folder = folder("namesakes");
        let kept = Kept::in_state(&folder);
        kept.keep(&[list(one, now), list(other, now)]);
        assert_eq!(kept.files().len(), 2);
        for ca in &cas {
            let standings = Standings::new(&[ca.ca().der().clone()]);
            let files = kept.files();
            let said = files.iter().filter_map(|(path, _)| read(path).ok());
            let counts = said.filter(|said| standings.recall(said, now).is_ok()).count();
            assert_eq!(counts, 1, "its own");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    /// A CA whose name tells nothing of its key.
    fn namesake() -> LocalSigner {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages =
            vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap();
        let key = PrivateKey::from_pkcs8(&key.serialize_der()).unwrap();
        LocalSigner::new(certificate.der(), key).unwrap()
    }

    fn list(signer: &LocalSigner, now: Timestamp) -> Said {
        let next_update = now.after(CRL_LIFETIME);
        let request =
            CrlRequest { number: 1, this_update: now, next_update, revoked: BTreeMap::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let der = runtime.block_on(pki::sign_crl(signer, request)).unwrap().der().to_vec();
        Said::Crl { ca: CaId::of(signer.ca()), der }
    }

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("handfast-kept-{name}-{}", std::process::id()))
    }
}
