//! What the data path asks of the kernel, and what it gave.
//!
//! Everything works without any of it, slower. The environment variable [`SWITCH`] leaves parts out,
//! to try that or to get around a driver's bug: a comma-separated list of `tun`, `tun-udp`, `gso`,
//! `gro`, `steering`, `queues` and `affinity`, or `all`.

use std::fmt;

use sysio::{Tun, TunOffload, UdpSocket};

/// The variable that leaves parts out.
pub(crate) const SWITCH: &str = "HANDFAST_WITHOUT";

/// What is wanted of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offloads {
    /// Super-packets through the TUN device.
    pub tun: TunOffload,
    /// Several datagrams in one send (UDP_SEGMENT).
    pub gso: bool,
    /// Several datagrams in one receive (UDP_GRO).
    pub gro: bool,
    /// Each datagram to the socket of its peer's worker (SO_ATTACH_REUSEPORT_CBPF).
    pub steering: bool,
    /// Queues of the TUN device for each worker (IFF_MULTI_QUEUE).
    pub queues: bool,
    /// Each worker on a processor of its own, where there are as many (sched_setaffinity).
    pub affinity: bool,
}

impl Offloads {
    /// What can be left out by name.
    pub const PARTS: [&str; 8] =
        ["tun", "tun-udp", "gso", "gro", "steering", "queues", "affinity", "all"];

    /// Everything but what the environment leaves out.
    pub fn wanted() -> Self {
        Self::wanted_but([])
    }

    /// Everything but these parts and what the environment leaves out.
    pub fn wanted_but(parts: impl IntoIterator<Item = &'static str>) -> Self {
        let environment = std::env::var(SWITCH).unwrap_or_default();
        let named = environment.split(',').map(str::trim);
        let mut left_out: Vec<&str> = named.collect();
        for part in parts {
            left_out.push(part);
        }
        Self::without(&left_out)
    }

    fn without(parts: &[&str]) -> Self {
        let off = |part: &str| parts.iter().any(|word| [part, "all"].contains(word));
        let tun = match (off("tun"), off("tun-udp")) {
            (true, _) => TunOffload::None,
            (false, true) => TunOffload::Tcp,
            (false, false) => TunOffload::TcpAndUdp,
        };
        Self {
            tun,
            gso: !off("gso"),
            gro: !off("gro"),
            steering: !off("steering"),
            queues: !off("queues"),
            affinity: !off("affinity"),
        }
    }

    /// What two workers both have.
    pub(crate) fn both(self, other: Self) -> Self {
        Self {
            tun: self.tun.min(other.tun),
            gso: self.gso && other.gso,
            gro: self.gro && other.gro,
            steering: self.steering && other.steering,
            queues: self.queues && other.queues,
            affinity: self.affinity && other.affinity,
        }
    }

    /// Sets sockets up. Returns what is in force.
    pub(crate) fn set_up<'s>(
        self,
        tun: &Tun,
        sockets: impl Iterator<Item = &'s UdpSocket>,
    ) -> Self {
        let mut given = Self { tun: tun.offload().min(self.tun), ..self };
        for socket in sockets {
            if !self.gso {
                socket.never_join_sent();
            }
            given.gro &= self.gro && socket.join_received();
            given.gso &= socket.joins_sent();
        }
        given
    }
}

/// As operators read it: what is done in one piece, and what isn't.
impl fmt::Display for Offloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tun = match self.tun {
            TunOffload::None => "packets one by one at the TUN device",
            TunOffload::Tcp => "TCP in large pieces at the TUN device",
            TunOffload::TcpAndUdp => "TCP and UDP in large pieces at the TUN device",
        };
        let socket = match (self.gso, self.gro) {
            (true, true) => "GSO and GRO",
            (true, false) => "GSO, no GRO",
            (false, true) => "GRO, no GSO",
            (false, false) => "no GSO, no GRO",
        };
        write!(f, "{tun}, {socket}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_leaves_out_what_it_names_and_nothing_else() {
        let all = Offloads {
            tun: TunOffload::TcpAndUdp,
            gso: true,
            gro: true,
            steering: true,
            queues: true,
            affinity: true,
        };
        assert_eq!(Offloads::without(&[""]), all);
        assert_eq!(Offloads::without(&["gso", "tun-udp"]).tun, TunOffload::Tcp);
        assert!(!Offloads::without(&["gso", "tun-udp"]).gso);
        assert_eq!(Offloads::without(&["gro"]), Offloads { gro: false, ..all });
        let none = Offloads {
            tun: TunOffload::None,
            gso: false,
            gro: false,
            steering: false,
            queues: false,
            affinity: false,
        };
        assert_eq!(Offloads::without(&["all"]), none);
    }
}
