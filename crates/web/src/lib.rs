//! HTTP behind the TLS door: one decrypted connection in, answers out.
//!
//! [`serve`] speaks HTTP/1.1 or 2 over a stream that somebody else accepted and decrypted, and answers by the
//! routes of a [`Site`]: a backend behind a reverse proxy, files, a redirect, a fixed answer. Who the client is
//! was settled before and comes in as a [`Connection`]; what a backend hears of it is written here, and nothing
//! that the client says of itself under the same names arrives there.
//!
//! Not here: TLS, certificates, records, sockets that listen, settings. How it degrades: whatever is wrong with a
//! request or a backend ends as a [`Refusal`] for that request; a client that is slow beyond its [`Limits`] loses
//! its connection; [`Limits::memory`] says what it takes at most.

mod activity;
mod asked;
mod body;
mod completed;
mod connection;
mod context;
mod exchange;
mod files;
mod forwarded;
pub mod fuzzing;
mod hearing_out;
mod host;
mod hygiene;
mod identity;
mod limits;
mod manners;
mod outgoing;
mod pace;
mod path;
mod proxy;
mod redirect;
mod refusal;
mod rest;
mod seats;
mod serve;
mod site;
mod steward;
mod tasks;
mod tunnel;
mod upstream;
mod via;

pub use connection::{Connection, Http, Identity, Tls};
pub use files::{Files, FilesError};
pub use host::{Host, NamePattern, NotAName};
pub use identity::NotAHeader;
pub use limits::Limits;
pub use manners::Hsts;
pub use redirect::{Destination, NotADestination, Redirect};
pub use refusal::{Fault, Refusal};
pub use serve::{ServeError, Served, serve};
pub use site::{Action, Fixed, Handler, NotAPrefix, Prefix, Question, Route, Site};
pub use steward::Steward;
pub use upstream::{
    Ailment, Backend, Balance, Change, Connecting, Health, NoBackend, Onlooker, Stream, Upstream,
    UpstreamLimits, Way,
};
