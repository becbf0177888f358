//! Which program has a port, by the kernel's table of sockets and the files that processes have open.
//!
//! Root sees all of them, others their own. Invariant: what another program calls itself is shown as far as it can be.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::config::{Transport, clash};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    id: u32,
    name: String,
}

/// Those that keep others from listening at this address; nobody, where this user may not know.
pub(super) fn by(transport: Transport, address: SocketAddr) -> Vec<Holder> {
    let inodes = in_the_way(transport, address);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| holds(*id, &inodes)).take(NAMED).map(Holder::of).collect()
}

impl Holder {
    fn of(id: u32) -> Self {
        let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        let is_shown = |letter: &char| letter.is_ascii_graphic();
        Self { id, name: name.chars().filter(is_shown).collect() }
    }

    /// It opens ports in others' place.
    pub(super) fn is_systemd(&self) -> bool {
        self.id == 1 && self.name == "systemd"
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.id)
    }
}

/// The sockets, as `/proc` numbers them.
fn in_the_way(transport: Transport, address: SocketAddr) -> BTreeSet<u64> {
    let tables = match transport {
        Transport::Tcp => ["tcp", "tcp6"],
        Transport::Udp => ["udp", "udp6"],
    };
    let mut inodes = BTreeSet::new();
    for table in tables {
        let text = fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default();
        let open = text.lines().skip(1).filter_map(|line| open_at(line, transport));
        inodes.extend(open.filter(|(at, _)| clash(*at, address)).map(|(_, inode)| inode));
    }
    inodes
}

/// Where a socket of the table takes datagrams, or connections.
fn open_at(line: &str, transport: Transport) -> Option<(SocketAddr, u64)> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else { return None };
    let is_open = transport == Transport::Udp || state == LISTENING;
    let (address, port) = local.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let at = SocketAddr::new(ip(address)?.to_canonical(), port);
    is_open.then_some((at, inode.parse().ok()?))
}

/// The kernel writes each four octets as a number of this machine's.
fn ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(8 * at..8 * at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (at, piece) in octets.chunks_exact_mut(4).enumerate() {
                piece.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

fn holds(process: u32, inodes: &BTreeSet<u64>) -> bool {
    let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let socket = |path: &Path| {
        let number = fs::read_link(path).ok()?;
        number.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    files.filter_map(|file| socket(&file.path())).any(|inode: u64| inodes.contains(&inode))
}

/// `TCP_LISTEN`.
const LISTENING: &str = "0A";
const NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read_and_connections_are_nobody_who_listens() {
        let listens = "   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A \
                       00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0";
        let read = open_at(listens, Transport::Tcp);
        assert_eq!(read, Some(("[::]:443".parse().expect("an address"), 4711)));
        let connected =
            "1: 0100007F:01BB 0100007F:C0DE 01 00000000:00000000 00:00000000 00000000 0 0 5 1";
        assert_eq!(open_at(connected, Transport::Tcp), None);
        assert_eq!(open_at("nothing of the kind", Transport::Tcp), None);
    }

    #[test]
    fn what_has_another_port_is_not_in_the_way() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = by(Transport::Tcp, holder.local_addr().expect("an address"));
        assert_eq!(own.iter().map(|one| one.id).collect::<Vec<_>>(), [std::process::id()]);
        let at = other.local_addr().expect("an address");
        drop(other);
        assert_eq!(by(Transport::Tcp, at), []);
    }
}
