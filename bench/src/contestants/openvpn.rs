//! `openvpn` as server and client: TLS with a CA of its own, AES-256-GCM, no kernel offload.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use interop::Program;
use sysio::Netns;

use super::list::{Transport, Version};
use super::{Tunnel, Workshop, expect_line, trust};
use crate::error::BenchError;
use crate::topology::{SERVER, Topology};

/// `openvpn` at both ends.
pub(super) fn pair(
    topology: &Topology,
    workshop: &Workshop,
    version: Version,
    transport: Transport,
) -> Result<Tunnel, BenchError> {
    let server = server(topology, workshop, version, transport)?;
    let profile = profile(workshop, transport)?;
    let client = client(&topology.client, program(workshop, version)?, &profile)?;
    Ok(Tunnel { address: ADDRESS, server: vec![server], client: vec![client] })
}

/// Starts an `openvpn` client and waits until it is connected.
pub(super) fn client(
    netns: &Netns,
    mut command: Command,
    profile: &Path,
) -> Result<Program, BenchError> {
    let folder = profile.parent().unwrap_or(Path::new("."));
    command.current_dir(folder).arg("--config").arg(profile).arg("--disable-dco");
    let log = folder.join("openvpn-client.log");
    let mut program = Program::start(netns, command, &log)
        .map_err(|e| BenchError::tool("openvpn", e.to_string()))?;
    expect_line(&mut program, "the openvpn client", COMPLETED)?;
    Ok(program)
}

/// The program in this version.
pub(super) fn program(workshop: &Workshop, version: Version) -> Result<Command, BenchError> {
    match version {
        Version::Installed => Ok(Command::new("openvpn")),
        Version::Sid => workshop.sid("openvpn"),
    }
}

/// Starts an `openvpn` server and waits until it listens.
pub(super) fn server(
    topology: &Topology,
    workshop: &Workshop,
    version: Version,
    transport: Transport,
) -> Result<Program, BenchError> {
    let folder = trust::folder(workshop)?;
    let proto = match transport {
        Transport::Udp => "udp4",
        Transport::Tcp => "tcp4-server",
    };
    let config = format!(
        "dev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\nproto {proto}\nport {PORT}\n\
         disable-dco\nca ca.pem\ncert server.pem\nkey server.key\ndh none\ntls-auth tls-auth.key 0\n\
         auth SHA256\ndata-ciphers AES-256-GCM\ntun-mtu 1500\nkeepalive 10 60\nverb 3\n"
    );
    let path = folder.join(format!("server-{proto}.conf"));
    fs::write(&path, config).map_err(BenchError::file(path.clone()))?;
    let mut command = program(workshop, version)?;
    command.current_dir(&folder).arg("--config").arg(&path);
    let log = folder.join("openvpn-server.log");
    let mut program = Program::start(&topology.server, command, &log)
        .map_err(|e| BenchError::tool("openvpn", e.to_string()))?;
    expect_line(&mut program, "the openvpn server", COMPLETED)?;
    Ok(program)
}

/// A profile that `openvpn` and `handfast connect` both read.
pub(super) fn profile(workshop: &Workshop, transport: Transport) -> Result<PathBuf, BenchError> {
    let folder = trust::folder(workshop)?;
    let proto = match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp-client",
    };
    let profile = format!(
        "client\ndev tun\nproto {proto}\nremote {SERVER} {PORT}\nnobind\nca ca.pem\ncert client.pem\n\
         key client.key\nremote-cert-tls server\nverify-x509-name server name\nkey-direction 1\n\
         tls-auth tls-auth.key\nauth SHA256\ndata-ciphers AES-256-GCM\nverb 3\n"
    );
    let path = folder.join(format!("client-{proto}.conf"));
    fs::write(&path, profile).map_err(BenchError::file(path.clone()))?;
    Ok(path)
}

/// The server's own address inside the tunnel.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);
const PORT: u16 = 1195;
const COMPLETED: &str = "Initialization Sequence Completed";
