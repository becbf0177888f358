//! TLS 1.2 and 1.3 as they were observed: records in, facts out, encrypted parts where a key log opens them.
//!
//! It follows what the two ends did and enforces nothing: what it doesn't understand is a gap. Nothing here
//! trusts a certificate; whether a proof is right is calculated, whether it is believed is not decided here.

mod blocks;
mod connection;
mod handshake;
mod hello;
mod http;
mod lane;
pub(crate) mod names;
mod opening;
mod proof;
mod reader;
mod shown;
mod speech;
mod transcript;

pub(crate) use connection::{Connection, Event, SPEAKS};
pub(crate) use handshake::{Checked, NOT_OPENED};
pub(crate) use names::{GREASE, alert as alert_name, suite as suite_name};
pub(crate) use shown::{certificates, names_of, staple};
