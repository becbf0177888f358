//! Ours: a gateway with a data folder of its own for each configuration, and `handfast connect`.
//!
//! The gateway sets up neither NAT nor forwarding, as the other contestants don't.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use interop::Program;

use super::list::{Parts, Transport};
use super::{SOON, Tunnel, Workshop, expect_line};
use crate::error::BenchError;
use crate::interrupt;
use crate::topology::{SERVER, Topology};

/// Ours at both ends.
pub(super) fn pair(
    topology: &Topology,
    workshop: &Workshop,
    parts: &Parts,
) -> Result<Tunnel, BenchError> {
    let gateway = Gateway::of(workshop, parts)?;
    let server = gateway.start(topology, workshop)?;
    let profile = gateway.profile(topology, workshop)?;
    let client = client(topology, workshop, &profile, parts.without)?;
    Ok(Tunnel { address: ADDRESS, server: vec![server], client: vec![client] })
}

/// Starts `handfast connect` and waits until it is connected.
pub(super) fn client(
    topology: &Topology,
    workshop: &Workshop,
    profile: &Path,
    without: &str,
) -> Result<Program, BenchError> {
    let mut command = workshop.handfast();
    command.arg("connect").arg(profile);
    command.arg("--state").arg(workshop.folder("client-state")?);
    command.env("HANDFAST_WITHOUT", without);
    let mut program =
        Program::start(&topology.client, command, &workshop.file("handfast-connect.log"))
            .map_err(|e| BenchError::tool("handfast connect", e.to_string()))?;
    expect_line(&mut program, "handfast connect", "connected to")?;
    Ok(program)
}

/// A gateway of ours with a data folder for one configuration.
pub(super) struct Gateway {
    folder: PathBuf,
    parts: Parts,
}

impl Gateway {
    pub(super) fn of(workshop: &Workshop, parts: &Parts) -> Result<Self, BenchError> {
        let transport = match parts.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        let folder = workshop.folder(&format!("{transport}-{}", parts.cipher))?;
        let settings = format!(
            "[public]\nnames = [\"{SERVER}\"]\n[vpn]\nlisten = [\"{transport}:0.0.0.0:1194\"]\n\
             nat = false\nciphers = [\"{}\"]\n[ca]\nkey_type = \"p256\"\n[device]\n\
             key_type = \"p256\"\n",
            parts.cipher
        );
        let gateway = Self { folder, parts: *parts };
        let path = gateway.data().join("handfast.toml");
        fs::create_dir_all(gateway.data()).map_err(BenchError::file(gateway.data()))?;
        fs::write(&path, settings).map_err(BenchError::file(path.clone()))?;
        Ok(gateway)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn start(
        &self,
        topology: &Topology,
        workshop: &Workshop,
    ) -> Result<Program, BenchError> {
        let mut command = self.command(workshop);
        command.arg("up").arg("--state").arg(workshop.folder("gateway-state")?);
        command.env("HANDFAST_WITHOUT", self.parts.without);
        let mut program =
            Program::start(&topology.server, command, &workshop.file("handfast-up.log"))
                .map_err(|e| BenchError::tool("handfast up", e.to_string()))?;
        if self.parts.transport == Transport::Tcp && !program.says(UP, SOON) {
            interrupt::check()?;
            let log = program.log();
            let reason = log.lines().find(|line| line.contains("error")).unwrap_or("it is silent");
            return Err(BenchError::Unavailable(format!("no TCP transport: {reason}")));
        }
        expect_line(&mut program, "handfast up", UP)?;
        Ok(program)
    }

    /// The profile of the one user, made the first time.
    pub(super) fn profile(
        &self,
        topology: &Topology,
        workshop: &Workshop,
    ) -> Result<PathBuf, BenchError> {
        let folder = self.folder.join("profile");
        if !folder.exists() {
            self.order(topology, workshop, &["user", "add", "alice"])?;
            let out = folder.display().to_string();
            let order = ["profile", "alice", "--out", &out, "--os", "linux", "--form", "unified"];
            self.order(topology, workshop, &order)?;
        }
        let entries = fs::read_dir(&folder).map_err(BenchError::file(folder.clone()))?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .find(|path| path.extension().is_some_and(|extension| extension == "ovpn"))
            .ok_or_else(|| BenchError::tool("handfast profile", "it wrote no .ovpn file"))
    }

    fn order(
        &self,
        topology: &Topology,
        workshop: &Workshop,
        arguments: &[&str],
    ) -> Result<(), BenchError> {
        let mut command = self.command(workshop);
        command.args(arguments);
        let output = topology.server.output(command)?;
        if output.status.success() {
            return Ok(());
        }
        let name = format!("handfast {}", arguments.join(" "));
        Err(BenchError::tool(&name, String::from_utf8_lossy(&output.stderr)))
    }

    fn command(&self, workshop: &Workshop) -> Command {
        let mut command = workshop.handfast();
        command.arg("--data").arg(self.data());
        command
    }
}

/// The gateway's own address inside the tunnel.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 71, 0, 1);
const UP: &str = "the gateway is up";
