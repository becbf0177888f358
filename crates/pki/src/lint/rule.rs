//! The rules, each with where it stands.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a certificate, a list or an answer has to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It is DER, whole, and nothing follows it.
    Readable,
    /// Certificates are of version 3, lists of version 2.
    Version,
    /// Serial numbers are positive and have at most 20 octets.
    SerialNumber,
    /// The algorithm within what is signed is that of the signature.
    SameAlgorithm,
    /// The issuer's name is the CA's, octet by octet.
    IssuerName,
    /// The first moment comes before the last one.
    Order,
    /// Years up to 2049 in two digits, later ones in four.
    TimeEncoding,
    /// A certificate holds no longer than its issuer's.
    WithinIssuer,
    /// A CA has a name; so has who is named nowhere else. A common name has at most 64 characters.
    SubjectName,
    /// No extension stands there twice.
    ExtensionsOnce,
    /// Every extension can be read, and critical ones are known to all readers.
    ExtensionsKnown,
    /// It names the key that signed it.
    AuthorityKeyId,
    /// It names its own key.
    SubjectKeyId,
    /// It says whether it is a CA's, and only a CA's says yes.
    BasicConstraints,
    /// It says what its key is for, as fits whom it is for.
    KeyUsage,
    /// It is for one purpose, the one it was asked for.
    Purpose,
    /// A server is named by host names and addresses.
    AlternativeNames,
    /// Only a CA's certificate says which names it may certify, and no reader may pass over it.
    NameConstraints,
    /// It has no name that its issuer may not certify.
    PermittedNames,
    /// Where its list is published can be read without TLS.
    DistributionPoint,
    /// Where to ask can be asked without TLS.
    AuthorityAccess,
    /// Who signs OCSP answers need not be asked about.
    NoCheck,
    /// An answer names the key that signed it, and has the certificate of whoever did.
    OcspResponder,
    /// An answer speaks of what was asked, and of nothing else.
    OcspAnswers,
    /// A nonce comes back as it came.
    OcspNonce,
    /// An answer's moments are written to the second, and the next one comes later.
    OcspTimes,
    /// The list says when the next one comes.
    NextUpdate,
    /// The list has a number, of at most 20 octets.
    CrlNumber,
    /// No certificate is on the list twice.
    EntriesOnce,
    /// Each reason can stand on a full list.
    EntryReason,
}

impl Rule {
    /// Document, section, sentence.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Readable => ("5280 4.1", "it is not whole DER"),
            Self::Version => ("5280 4.1.2.1, 5.1.2.1", "it is of the wrong version"),
            Self::SerialNumber => ("5280 4.1.2.2", "a serial number is not positive or too long"),
            Self::SameAlgorithm => ("5280 4.1.1.2, 5.1.1.2", "it names two signature algorithms"),
            Self::IssuerName => ("5280 4.1.2.4, 5.1.2.3", "its issuer is not named as the CA is"),
            Self::Order => ("5280 4.1.2.5, 5.1.2.5", "it ends before it begins"),
            Self::TimeEncoding => ("5280 4.1.2.5", "a moment has the wrong form"),
            Self::WithinIssuer => ("5280 6.1", "it holds when its CA's certificate does not"),
            Self::SubjectName => ("5280 4.1.2.6", "its subject is missing or too long"),
            Self::ExtensionsOnce => ("5280 4.2", "an extension stands there twice"),
            Self::ExtensionsKnown => ("5280 4.2", "an extension can't be read by all"),
            Self::AuthorityKeyId => ("5280 4.2.1.1, 5.2.1", "it does not name the CA's key"),
            Self::SubjectKeyId => ("5280 4.2.1.2", "it does not name its own key"),
            Self::BasicConstraints => ("5280 4.2.1.9", "it is wrong about being a CA's"),
            Self::KeyUsage => ("5280 4.2.1.3", "its key usage does not fit"),
            Self::Purpose => ("5280 4.2.1.12", "its extended key usage does not fit"),
            Self::AlternativeNames => ("5280 4.2.1.6", "its alternative names do not fit"),
            Self::NameConstraints => ("5280 4.2.1.10", "its name constraints do not fit"),
            Self::PermittedNames => ("5280 6.1.3", "its CA may not certify a name that it has"),
            Self::DistributionPoint => ("5280 4.2.1.13", "its CRL can't be fetched by plain HTTP"),
            Self::AuthorityAccess => ("5280 4.2.2.1", "its responder can't be asked by plain HTTP"),
            Self::NoCheck => {
                ("6960 4.2.2.2.1", "only who signs answers has nocheck, and must have it")
            }
            Self::OcspResponder => ("6960 4.2.2.3", "it does not name whoever signed it"),
            Self::OcspAnswers => ("6960 4.2.2.3", "it speaks of something else than was asked"),
            Self::OcspNonce => ("6960 4.4.1", "its nonce is not the request's"),
            Self::OcspTimes => ("5019 2.2.4", "a moment has the wrong form or place"),
            Self::NextUpdate => ("5280 5.1.2.5", "it does not say when the next one comes"),
            Self::CrlNumber => ("5280 5.2.3", "its number is missing or too long"),
            Self::EntriesOnce => ("5280 5.1.2.6", "a certificate is on it twice"),
            Self::EntryReason => ("5280 5.3.1", "a reason can't stand on a full list"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (section, sentence) = self.words();
        write!(f, "{sentence} (RFC {section})")
    }
}

impl Error for Rule {}
