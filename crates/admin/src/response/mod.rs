//! The answers: every field that a listing prints or `--json` shows, by subject.
//!
//! Only data, no words. Times are [`clock::Timestamp`]s, serial numbers hex as openssl prints them (upper case).

mod ca;
mod certificate;
mod change;
mod people;
mod profile;
mod session;
mod settings;
mod status;
mod tls;

use serde::{Deserialize, Serialize};

pub use ca::{Behind, CaDetail, CaSummary, CrlDetail, CrlEntry, CrlSummary, OtherCa, Rollover};
pub use certificate::{Certificate, CertificateState, Named, NamedDetail};
pub use change::{Changed, ChangedAll, Effect, Event, EventPage, Kicked};
pub use people::{Device, DeviceDetail, DeviceState, User, UserDetail};
pub use profile::{KeyMaterial, ProfileCommon, ProfileMaterial, Remote};
pub use session::{PastSession, Session, Stories};
pub use settings::{Reloaded, Setting, Settings, TakesEffect};
pub use status::{CheckReport, EffectDelay, Finding, Level, RefusalEntry, Status};
pub use tls::{
    TlsAddress, TlsBackend, TlsCertificate, TlsClientPort, TlsEncryption, TlsFigures, TlsServer,
    TlsServers,
};

/// What a request is answered with where it succeeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "answer", rename_all = "snake_case")]
pub enum Response {
    /// Users, for a listing.
    Users(Vec<User>),
    /// One user.
    User(UserDetail),
    /// Devices, for a listing.
    Devices(Vec<Device>),
    /// One device.
    Device(DeviceDetail),
    /// Names that have certificates, for a listing.
    NamedList(Vec<Named>),
    /// One of them.
    Named(NamedDetail),
    /// A change and its effects.
    Changed(Changed),
    /// The same done to many, and its effects.
    ChangedAll(Box<ChangedAll>),
    /// What profiles are made of.
    Profile(Box<ProfileMaterial>),
    /// The CRL.
    Crl(CrlDetail),
    /// The CA.
    Ca(CaDetail),
    /// How far a rollover of the CA has come.
    Rollover(Rollover),
    /// State and figures.
    Status(Box<Status>),
    /// Sessions, for a listing.
    Sessions(Vec<Session>),
    /// Sessions on record, for a listing.
    History(Vec<PastSession>),
    /// The virtual servers of the TLS door, for a listing.
    TlsServers(TlsServers),
    /// One of them.
    TlsServer(Box<TlsServer>),
    /// What a kick closed.
    Kicked(Kicked),
    /// Events.
    Events(EventPage),
    /// Findings.
    Check(CheckReport),
    /// Settings.
    Settings(Settings),
    /// The settings were read again.
    Reloaded(Reloaded),
    /// Handshakes in words.
    Stories(Stories),
}

impl Response {
    /// Whether there may be a private key in it.
    pub fn holds_keys(&self) -> bool {
        matches!(self, Self::Profile(_))
    }

    /// Why what was done is in force and not on the disk; nothing where it is on the disk.
    pub fn held(&self) -> Option<&str> {
        match self {
            Self::Changed(changed) => changed.held.as_deref(),
            Self::ChangedAll(changed) => changed.did.held.as_deref(),
            Self::Kicked(kicked) => kicked.held.as_deref(),
            _ => None,
        }
    }
}
