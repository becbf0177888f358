//! Where a virtual server's certificates come from, as its settings say.
//!
//! Not here: how they are had, and whether they serve. Invariant: what is read is whole: a chain has its key.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a virtual server's certificates come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CertificateSource {
    /// The gateway's own CA makes them: `"own"`.
    #[default]
    Own,
    /// Another CA makes them when it is asked by ACME: `"acme"`.
    Acme,
    /// Somebody puts them into files: `{ chain = "…", key = "…" }`, or several of these.
    Files(Vec<CertificateFiles>),
}

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate, and those that lead from it to a CA, as PEM.
    pub chain: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

impl CertificateSource {
    /// Whether the gateway's own CA makes them, so that its records know them.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Own)
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Own => OWN,
            Self::Acme => ACME,
            Self::Files(_) => "files",
        }
    }
}

impl Serialize for CertificateSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own | Self::Acme => serializer.serialize_str(self.word()),
            Self::Files(files) => match &files[..] {
                [one] => one.serialize(serializer),
                several => several.serialize(serializer),
            },
        }
    }
}

impl<'de> Deserialize<'de> for CertificateSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = CertificateSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\"own\", \"acme\", { chain = \"/FILE\", key = \"/FILE\" } or a list of such files",
        )
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<CertificateSource, E> {
        match word {
            OWN => Ok(CertificateSource::Own),
            ACME => Ok(CertificateSource::Acme),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<CertificateSource, M::Error> {
        let files = CertificateFiles::deserialize(MapAccessDeserializer::new(map))?;
        Ok(CertificateSource::Files(vec![files]))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<CertificateSource, S::Error> {
        let mut several = Vec::new();
        while let Some(files) = seq.next_element()? {
            several.push(files);
        }
        match several.is_empty() {
            true => Err(S::Error::invalid_length(0, &self)),
            false => Ok(CertificateSource::Files(several)),
        }
    }
}

const OWN: &str = "own";
const ACME: &str = "acme";

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Settings {
        certificate: CertificateSource,
    }

    #[test]
    fn words_files_and_lists_of_files_are_read_and_written_alike() {
        let one = "{ chain = \"/c\", key = \"/k\" }";
        let files = CertificateFiles { chain: "/c".into(), key: "/k".into() };
        for (text, meant) in [
            ("\"own\"", CertificateSource::Own),
            ("\"acme\"", CertificateSource::Acme),
            (one, CertificateSource::Files(vec![files.clone()])),
            (&format!("[{one}, {one}]"), CertificateSource::Files(vec![files.clone(), files])),
        ] {
            let read = read(text).expect("it is one");
            assert_eq!(read.certificate, meant);
            let again = toml::to_string(&read).expect("written");
            assert_eq!(toml::from_str::<Settings>(&again).expect("read again"), read);
        }
    }

    #[test]
    fn whatever_else_is_refused_with_what_would_do() {
        for (text, said) in [
            ("\"letsencrypt\"", "expected \"own\", \"acme\", { chain = "),
            ("[]", "invalid length 0, expected \"own\""),
            ("{ chain = \"/c\" }", "missing field `key`"),
            ("{ chain = \"/c\", key = \"/k\", ca = \"/a\" }", "unknown field `ca`"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    fn read(value: &str) -> Result<Settings, toml::de::Error> {
        toml::from_str(&format!("certificate = {value}"))
    }
}
