//! What a peer lacks for a handshake, in words: the TLS library has names for it, which say nothing to whoever has to mend it.
//!
//! Not here: what a peer does against the rules, which no honest one does. Invariant: each has a mend.

use rustls::{Error, PeerIncompatible};

/// What a peer lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// What it is.
    pub lack: &'static str,
    /// What to do.
    pub mend: &'static str,
}

/// What a client lacks that a server of ours needs, where that is why TLS failed.
pub fn unmet(error: &Error) -> Option<Unmet> {
    let Error::PeerIncompatible(what) = error else { return None };
    let (lack, mend) = match what {
        PeerIncompatible::Tls12NotOffered => (
            "the peer speaks TLS 1.1 at most, and TLS 1.2 and 1.3 are spoken here",
            "renew the client or its TLS library, or have it allow TLS 1.2",
        ),
        PeerIncompatible::Tls12NotOfferedOrEnabled => (
            "the peer offers no version of TLS that is spoken here, which are 1.2 and 1.3",
            "renew the client or its TLS library, or have it allow TLS 1.2",
        ),
        PeerIncompatible::SupportedVersionsExtensionRequired => (
            "the peer speaks TLS 1.2 at most, and TLS 1.3 alone is spoken here",
            "renew the client or its TLS library, or have it allow TLS 1.3",
        ),
        PeerIncompatible::NoCipherSuitesInCommon => (
            "the peer offers no cipher that is spoken here with this certificate: any of TLS 1.3, or in TLS 1.2 ECDHE with \
             AES-GCM or ChaCha20-Poly1305, of ECDHE-ECDSA or ECDHE-RSA as the certificate's key is",
            "have the client allow one of these, or renew it",
        ),
        PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NamedGroupsExtensionRequired => (
            "the peer offers no group that keys are agreed on by here: X25519MLKEM768, X25519, P-256 or P-384",
            "have the client allow TLS 1.3, or ciphers with ECDHE in TLS 1.2, with one of these groups, or renew it",
        ),
        PeerIncompatible::NoSignatureSchemesInCommon => (
            "the peer can read no signature that the certificate's key makes here",
            "have the client allow SHA-256 or SHA-384 with ECDSA or RSA, as that key is, or renew it",
        ),
        PeerIncompatible::SignatureAlgorithmsExtensionRequired => (
            "the peer does not say which signatures it can read, as TLS 1.2 and 1.3 have it: it is older, or has that left out",
            "renew the client or its TLS library, or have it send `signature_algorithms`",
        ),
        PeerIncompatible::KeyShareExtensionRequired => (
            "the peer offers TLS 1.3 without a word on how to agree on a key (`key_share`)",
            BROKEN,
        ),
        PeerIncompatible::ExtendedMasterSecretExtensionRequired => (
            "the peer does without the extended master secret (RFC 7627), which TLS 1.2 needs here",
            OLD,
        ),
        PeerIncompatible::UncompressedEcPointsRequired => {
            ("the peer does not read points of elliptic curves in their usual form", BROKEN)
        }
        PeerIncompatible::NullCompressionRequired => {
            ("the peer insists on compression, which is not spoken here", OLD)
        }
        // A client meets those of its server.
        _ => return None,
    };
    Some(Unmet { lack, mend })
}

const OLD: &str = "renew the client or its TLS library";
const BROKEN: &str = "renew the client or its TLS library, and report it if it is a common one";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_old_client_lacks_is_said_in_words_with_a_mend() {
        for what in [
            PeerIncompatible::Tls12NotOffered,
            PeerIncompatible::Tls12NotOfferedOrEnabled,
            PeerIncompatible::SupportedVersionsExtensionRequired,
            PeerIncompatible::NoCipherSuitesInCommon,
            PeerIncompatible::NoKxGroupsInCommon,
            PeerIncompatible::NoSignatureSchemesInCommon,
            PeerIncompatible::SignatureAlgorithmsExtensionRequired,
            PeerIncompatible::KeyShareExtensionRequired,
            PeerIncompatible::ExtendedMasterSecretExtensionRequired,
            PeerIncompatible::UncompressedEcPointsRequired,
            PeerIncompatible::NullCompressionRequired,
        ] {
            let name = format!("{what:?}");
            let Unmet { lack, mend } = unmet(&what.into()).expect("it has words");
            assert!(lack.starts_with("the peer ") && !lack.contains(&name), "{lack}");
            assert!(!lack.contains("; ") && !mend.contains("; "), "{lack}; {mend}");
        }
        assert_eq!(unmet(&Error::DecryptError), None);
    }
}
