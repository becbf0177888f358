//! `[acme]`: another CA, which makes certificates for virtual servers when it is asked.
//!
//! Invariant: a CA is one that is reached over TLS, since what it says is not signed.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;
use serde::{Deserialize, Serialize};
use uplink::Revocation;

/// `[acme]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Acme {
    /// The CA's directory.
    pub directory: AcmeDirectory,
    /// Whether its terms of service were agreed to; nothing is asked before.
    pub terms_agreed: bool,
    /// Whom it writes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The root of a private CA's own web server, as PEM; those that the system trusts, where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// What is done about the certificate of its web server, which may have been revoked.
    pub revocation: Revocation,
    /// How names are proved, the preferred way first.
    pub challenges: Vec<Challenge>,
    /// What the CA calls an account that one has with it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eab_id: Option<String>,
    /// The file with the key that goes with that, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eab_key_file: Option<PathBuf>,
}

/// A way to prove a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    /// In TLS, at port 443.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// Over plain HTTP, at port 80.
    #[serde(rename = "http-01")]
    Http01,
}

/// The address of a CA's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AcmeDirectory(String);

/// A text is no such address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoDirectory(String);

impl AcmeDirectory {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            directory: AcmeDirectory(LETS_ENCRYPT.to_owned()),
            terms_agreed: false,
            email: None,
            ca: None,
            // The CA of this directory says it in lists by parts, which nobody here reads.
            revocation: Revocation::Prefer,
            challenges: vec![Challenge::TlsAlpn01, Challenge::Http01],
            eab_id: None,
            eab_key_file: None,
        }
    }
}

impl From<Challenge> for acme::Method {
    fn from(challenge: Challenge) -> Self {
        match challenge {
            Challenge::TlsAlpn01 => Self::TlsAlpn01,
            Challenge::Http01 => Self::Http01,
        }
    }
}

impl Display for Challenge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(acme::Method::from(*self).name())
    }
}

impl FromStr for AcmeDirectory {
    type Err = NoDirectory;

    fn from_str(text: &str) -> Result<Self, NoDirectory> {
        let uri = text.parse::<Uri>().ok();
        let is_https = |uri: &Uri| {
            let host = uri.host().is_some_and(|host| !host.is_empty());
            let plain = uri.authority().is_some_and(|whole| !whole.as_str().contains('@'));
            uri.scheme() == Some(&Scheme::HTTPS) && host && plain
        };
        match uri.as_ref().is_some_and(is_https) {
            true => Ok(Self(text.to_owned())),
            false => Err(NoDirectory(text.to_owned())),
        }
    }
}

impl TryFrom<String> for AcmeDirectory {
    type Error = NoDirectory;

    fn try_from(text: String) -> Result<Self, NoDirectory> {
        text.parse()
    }
}

impl From<AcmeDirectory> for String {
    fn from(directory: AcmeDirectory) -> Self {
        directory.0
    }
}

impl Display for NoDirectory {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no ACME directory; write one like `{LETS_ENCRYPT}`", self.0)
    }
}

impl std::error::Error for NoDirectory {}

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_reached_over_tls() {
        for good in [LETS_ENCRYPT, "https://10.0.0.1:14000/dir", "https://[fd00::1]/dir"] {
            assert_eq!(good.parse::<AcmeDirectory>().expect("it is one").as_str(), good);
        }
        for bad in ["http://ca.test/dir", "ca.test/dir", "", "https://", "https://a:b@ca.test/"] {
            assert!(bad.parse::<AcmeDirectory>().is_err(), "{bad}");
        }
    }
}
