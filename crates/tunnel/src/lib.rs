//! OpenVPN sessions, server and client, without IO, clock or entropy.
//!
//! The crate exists so that one machine (reliability, TLS, negotiation, push, key life) runs the
//! same against the kernel, against a virtual clock with a hostile network, and under a fuzzer. It
//! holds no data packet: finished keys leave as [`NewKey`] and the data plane reports back.
//!
//! A server hands every control packet of an unknown sender to [`Gate`], which keeps nothing for a
//! stranger; what it accepts becomes a [`Session`]. A client makes a [`Session`] directly. Hostile
//! or unknown input is dropped with a [`DropReason`] or ends one session with an [`EndReason`]; it
//! never panics and every queue is bounded.
//!
//! One invariant above all: the control packet that lets the peer use a key leaves only after
//! [`Session::key_installed`] said that the data plane opens with it.

mod bloom;
mod closing;
mod config;
mod cookie;
mod dropped;
mod end;
mod entropy;
mod event;
mod gate;
mod generation;
mod keys;
mod life;
mod limit;
mod not_awaited;
mod reliable;
mod session;
mod state;
mod tls;
mod wrapping;

pub use closing::{Close, Refusal};
pub use config::{ClientConfig, GateSettings, ServerConfig, ServerTls, Timing};
pub use dropped::DropReason;
pub use end::{EndReason, Misbehaviour, Progress, PushFault};
pub use entropy::Seed;
pub use event::{Deadline, Event, Grant, Hello, Negotiated, NewKey, TimeoutReason};
pub use gate::{Accepted, Gate, Verdict};
pub use life::{KeyLife, Life};
pub use not_awaited::{NotAwaited, NotNow};
pub use session::Session;
pub use state::{SessionState, StateError};
pub use tls::{prepare_client, prepare_server};
pub use wire::key_material::Role;
