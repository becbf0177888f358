//! The process that keeps the CA's key: this program again, started by a gateway or a command that signs.
//!
//! Its standard input is the line to whoever started it; nothing listens, and it ends when the line does.
//! Invariant: no thread is started before the keys are read, nor after.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use admin::failure::{Failure, FailureKind};
use clock::SystemClock;
use signer::{Place, Program, Standing, serve};

use super::output::Output;
use crate::args::order::SignerOrder;

/// From here on this process has its signatures made by another one of this program.
pub(super) fn declare(log: bool) {
    let words = [Some(COMMAND), log.then_some("--log")];
    Program::called_with(words.into_iter().flatten().map(Into::into)).declare();
}

/// Serves until whoever started it is gone.
pub(super) fn run_signer(order: SignerOrder) -> Result<Output, Failure> {
    sysio::outlive_stop_signals();
    super::log::start(if order.log { "info" } else { "error" });
    let place = Place { folder: order.keys, records: order.records };
    let served = line().and_then(|line| serve(line, &place, &SystemClock, Standing::Alone));
    served.map_err(|error| {
        Failure::new(FailureKind::Failed, "the signer has ended").caused_by(&error)
    })?;
    Ok(Output::done(""))
}

fn line() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// As it is typed, by a gateway or a command alone.
const COMMAND: &str = "signer";
