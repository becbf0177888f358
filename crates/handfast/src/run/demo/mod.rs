//! `handfast demo`: the whole story in throw-away network namespaces.
//!
//! ```text
//!    alice (handfast connect) ──┐
//!                               ├ router ── gateway ── files (10.99.0.2, fd99::2)
//!    bob   (stock openvpn)    ──┘
//! ```
//!
//! Every line that is printed was measured, and a step that was not seen ends the demo. All of it
//! lives in namespaces without names, child processes and one folder; whatever way the demo ends,
//! they go with it.

use std::path::PathBuf;

use admin::failure::Failure;
use explain::story::Stories;

use self::folder::Folder;
use self::limits::interrupted;
use self::machine::Machine;
use self::stage::{Stage, running};
use self::stop::Stop;
use self::tell::Teller;
use super::output::Output;

mod addresses;
mod download;
mod ending;
mod file;
mod folder;
mod gateway_program;
mod https;
mod limits;
mod machine;
mod page;
mod ping;
mod program;
mod renegotiation;
mod revocation;
mod stage;
mod stop;
mod subscriber;
mod tell;
mod traffic;

/// What `demo` was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoOptions {
    /// Whether missing packages may be installed.
    pub(crate) install: bool,
    /// Where to leave a page with alice's handshake.
    pub(crate) page: Option<PathBuf>,
}

/// Shows it.
pub(crate) fn run_demo(options: &DemoOptions) -> Result<Output, Failure> {
    let mut machine = Machine::enter()?;
    let stop = Stop::listen()?;
    let teller = Teller::new();
    teller
        .title("a gateway, a host behind it and two subscribers in throw-away network namespaces");
    machine.complete(options.install, &stop, &teller)?;
    let folder = Folder::make()?;
    let shown = show(&machine, options, &folder, &stop, &teller);
    if !machine.installed.is_empty() {
        let packages = machine.installed.join(" ");
        teller.plain(&format!("  installed for it, and left: {packages}"));
    }
    if stop.is_asked() {
        return Err(interrupted());
    }
    if shown.is_err() {
        teller.logs(folder.path());
    }
    shown?;
    drop(folder);
    teller.total();
    page::offer(options.page.as_deref(), &teller);
    if machine.openvpn.is_none() {
        teller.plain("shown with our own client only");
    }
    Ok(Output::done(""))
}

/// A client connects to a gateway, and the gateway tells the handshake; all of it is gone after that.
pub(crate) fn handshake() -> Result<Stories, Failure> {
    let mut machine = Machine::enter()?;
    let (stop, teller) = (Stop::listen()?, Teller::silent());
    machine.complete(false, &stop, &teller)?;
    let folder = Folder::make()?;
    let told = told(&machine, &folder, &stop, &teller);
    if stop.is_asked() {
        return Err(interrupted());
    }
    if told.is_err() {
        teller.logs(folder.path());
    }
    told
}

fn told(
    machine: &Machine,
    folder: &Folder,
    stop: &Stop,
    teller: &Teller,
) -> Result<Stories, Failure> {
    let mut stage = Stage::build(machine, folder, stop, teller)?;
    stage.connect(stop, teller)?;
    running(&mut stage.gateway)?.explain("alice")
}

fn show(
    machine: &Machine,
    options: &DemoOptions,
    folder: &Folder,
    stop: &Stop,
    teller: &Teller,
) -> Result<(), Failure> {
    let stage = &mut Stage::build(machine, folder, stop, teller)?;
    stage.connect(stop, teller)?;
    page::show(stage, options.page.as_deref(), teller)?;
    traffic::pings(stage, stop, teller)?;
    traffic::files(stage, stop, teller)?;
    renegotiation::show(stage, stop, teller)?;
    revocation::show(stage, stop, teller)?;
    https::show(stage, folder, stop, teller)?;
    ending::show(stage, machine, stop, teller)
}
