//! What a CA is shown, and where.
//!
//! Invariant: what is shown is taken down again, however the order ends; while the CA may look it stays.

use std::sync::Arc;

use instant_acme::ChallengeType;
use pki::{KeyError, name_proof};
use rustls::sign::CertifiedKey;

/// How a name is proved to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Over plain HTTP at port 80 (RFC 8555 section 8.3).
    Http01,
    /// In the handshake of TLS at port 443 (RFC 8737).
    TlsAlpn01,
}

/// What is shown to prove a name.
#[derive(Clone, Debug)]
pub enum Proof {
    /// `GET /.well-known/acme-challenge/TOKEN` is answered with this text.
    Http {
        /// The end of the path.
        token: String,
        /// The whole body.
        answer: String,
    },
    /// Whoever speaks `acme-tls/1` and asks for that name is shown this certificate.
    Tls {
        /// The name.
        name: String,
        /// The certificate.
        key: Arc<CertifiedKey>,
    },
}

/// Where proofs are shown.
pub trait Stage: Send + Sync {
    /// From here on a CA that looks is shown this.
    fn show(&self, proof: &Proof);

    /// From here on it is not.
    fn take_down(&self, proof: &Proof);
}

/// Proofs on a stage; dropping the value takes them down.
pub(crate) struct Shown {
    stage: Arc<dyn Stage>,
    proofs: Vec<Proof>,
}

/// Whether that is a token (RFC 8555 section 8.1): base64url, and so what may stand at the end of a path.
pub(crate) fn is_token(text: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(may_be)
}

impl Shown {
    pub(crate) fn on(stage: Arc<dyn Stage>) -> Self {
        Self { stage, proofs: Vec::new() }
    }

    pub(crate) fn show(&mut self, proof: Proof) {
        self.stage.show(&proof);
        self.proofs.push(proof);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.proofs.iter().for_each(|proof| self.stage.take_down(proof));
    }
}

impl Method {
    /// As RFC 8555 calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }

    pub(crate) fn kind(self) -> ChallengeType {
        match self {
            Self::Http01 => ChallengeType::Http01,
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
        }
    }

    /// The proof of a name by what the CA has set: a token, and its digest or text with the account's key.
    pub(crate) fn proof(
        self,
        name: &str,
        token: &str,
        authorization: &instant_acme::KeyAuthorization,
    ) -> Result<Proof, KeyError> {
        match self {
            Self::Http01 => {
                let (token, answer) = (token.to_owned(), authorization.as_str().to_owned());
                Ok(Proof::Http { token, answer })
            }
            Self::TlsAlpn01 => {
                let digest = authorization.digest();
                let digest = digest.as_ref().try_into().map_err(|_| KeyError::GenerationFailed)?;
                Ok(Proof::Tls { name: name.to_owned(), key: name_proof(name, digest)? })
            }
        }
    }
}

/// 128 bits have 22 characters.
const LONGEST_TOKEN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_base64url_of_some_length() {
        assert!(is_token("LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0") && is_token("a-_9"));
        for text in ["", "a b", "../a", "a=", "a\r\nb", "\u{1b}[2J", "\u{e4}", &"a".repeat(257)] {
            assert!(!is_token(text), "{text:?}");
        }
    }
}
