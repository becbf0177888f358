//! Why the authority could not do what it was asked for.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

use crate::not_in_profile::NotInProfile;

/// Nothing was handed out; what was recorded stays recorded.
#[derive(Debug)]
pub enum AuthorityError {
    /// The records could not be read or changed.
    Store(store::StoreError),
    /// The CA's certificate or key can't be used.
    Ca(pki::CaError),
    /// No key.
    Key(pki::KeyError),
    /// The request for a certificate can't be taken: its sender's fault.
    Csr(pki::CsrError),
    /// A CRL that was recorded can't be read.
    Crl(pki::CrlError),
    /// The settings allow no such certificate.
    Profile(NotInProfile),
    /// The signer refused.
    Sign(pki::SignError),
    /// A certificate of ours and its key don't belong together.
    Identity(pki::IdentityError),
    /// The store lacks the key of a certificate that it has.
    KeyMissing {
        /// The secret's name.
        name: String,
    },
    /// The records are behind what is in force.
    Waiting,
    /// There is no such CA.
    UnknownIssuer(store::CaGenerationId),
    /// There is no CA at all.
    NoIssuer,
    /// No CA is recorded, and the keys of former ones are there.
    RecordsLost,
    /// The number of the CA that signs, as recorded, is none.
    BadRole {
        /// The setting that has it.
        setting: &'static str,
    },
    /// The clock can't be right, and nothing that is signed by it would hold once it is.
    Clock {
        /// What it says.
        now: clock::Timestamp,
    },
    /// The system gave no randomness.
    Random,
}

impl AuthorityError {
    /// Whether it is a clock's fault that is before or beyond the CA's time, and may pass.
    pub fn is_of_the_clock(&self) -> bool {
        use pki::SignError as E;
        matches!(self, Self::Clock { .. } | Self::Sign(E::EmptyValidity | E::NotNow))
    }

    /// Whether it is the disk's fault alone, and may pass.
    pub fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Waiting | Self::Store(store::StoreError::Storage(_)))
    }

    /// Whether it is the signer that can't be had, which may pass.
    pub fn is_of_the_signer(&self) -> bool {
        matches!(self, Self::Sign(pki::SignError::Unreachable | pki::SignError::Locked))
    }

    /// Whether whoever needs no new signature goes on without.
    pub fn may_pass(&self) -> bool {
        self.is_of_the_disk() || self.is_of_the_signer()
    }
}

impl Display for AuthorityError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Ca(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::Csr(error) => error.fmt(f),
            Self::Crl(error) => write!(f, "the recorded CRL: {error}"),
            Self::Profile(error) => error.fmt(f),
            Self::Sign(error) => error.fmt(f),
            Self::Identity(error) => write!(f, "the gateway's own certificate: {error}"),
            Self::KeyMissing { name } => {
                write!(f, "the store has no secret {name:?}; restore the data folder from a backup")
            }
            Self::Waiting => {
                f.write_str("the disk has not taken a revocation yet; make room on it")
            }
            Self::UnknownIssuer(id) => write!(f, "the CA has no generation {id}"),
            Self::NoIssuer => f.write_str("there is no CA"),
            Self::RecordsLost => {
                f.write_str("the keys of CAs are there that signed lists, and no records of them")
            }
            Self::BadRole { setting } => write!(
                f,
                "the store's setting {setting:?} names no CA; restore the data folder from a backup"
            ),
            Self::Clock { now } => write!(
                f,
                "the clock says {}, and nothing that is signed by it would hold: set the clock",
                now.date()
            ),
            Self::Random => f.write_str("the system gave no randomness"),
        }
    }
}

impl Error for AuthorityError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Ca(error) => error.source(),
            Self::Key(error) => error.source(),
            Self::Csr(error) => error.source(),
            Self::Crl(error) => error.source(),
            Self::Sign(error) => error.source(),
            Self::Identity(error) => error.source(),
            Self::Profile(_)
            | Self::KeyMissing { .. }
            | Self::Waiting
            | Self::UnknownIssuer(_)
            | Self::NoIssuer
            | Self::RecordsLost
            | Self::BadRole { .. }
            | Self::Clock { .. }
            | Self::Random => None,
        }
    }
}

macro_rules! from {
    ($($variant:ident($source:ty)),*) => {$(
        impl From<$source> for AuthorityError {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}
from!(
    Store(store::StoreError),
    Ca(pki::CaError),
    Key(pki::KeyError),
    Csr(pki::CsrError),
    Crl(pki::CrlError),
    Profile(NotInProfile),
    Sign(pki::SignError),
    Identity(pki::IdentityError)
);
