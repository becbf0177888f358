//! The data channel's ciphers, and the choice of one.
//!
//! The server's order decides. A name that nobody here implements is skipped, never an error: lists of
//! peers hold what they hold.

use std::error::Error;
use std::fmt;

/// A data channel cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cipher {
    /// AES-256-GCM.
    Aes256Gcm,
    /// AES-128-GCM.
    Aes128Gcm,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
}

impl Cipher {
    /// All of them, in the order of OpenVPN 2.6's default.
    pub const DEFAULT: [Cipher; 3] = [Self::Aes256Gcm, Self::Aes128Gcm, Self::ChaCha20Poly1305];

    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "AES-256-GCM",
            Self::Aes128Gcm => "AES-128-GCM",
            Self::ChaCha20Poly1305 => "CHACHA20-POLY1305",
        }
    }

    /// From a name in upper or lower case.
    pub fn from_name(name: &str) -> Option<Cipher> {
        Self::DEFAULT.into_iter().find(|cipher| cipher.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of the key.
    pub fn key_len(self) -> usize {
        match self {
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
            Self::Aes128Gcm => 16,
        }
    }

    /// A colon-separated list, as in `data-ciphers` and `IV_CIPHERS`.
    pub fn join(ciphers: &[Cipher]) -> String {
        ciphers.iter().map(|cipher| cipher.name()).collect::<Vec<_>>().join(":")
    }

    /// The known ones of a colon-separated list, each once. A `?` in front marks an optional one.
    pub fn parse_list(list: &str) -> Vec<Cipher> {
        let mut found = Vec::new();
        for name in list.split(':') {
            if let Some(cipher) = Self::from_name(name.strip_prefix('?').unwrap_or(name))
                && !found.contains(&cipher)
            {
                found.push(cipher);
            }
        }
        found
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a client said about its ciphers, by whatever means its version has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOffer {
    /// The ciphers it accepts, in its order.
    pub ciphers: Vec<Cipher>,
    /// It understands a pushed `cipher`.
    pub takes_push: bool,
    /// It named any cipher at all, known here or not.
    pub named_any: bool,
}

impl ClientOffer {
    /// From `IV_CIPHERS`, `IV_NCP` (0 if absent) and the `cipher` token of the options string, which
    /// counts only where `IV_CIPHERS` is absent.
    pub fn new(iv_ciphers: Option<&str>, iv_ncp: u32, options_cipher: Option<&str>) -> Self {
        let takes_push = iv_ciphers.is_some() || iv_ncp >= 2;
        if let Some(list) = iv_ciphers {
            return Self { ciphers: Cipher::parse_list(list), takes_push, named_any: true };
        }
        let mut ciphers = match iv_ncp {
            0 | 1 => Vec::new(),
            _ => vec![Cipher::Aes256Gcm, Cipher::Aes128Gcm],
        };
        let named_any = !ciphers.is_empty() || options_cipher.is_some();
        if let Some(cipher) = options_cipher.and_then(Cipher::from_name)
            && !ciphers.contains(&cipher)
        {
            ciphers.push(cipher);
        }
        Self { ciphers, takes_push, named_any }
    }
}

/// The server's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The cipher.
    pub cipher: Cipher,
    /// Whether it has to be pushed: an older client already uses it and understands no push.
    pub push: bool,
}

/// The server's choice: the first of its own that the client has; else `fallback` if the client named
/// none at all.
pub fn negotiate(
    server: &[Cipher],
    client: &ClientOffer,
    fallback: Option<Cipher>,
) -> Result<Choice, NoSharedCipher> {
    let shared = server.iter().copied().find(|cipher| client.ciphers.contains(cipher));
    let fallback = fallback.filter(|_| !client.named_any);
    let cipher = shared.or(fallback).ok_or(NoSharedCipher)?;
    Ok(Choice { cipher, push: client.takes_push && shared.is_some() })
}

/// The client's choice: what was pushed, else what the server's options string says, else `fallback`.
pub fn client_choice(
    own: &[Cipher],
    pushed: Option<&str>,
    options_cipher: Option<&str>,
    fallback: Option<Cipher>,
) -> Result<Cipher, NoSharedCipher> {
    let acceptable =
        |cipher: &Cipher| own.contains(cipher) || (pushed.is_some() && fallback == Some(*cipher));
    match pushed.or(options_cipher) {
        Some(name) => Cipher::from_name(name).filter(acceptable),
        None => fallback,
    }
    .ok_or(NoSharedCipher)
}

/// Both sides are in order and have no cipher in common: their `data-ciphers` have to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSharedCipher;

impl fmt::Display for NoSharedCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two sides have no data channel cipher in common")
    }
}

impl Error for NoSharedCipher {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Cipher; 3] = Cipher::DEFAULT;

    #[test]
    fn the_servers_order_decides() {
        let client =
            ClientOffer::new(Some("CHACHA20-POLY1305:aes-128-gcm:?AES-256-GCM:BF-CBC"), 2, None);
        assert_eq!(
            negotiate(&ALL, &client, None),
            Ok(Choice { cipher: Cipher::Aes256Gcm, push: true })
        );
        let reversed = [Cipher::ChaCha20Poly1305, Cipher::Aes128Gcm];
        let choice = negotiate(&reversed, &client, None).unwrap();
        assert_eq!(choice.cipher, Cipher::ChaCha20Poly1305);
    }

    #[test]
    fn an_ncp_client_without_a_list_has_both_gcm_ciphers() {
        let client = ClientOffer::new(None, 2, None);
        assert_eq!(
            negotiate(&ALL, &client, None),
            Ok(Choice { cipher: Cipher::Aes256Gcm, push: true })
        );
        assert_eq!(negotiate(&[Cipher::ChaCha20Poly1305], &client, None), Err(NoSharedCipher));
    }

    #[test]
    fn the_options_cipher_counts_only_without_a_list_and_is_not_pushed() {
        let client = ClientOffer::new(None, 0, Some("AES-128-GCM"));
        assert_eq!(
            negotiate(&ALL, &client, None),
            Ok(Choice { cipher: Cipher::Aes128Gcm, push: false })
        );
        let client = ClientOffer::new(Some("BF-CBC"), 0, Some("AES-128-GCM"));
        assert_eq!(negotiate(&ALL, &client, Some(Cipher::Aes256Gcm)), Err(NoSharedCipher));
    }

    #[test]
    fn the_fallback_is_for_clients_that_name_nothing() {
        let fallback = Some(Cipher::Aes128Gcm);
        let silent = ClientOffer::new(None, 0, None);
        assert_eq!(
            negotiate(&ALL, &silent, fallback),
            Ok(Choice { cipher: Cipher::Aes128Gcm, push: false })
        );
        let foreign = ClientOffer::new(None, 0, Some("BF-CBC"));
        assert_eq!(negotiate(&ALL, &foreign, fallback), Err(NoSharedCipher));
    }

    #[test]
    fn a_client_takes_the_push_then_the_options_then_the_fallback() {
        let own = [Cipher::Aes256Gcm];
        assert_eq!(client_choice(&own, Some("AES-256-GCM"), None, None), Ok(Cipher::Aes256Gcm));
        assert_eq!(
            client_choice(&own, Some("AES-128-GCM"), Some("AES-256-GCM"), None),
            Err(NoSharedCipher)
        );
        let fallback = Some(Cipher::Aes128Gcm);
        assert_eq!(client_choice(&own, Some("AES-128-GCM"), None, fallback), Ok(Cipher::Aes128Gcm));
        assert_eq!(client_choice(&own, None, Some("AES-256-GCM"), None), Ok(Cipher::Aes256Gcm));
        assert_eq!(client_choice(&own, None, None, fallback), Ok(Cipher::Aes128Gcm));
        assert_eq!(client_choice(&own, None, None, None), Err(NoSharedCipher));
    }
}
