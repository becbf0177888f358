//! Why the gateway did not do what it was asked for: one variant for each misdeed.
//!
//! No words for people here and no exit codes: `failures.rs` makes both, at the edge.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use admin::names::DeviceName;
use authority::AuthorityError;
use clock::Timestamp;
use names::{CertificateName, RevocationReason};
use pki::AnchorError;
use store::{LockError, OpenError, StoreError};
use vpn::VpnError;
use wire::push::PushOptionError;

use crate::config::{ConfigError, EditError};
use crate::data::DataError;
use crate::explained::ReasonOf;

/// Nothing was changed, unless the variant says otherwise.
#[derive(Debug)]
pub enum GatewayError {
    /// The records could not be read or changed.
    Store(StoreError),
    /// There is no store to ask.
    Open(OpenError),
    /// The CA could not do it.
    Authority(AuthorityError),
    /// Another process works in the data folder, or its lock can't be used.
    Lock(LockError),
    /// The data folder can't be used.
    Data(DataError),
    /// The settings are wrong.
    Config(ConfigError),
    /// A key was not set.
    Setting(EditError),
    /// The CA's certificate can't be trusted by TLS.
    Anchor(AnchorError),
    /// TLS could not be set up.
    Tls(rustls::Error),
    /// An option of the settings can't be pushed.
    Push {
        /// As it would be pushed.
        option: String,
        /// Why not.
        error: PushOptionError,
    },
    /// The tls-auth key in the store can't be read.
    TlsAuthKey,
    /// The VPN's door could not be opened.
    Vpn(VpnError),
    /// A restore into this folder was not finished.
    HalfRestored {
        /// The folder.
        folder: PathBuf,
    },
    /// There was a CA in this folder, and its records are gone.
    RecordsGone {
        /// The folder.
        folder: PathBuf,
        /// Where the records were.
        records: PathBuf,
        /// The CA's certificate.
        ca: PathBuf,
        /// The folder with the CA's key. One of the two is there.
        keys: PathBuf,
    },
    /// User and device together do not fit a certificate's common name.
    LongName {
        /// Both names.
        device: DeviceName,
        /// How long both may be.
        longest: usize,
    },
    /// The device never had a certificate, so that none can be revoked.
    NothingToRevoke {
        /// Which.
        device: DeviceName,
    },
    /// Of those that were named together some can't be changed so, and none was.
    NotAll {
        /// How many were named.
        of: usize,
        /// Why each of them can't.
        refused: Vec<GatewayError>,
    },
    /// More were named than are changed at once.
    TooMany {
        /// How many.
        named: usize,
        /// How many may be.
        most: usize,
    },
    /// The device or its user is kept out, so that no profile is made.
    Disabled {
        /// Which.
        device: DeviceName,
        /// Whether it is its user that is disabled.
        user: bool,
    },
    /// The device's certificate was revoked, so that no profile is made of it.
    Revoked {
        /// Which.
        device: DeviceName,
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
    /// The device's certificate has run out, so that no profile is made of it.
    Expired {
        /// Which.
        device: DeviceName,
        /// When.
        at: Timestamp,
    },
    /// The name has a certificate that holds.
    NameHasCertificate {
        /// Which.
        name: CertificateName,
        /// Until when.
        until: Timestamp,
    },
    /// The name is a virtual server's, whose certificate the gateway renews by itself.
    RenewsItself {
        /// Which.
        name: CertificateName,
    },
    /// The name's key was made elsewhere, so that one that is made here would not fit there.
    KeyElsewhere {
        /// Which.
        name: CertificateName,
    },
    /// The device's certificate is of a CA that is trusted no longer, so that no profile is made of it.
    FormerCa {
        /// Which.
        device: DeviceName,
    },
    /// Somebody has a certificate of the former CA still.
    NotMoved {
        /// How many certificates there are.
        count: usize,
        /// Whose the first is.
        first: String,
    },
    /// Profiles would point nowhere.
    NoPublicName {
        /// The settings.
        file: PathBuf,
    },
    /// Only a running gateway knows.
    NotRunning {
        /// The folder on which none runs.
        folder: PathBuf,
    },
    /// It is none of the certificates on record.
    UnknownCertificate,
    /// No session fits what was named.
    NoSuchSession,
    /// No refusal fits what was named.
    NoSuchRefusal,
    /// Nothing was refused, ended or dropped for this reason.
    NoStory {
        /// The word.
        reason: String,
        /// Whose reason it is.
        of: ReasonOf,
        /// How often it happened since the start, though nothing of that is kept.
        times: u64,
        /// The reasons of which there is something to tell.
        told: Vec<String>,
    },
    /// No virtual server is called so.
    NoSuchVirtualServer {
        /// How.
        name: String,
    },
    /// The CA has not signed a CRL yet.
    NoCrl,
}

impl Display for GatewayError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Open(error) => error.fmt(f),
            Self::Authority(error) => error.fmt(f),
            Self::Lock(error) => error.fmt(f),
            Self::Data(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Setting(error) => error.fmt(f),
            Self::Anchor(_) | Self::Tls(_) => f.write_str("TLS can't be set up"),
            Self::Push { option, .. } => write!(f, "`{option}` cannot be pushed"),
            Self::TlsAuthKey => f.write_str("the tls-auth key in the store can't be read"),
            Self::Vpn(error) => error.fmt(f),
            Self::HalfRestored { folder } => {
                write!(f, "a restore into {} was not finished", folder.display())
            }
            Self::RecordsGone { folder, .. } => {
                write!(f, "the records of {} are gone", folder.display())
            }
            Self::LongName { device, longest } => {
                write!(f, "{device} is longer than {longest} characters")
            }
            Self::NothingToRevoke { device } => {
                write!(f, "device {device} has no certificate: there is nothing to revoke")
            }
            Self::NotAll { of, refused } => {
                write!(f, "nothing was changed: {} of {of} can't be", refused.len())
            }
            Self::TooMany { named, most } => {
                write!(f, "{named} are named, and at most {most} are changed at once")
            }
            Self::Disabled { device, .. } => write!(f, "{device} is disabled"),
            Self::Revoked { device, at, reason } => {
                write!(f, "the certificate of {device} was revoked on {}", at.date())?;
                match reason {
                    RevocationReason::Unspecified => Ok(()),
                    reason => write!(f, " ({reason})"),
                }
            }
            Self::Expired { device, at } => {
                write!(f, "the certificate of {device} expired on {}", at.date())
            }
            Self::NotMoved { count, first } => write!(
                f,
                "certificates of the former CA that hold still: {count}, the first of {first}"
            ),
            Self::NameHasCertificate { name, until } => {
                write!(f, "{name} has a certificate that holds until {}", until.date())
            }
            Self::RenewsItself { name } => {
                write!(
                    f,
                    "{name} is a virtual server, whose certificate the gateway renews by itself"
                )
            }
            Self::KeyElsewhere { name } => {
                write!(
                    f,
                    "the key of {name} was made elsewhere, and its certificate is for that one"
                )
            }
            Self::FormerCa { device } => write!(
                f,
                "the certificate of {device} is of the former CA, which is trusted no longer"
            ),
            Self::NoPublicName { .. } => {
                f.write_str("profiles would point nowhere: public.names is empty")
            }
            Self::NotRunning { folder } => write!(f, "no gateway runs on {}", folder.display()),
            Self::UnknownCertificate => {
                f.write_str("the certificate is none that this gateway has on record for a device")
            }
            Self::NoSuchSession => f.write_str("no such session is open"),
            Self::NoSuchRefusal => f.write_str(
                "no such refusal is remembered: nobody was refused since the start, or later ones took its place",
            ),
            Self::NoStory { reason, of: ReasonOf::Gateway, times: 0, .. } => {
                write!(f, "of {reason} nothing is remembered: it did not happen since the start")
            }
            Self::NoStory { reason, of: ReasonOf::Gateway, times, .. } => {
                let times = match times {
                    1 => "once".to_owned(),
                    times => format!("{times} times"),
                };
                write!(
                    f,
                    "{reason} happened {times} since the start, and none is kept: later ones took the place, or it was a goodbye before there was a session"
                )
            }
            Self::NoStory { reason, of: ReasonOf::Clients(what), .. } => {
                write!(f, "{reason} is what a client meets, and no reason of the gateway's: {what}")
            }
            Self::NoStory { reason, of: ReasonOf::Nobody, .. } => {
                write!(f, "{reason} is no reason for which anything is refused, ended or dropped here")
            }
            Self::NoSuchVirtualServer { name } => write!(f, "no virtual server is called {name}"),
            Self::NoCrl => f.write_str("no CRL was signed yet"),
        }
    }
}

impl Error for GatewayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Open(error) => error.source(),
            Self::Authority(error) => error.source(),
            Self::Lock(error) => error.source(),
            Self::Data(error) => error.source(),
            Self::Config(error) => error.source(),
            Self::Setting(error) => error.source(),
            Self::Anchor(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Push { error, .. } => Some(error),
            Self::Vpn(error) => error.source(),
            Self::TlsAuthKey
            | Self::HalfRestored { .. }
            | Self::RecordsGone { .. }
            | Self::LongName { .. }
            | Self::NothingToRevoke { .. }
            | Self::NotAll { .. }
            | Self::TooMany { .. }
            | Self::Disabled { .. }
            | Self::Revoked { .. }
            | Self::Expired { .. }
            | Self::NameHasCertificate { .. }
            | Self::RenewsItself { .. }
            | Self::KeyElsewhere { .. }
            | Self::FormerCa { .. }
            | Self::NotMoved { .. }
            | Self::NoPublicName { .. }
            | Self::NotRunning { .. }
            | Self::UnknownCertificate
            | Self::NoSuchSession
            | Self::NoSuchRefusal
            | Self::NoStory { .. }
            | Self::NoSuchVirtualServer { .. }
            | Self::NoCrl => None,
        }
    }
}

macro_rules! from {
    ($($variant:ident($source:ty)),*) => {$(
        impl From<$source> for GatewayError {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}
from!(
    Store(StoreError),
    Open(OpenError),
    Authority(AuthorityError),
    Lock(LockError),
    Data(DataError),
    Config(ConfigError),
    Setting(EditError),
    Anchor(AnchorError),
    Tls(rustls::Error),
    Vpn(VpnError)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_and_is_not_kept_is_told_from_what_did_not_happen() {
        let said = |times| {
            let (reason, of) = ("peer_exit".to_owned(), ReasonOf::Gateway);
            GatewayError::NoStory { reason, of, times, told: Vec::new() }.to_string()
        };
        assert!(said(0).ends_with("it did not happen since the start"), "{}", said(0));
        assert!(said(1).starts_with("peer_exit happened once since the start, and none is kept"));
        assert!(said(7).starts_with("peer_exit happened 7 times since"), "{}", said(7));
    }
}
