//! `wireguard-go`, configured over its own socket as `wg` would.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use interop::{Program, wait_until};
use sysio::Netns;
use sysio::netlink::{LinkChange, Netlink};

use super::{SOON, Tunnel, Workshop, last_lines};
use crate::error::BenchError;
use crate::topology::{SERVER, Topology};

/// `wireguard-go` at both ends.
pub(super) fn pair(topology: &Topology, workshop: &Workshop) -> Result<Tunnel, BenchError> {
    let (server, client) = (Keys::generate()?, Keys::generate()?);
    let listening = format!(
        "private_key={}\nlisten_port={PORT}\npublic_key={}\nallowed_ip={CLIENT_ADDRESS}/32\n",
        server.private, client.public
    );
    let connecting = format!(
        "private_key={}\npublic_key={}\nendpoint={SERVER}:{PORT}\nallowed_ip={ADDRESS}/32\n",
        client.private, server.public
    );
    let server = end(&topology.server, workshop, "s", &listening, ADDRESS)?;
    let client = end(&topology.client, workshop, "c", &connecting, CLIENT_ADDRESS)?;
    Ok(Tunnel { address: ADDRESS, server: vec![server], client: vec![client] })
}

fn end(
    netns: &Netns,
    workshop: &Workshop,
    side: &str,
    settings: &str,
    address: Ipv4Addr,
) -> Result<Program, BenchError> {
    // Sockets are named after interfaces, and all namespaces share their folder.
    let interface = format!("hfb{}{side}", std::process::id());
    let mut command = workshop.sid("wireguard-go")?;
    command.args(["-f", &interface]).env("LOG_LEVEL", "error");
    let log = workshop.file(&format!("wireguard-{side}.log"));
    let program = Program::start(netns, command, &log)
        .map_err(|e| BenchError::tool("wireguard-go", e.to_string()))?;
    let socket = PathBuf::from(format!("/var/run/wireguard/{interface}.sock"));
    let mut answer = Err(BenchError::tool("wireguard-go", "it opened no control socket"));
    wait_until(SOON, || {
        let Ok(stream) = UnixStream::connect(&socket) else { return false };
        answer = configure(stream, settings);
        true
    });
    answer.map_err(|error| BenchError::DidNotStart {
        program: format!("wireguard-go ({error})"),
        said: last_lines(&program),
    })?;
    bring_up(netns, &interface, address)?;
    Ok(program)
}

/// Sends the settings in the plain-text protocol of `wg` and reads the verdict.
fn configure(mut stream: UnixStream, settings: &str) -> Result<(), BenchError> {
    let failed = |error: std::io::Error| BenchError::tool("wireguard-go", error.to_string());
    stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(failed)?;
    stream.write_all(format!("set=1\n{settings}\n").as_bytes()).map_err(failed)?;
    let mut answer = [0; 256];
    let len = stream.read(&mut answer).map_err(failed)?;
    let answer = String::from_utf8_lossy(&answer[..len]);
    if answer.contains("errno=0\n") {
        return Ok(());
    }
    Err(BenchError::tool("wireguard-go", format!("it refused its settings: {}", answer.trim())))
}

fn bring_up(netns: &Netns, interface: &str, address: Ipv4Addr) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::file("the async runtime"))?;
    runtime.block_on(async {
        let netlink = Netlink::open_in(netns)?;
        let index = netlink.link_index(interface).await?;
        let change = LinkChange { up: Some(true), ..LinkChange::default() };
        netlink.link_set(index, change).await?;
        Ok(netlink.address_add(index, IpAddr::V4(address), 24).await?)
    })
}

/// A pair of keys in hexadecimal. They protect nothing but one benchmark.
struct Keys {
    private: String,
    public: String,
}

impl Keys {
    fn generate() -> Result<Self, BenchError> {
        let failed = |_| BenchError::tool("key generation", "the crypto library refused");
        let key = PrivateKey::generate(&X25519).map_err(failed)?;
        let private: Curve25519SeedBin<'_> = key.as_be_bytes().map_err(failed)?;
        let public = key.compute_public_key().map_err(failed)?;
        Ok(Self { private: hex(private.as_ref()), public: hex(public.as_ref()) })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const PORT: u16 = 51820;
