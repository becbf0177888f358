//! Memory for each idle session: a fresh server, its size, so many sessions, its size again.

use std::error::Error;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use interop::Program;
use serde::Serialize;

use crate::keys::Kind;
use crate::machine::Machine;
use crate::ours::Ours;
use crate::process::memory_kb;
use crate::stock::Stock;

/// One number of sessions, both servers.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) sessions: usize,
    pub(crate) openvpn: Option<Size>,
    pub(crate) handfast: Option<Size>,
}

/// A server's size in kB.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Size {
    /// Without sessions.
    pub(crate) base: f64,
    /// Beyond that, for each session.
    pub(crate) each: f64,
}

pub(crate) fn measure(
    machine: &mut Machine,
    idle: &[usize],
) -> Result<Vec<Memory>, Box<dyn Error>> {
    let largest = idle.iter().copied().max().unwrap_or(0);
    let ours = Ours::new(machine, Kind::P256, largest)?;
    let stock = Stock::new(machine, Kind::P256)?;
    let mut all = Vec::new();
    for sessions in idle.iter().copied() {
        let server = ours.up(machine)?;
        let handfast = size(machine, &server, &ours.profiles, sessions)
            .inspect_err(|error| eprintln!("handfast, {sessions} sessions: {error}"));
        Ours::down(server);
        let server = stock.up(machine)?;
        let openvpn = size(machine, &server, &stock.profile, sessions)
            .inspect_err(|error| eprintln!("openvpn, {sessions} sessions: {error}"));
        drop(server);
        let memory = Memory { sessions, openvpn: openvpn.ok(), handfast: handfast.ok() };
        eprintln!("{memory:?}");
        all.push(memory);
    }
    Ok(all)
}

fn size(
    machine: &Machine,
    server: &Program,
    profiles: &Path,
    sessions: usize,
) -> Result<Size, Box<dyn Error>> {
    let base = memory_kb(server.id())?;
    let count = sessions.to_string();
    let arguments = ["--sessions", &count, "--at-once", "64", "--hold", "15"];
    let mut crowd = machine.crowd(profiles, &arguments)?;
    crowd.holds()?;
    sleep(Duration::from_secs(12));
    let full = memory_kb(server.id())?;
    let report = crowd.report()?;
    let held = report["hold"]["sessions"].as_f64().unwrap_or(0.0);
    if held < sessions as f64 {
        let (connect, hold) = (&report["connect"], &report["hold"]);
        return Err(format!("{held} of {sessions} held: {connect} {hold}").into());
    }
    Ok(Size { base, each: (full - base) / held })
}
