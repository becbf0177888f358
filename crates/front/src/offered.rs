//! What a client offers, for the refusal of one that lacks what it needs here.
//!
//! Invariant: of a client's first message nothing is told here but names that the library knows.

use rustls::server::ClientHello;
use rustls::{CipherSuite, Error, NamedGroup, PeerIncompatible};

use crate::refused::Refused;

/// Versions, ciphers and groups of a first message.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    version: Option<&'static str>,
    ciphers: Vec<CipherSuite>,
    groups: Vec<NamedGroup>,
}

impl Offered {
    /// Of this message, which stands so in its records.
    pub(crate) fn of(hello: &ClientHello<'_>, sent: &[u8]) -> Self {
        let ciphers = hello.cipher_suites().to_vec();
        let groups = hello.named_groups().unwrap_or_default().to_vec();
        Self { version: old_version(sent), ciphers, groups }
    }

    /// Why TLS failed, with what the client offers where that is why.
    pub(crate) fn refused(&self, error: Error) -> Refused {
        let Error::PeerIncompatible(what) = error else { return Refused::Tls(error) };
        let ciphers = || listed("its ciphers", self.ciphers.iter().filter_map(cipher));
        let groups = || listed("its groups", self.groups.iter().filter_map(NamedGroup::as_str));
        let offers = match what {
            PeerIncompatible::Tls12NotOffered => self.version.map(at_most),
            PeerIncompatible::NoCipherSuitesInCommon => ciphers(),
            // Without ciphers that need one a client names none.
            PeerIncompatible::NoKxGroupsInCommon => groups().or_else(ciphers),
            _ => None,
        };
        Refused::Unmet { what, offers }
    }
}

/// Why this first message was not read to its end: one of an older version says less than the library wants to know, and
/// that is not what has to be mended.
pub(crate) fn refused_hello(error: Error, sent: &[u8]) -> Refused {
    let is_unsaid = PeerIncompatible::SignatureAlgorithmsExtensionRequired.into();
    let version = old_version(sent);
    let error = match version {
        Some(_) if error == is_unsaid => PeerIncompatible::Tls12NotOffered.into(),
        _ => error,
    };
    Offered { version, ..Offered::default() }.refused(error)
}

fn at_most(version: &str) -> String {
    format!("its version: {version}")
}

/// The version that a first message says it speaks at most, where that is older than TLS 1.2: every newer one is told elsewhere in the message
/// (RFC 8446 section 4.2.1).
fn old_version(sent: &[u8]) -> Option<&'static str> {
    let [_, _, _, high, low, CLIENT_HELLO, _, _, _, 3, minor, ..] = sent else {
        return None;
    };
    let is_there = u16::from_be_bytes([*high, *low]) >= UP_TO_THE_VERSION;
    let version = ["SSL 3.0", "TLS 1.0", "TLS 1.1"].get(usize::from(*minor)).copied();
    version.filter(|_| is_there)
}

fn cipher(suite: &CipherSuite) -> Option<&'static str> {
    let is_one = *suite != CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV;
    suite.as_str().filter(|_| is_one)
}

fn listed(what: &str, names: impl Iterator<Item = &'static str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let (first, others) = names.split_at(names.len().min(NAMED));
    let more = match others.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!first.is_empty()).then(|| format!("{what}: {}{more}", first.join(", ")))
}

/// RFC 8446 section 4.
const CLIENT_HELLO: u8 = 1;
/// Kind and length of the message, and the version.
const UP_TO_THE_VERSION: u16 = 6;
/// So many make a sentence.
const NAMED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_too_old_is_told_by_its_version_whatever_else_it_leaves_out() {
        let sent = [22, 3, 1, 0, 80, 1, 0, 0, 76, 3, 2, 0];
        let unsaid = || PeerIncompatible::SignatureAlgorithmsExtensionRequired.into();
        let refused = refused_hello(unsaid(), &sent);
        assert_eq!(refused.code(), "tls_failed");
        let said = refused.to_string();
        assert!(said.starts_with("the peer speaks TLS 1.1 at most"), "{said}");
        assert!(said.contains("(its version: TLS 1.1); renew the client"), "{said}");
        let new = [22, 3, 1, 0, 80, 1, 0, 0, 76, 3, 3, 0];
        let said = refused_hello(unsaid(), &new).to_string();
        assert!(said.contains("which signatures it can read"), "{said}");
        let cut = [22, 3, 1, 0, 5, 1, 0, 0, 76, 3, 2, 0];
        assert!(old_version(&cut).is_none() && old_version(&sent[..10]).is_none());
    }

    #[test]
    fn a_client_without_a_cipher_or_group_in_common_is_told_by_those_that_it_has() {
        let ciphers = vec![
            CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA,
            CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV,
        ];
        let offered = Offered { ciphers, ..Offered::default() };
        for what in [PeerIncompatible::NoKxGroupsInCommon, PeerIncompatible::NoCipherSuitesInCommon]
        {
            let said = offered.refused(what.into()).to_string();
            assert!(said.contains("(its ciphers: TLS_RSA_WITH_AES_128_CBC_SHA); have"), "{said}");
        }
        let groups = vec![NamedGroup::secp521r1; 6];
        let offered = Offered { groups, ..offered };
        let said = offered.refused(PeerIncompatible::NoKxGroupsInCommon.into()).to_string();
        assert!(said.contains("(its groups: secp521r1, "), "{said}");
        assert!(said.contains(" and 2 more); have"), "{said}");
        assert!(matches!(offered.refused(Error::DecryptError), Refused::Tls(_)));
    }
}
