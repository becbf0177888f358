//! Who is measured: the list, and a started pair of ends.
//!
//! Each contestant is set up afresh for every round and gone before the next one starts, so that
//! nothing else runs while it is measured.

mod handfast;
mod list;
mod mixed;
mod openvpn;
mod trust;
mod wireguard;
mod workshop;

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use interop::Program;

use crate::error::BenchError;
use crate::interrupt;
use crate::topology::{SERVER, Topology};

pub(crate) use list::{Contestant, Ends, Group, LIST, OPENVPN, RAW, WIREGUARD_GO};

pub(crate) use workshop::Workshop;

/// A pair of ends that runs.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// The server, as the client reaches it through the tunnel.
    pub(crate) address: Ipv4Addr,
    server: Vec<Program>,
    client: Vec<Program>,
}

impl Tunnel {
    /// Starts both ends and waits until a ping comes back through them.
    pub(crate) fn start(
        ends: &Ends,
        topology: &Topology,
        workshop: &Workshop,
    ) -> Result<Self, BenchError> {
        let tunnel = match ends {
            Ends::Raw => Self { address: SERVER, server: vec![], client: vec![] },
            Ends::OpenVpn(version, transport) => {
                openvpn::pair(topology, workshop, *version, *transport)?
            }
            Ends::WireGuardGo => wireguard::pair(topology, workshop)?,
            Ends::Handfast(parts) => handfast::pair(topology, workshop, parts)?,
            Ends::HandfastWithStockClient => mixed::stock_client(topology, workshop)?,
            Ends::StockWithHandfastClient => mixed::stock_server(topology, workshop)?,
        };
        tunnel.answers(topology)?;
        Ok(tunnel)
    }

    /// The process ids of the server's and of the client's programs.
    pub(crate) fn ids(&self) -> [Vec<u32>; 2] {
        [&self.server, &self.client].map(|side| side.iter().map(Program::id).collect())
    }

    /// The end of what its programs wrote.
    pub(crate) fn log(&self) -> String {
        let programs = self.server.iter().chain(&self.client);
        programs.map(|program| format!("{}\n", last_lines(program))).collect()
    }

    /// What our programs log of the offloads that are in force, the server's first if both do.
    pub(crate) fn data_path(&self) -> Option<String> {
        let said = |program: &Program| {
            let log = program.log();
            let line = log.lines().find_map(|line| line.split_once("the data path "))?.1;
            Some(line.trim().to_owned())
        };
        let said: Vec<_> = self.server.iter().chain(&self.client).filter_map(said).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    fn answers(&self, topology: &Topology) -> Result<(), BenchError> {
        let end = Instant::now() + SOON;
        loop {
            interrupt::check()?;
            let mut ping = Command::new("ping");
            ping.args(["-n", "-c", "1", "-W", "1", &self.address.to_string()]);
            if topology.client.output(ping)?.status.success() {
                return Ok(());
            }
            if Instant::now() >= end {
                let program = format!("the tunnel to {}", self.address);
                return Err(BenchError::DidNotStart { program, said: self.log() });
            }
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // The client first, so that it can say goodbye.
        for program in self.client.iter_mut().chain(&mut self.server) {
            program.signal("TERM");
            program.ends(Duration::from_secs(5));
        }
    }
}

/// Waits for a line in a program's log.
fn expect_line(program: &mut Program, name: &str, line: &str) -> Result<(), BenchError> {
    if program.says(line, SOON) {
        return Ok(());
    }
    interrupt::check()?;
    Err(BenchError::DidNotStart { program: name.to_owned(), said: last_lines(program) })
}

fn last_lines(program: &Program) -> String {
    let log = program.log();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// How long a pair of ends may take to come up.
const SOON: Duration = Duration::from_secs(20);
