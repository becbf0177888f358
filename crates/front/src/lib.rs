//! The TLS door: listeners, virtual servers by name, clients by certificate, and the backends behind them.
//!
//! 1. [`Front::open`] listens as [`Settings`] say, with the certificates in a [`Keyring`] and a [`Directory`] that
//!    knows who may in;
//! 2. [`Front::replace`] puts other settings or other CAs in force; connections stay;
//! 3. [`Front::connections`], [`Front::servers`] and [`Front::kick`] are what administration asks and commands;
//!    dropping the value closes the sockets, and the end of the runtime the connections.
//!
//! The crate exists so that the door does not know who opens it: no store, no CA, no settings file. A client's
//! certificate is asked for by the virtual server that it named, looked at in every handshake and again after every
//! one that resumed a former session, and again at every change of the records.
//! How it degrades: an address that can't be had is said and stops no other; a virtual server without a certificate
//! refuses; where there are too many strangers the oldest one makes room.

mod arrival;
mod backend;
mod begun;
mod certificate_source;
mod certificates;
mod chain;
mod client_port;
mod close;
mod connection;
mod directory;
mod door;
mod doorstep;
pub mod fuzzing;
mod greeted;
mod groups;
mod handshake;
mod hello;
mod holder;
mod listen;
mod listener;
mod log;
mod means;
mod mode;
mod neighbours;
mod offered;
mod opening;
mod overheard;
mod passive_ports;
mod policy;
mod port;
mod preamble;
mod proofs;
mod reach;
mod refused;
mod registry;
mod room;
mod secure_way;
mod service;
mod settings;
mod shared;
mod site;
mod site_name;
mod sockets;
mod sorting;
mod splice;
mod state;
mod steward;
mod sums;
mod sweeper;
mod table;
mod terms;
mod tickets;
mod traffic;
mod transfers;
mod trust;
mod upgrading;
mod upstreams;
mod validation;
mod verifier;
mod watched;
mod ways;
mod web_site;
mod whom;
mod wire;

pub use backend::{Address, Target, TargetFault};
pub use certificate_source::{CertificateFiles, CertificateSource};
pub use certificates::Keyring;
pub use client_port::ClientPort;
pub use directory::{Directory, Report};
pub use door::{Front, OpenError};
pub use holder::Holder;
pub use listen::BindError;
pub use mode::{Mode, ModeFault, Protocol};
pub use neighbours::{Neighbours, Nobody, Passed};
pub use overheard::{End, Overheard, Piece, Secret, Wanted};
pub use passive_ports::{PassivePorts, PortsFault};
pub use proofs::Proofs;
pub use refused::Refused;
pub use registry::{Ended, Info, Kick, Secured};
pub use service::{PathFault, PathRoute, Service, UrlPath, Weighted};
pub use settings::{Clients, KeyKind, Listen, ProxyProtocol, Settings, Unmatched, VirtualServer};
pub use site_name::{NameFault, SiteName};
pub use sockets::{NoSockets, Sockets};
pub use state::{Encryption, OwnCertificate, Present, ServerState};
pub use sums::{Failed, Sum, Sums};
pub use traffic::Traffic;
pub use trust::{Loaded, Trust, TrustError};
pub use upstreams::BackendState;
pub use whom::Whom;
