//! Whether a gateway can read packets under an old key still: one of its client's first packets is sent again and again.
//! It is refused as one that came before while the key is there, and as one under an unknown key from then on.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use interop::{Program, World};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use sysio::lab::Host;

/// Waits for a client's first data packet, and keeps it whole.
pub(crate) struct First {
    program: Program,
    file: PathBuf,
}

impl First {
    pub(crate) fn of(world: &World, client: &Host) -> First {
        let file = world.file("first.pcap");
        let mut tcpdump = Command::new("tcpdump");
        tcpdump.args(["--immediate-mode", "-U", "-n", "-c", "1", "-i", "eth0", "-w"]).arg(&file);
        // A data packet under key 0.
        tcpdump.arg(format!("udp dst port 1194 and src host {} and udp[8] = 0x48", client.v4[0]));
        let log = world.file("first.log");
        let mut program =
            Program::start(&world.gateway.netns, tcpdump, &log).expect("tcpdump starts");
        assert!(program.says("listening on", Duration::from_secs(10)), "{}", program.log());
        First { program, file }
    }

    /// The packet as a datagram of UDP, without a checksum.
    fn datagram(mut self) -> Vec<u8> {
        assert!(self.program.ends(Duration::from_secs(10)).is_some(), "{}", self.program.log());
        let (port, payload) = read(&self.file);
        let length = 8 + payload.len() as u16;
        let head = [port, 1194, length, 0].map(u16::to_be_bytes).concat();
        [head, payload].concat()
    }
}

/// Between which two moments the gateway forgot the key of that packet, in microseconds since 1970. It is asked until
/// `over` is set.
pub(crate) fn forgotten(
    world: &World,
    client: &Host,
    first: First,
    over: &AtomicBool,
) -> Option<(u64, u64)> {
    let datagram = first.datagram();
    let open = || Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP));
    let socket = client.netns.run(open).expect("a thread").expect("a raw socket");
    let gateway: Ipv4Addr = world.gateway.v4[0];
    let to = SockAddr::from(std::net::SocketAddr::from((gateway, 0)));
    let (mut last, mut between) = (None, None);
    while !over.load(Ordering::Relaxed) {
        let before = super::now();
        for _ in 0..3 {
            socket.send_to(&datagram, &to).expect("it is sent");
        }
        let sent = super::now();
        thread::sleep(Duration::from_millis(20));
        let unknown = world.counted("unknown_key");
        // Packets under a new key may have come too early as well: what counts is that all of them are unknown.
        let refused = last.is_some_and(|(_, count)| unknown >= count + 3);
        match (refused, last) {
            (true, Some((at, _))) => between = between.or(Some((at, sent))),
            _ => between = None,
        }
        last = Some((before, unknown));
    }
    between
}

fn read(file: &Path) -> (u16, Vec<u8>) {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-T", "fields", "-e", "udp.srcport", "-e", "udp.payload"]);
    let output = tshark.output().expect("tshark starts");
    let said = String::from_utf8(output.stdout).expect("text");
    let (port, payload) = said.trim().split_once('\t').unwrap_or_else(|| panic!("{said:?}"));
    let byte = |at: usize| u8::from_str_radix(&payload[at..at + 2], 16).expect("digits");
    let payload = (0..payload.len()).step_by(2).map(byte).collect();
    (port.parse().expect("a port"), payload)
}
