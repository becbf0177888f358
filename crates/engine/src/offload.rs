//! What the kernel is asked to do in one piece, and what it gave.
//!
//! Everything works without any of it, slower. The environment variable [`SWITCH`] leaves parts out,
//! to try that or to get around a driver's bug: a comma-separated list of `tun`, `tun-udp`, `gso` and
//! `gro`, or `all`.

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
}

impl Offloads {
    /// Everything but what the environment leaves out.
    pub fn wanted() -> Self {
        Self::without(&std::env::var(SWITCH).unwrap_or_default())
    }

    fn without(list: &str) -> Self {
        let off = |part: &str| list.split(',').any(|word| [part, "all"].contains(&word.trim()));
        let tun = match (off("tun"), off("tun-udp")) {
            (true, _) => TunOffload::None,
            (false, true) => TunOffload::Tcp,
            (false, false) => TunOffload::TcpAndUdp,
        };
        Self { tun, gso: !off("gso"), gro: !off("gro") }
    }

    /// Sets sockets up. Returns what is in force, and says it.
    pub(crate) fn set_up<'s>(
        self,
        tun: &Tun,
        sockets: impl Iterator<Item = &'s UdpSocket>,
    ) -> Self {
        let mut given = Self { tun: tun.offload(), ..self };
        for socket in sockets {
            if !self.gso {
                socket.never_join_sent();
            }
            given.gro &= self.gro && socket.join_received();
            given.gso &= socket.joins_sent();
        }
        tracing::info!(tun = ?given.tun, gso = given.gso, gro = given.gro, "the data path");
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_leaves_out_what_it_names_and_nothing_else() {
        let all = Offloads { tun: TunOffload::TcpAndUdp, gso: true, gro: true };
        assert_eq!(Offloads::without(""), all);
        assert_eq!(Offloads::without("gso, tun-udp").tun, TunOffload::Tcp);
        assert!(!Offloads::without("gso, tun-udp").gso);
        assert_eq!(Offloads::without("gro"), Offloads { gro: false, ..all });
        let none = Offloads { tun: TunOffload::None, gso: false, gro: false };
        assert_eq!(Offloads::without("all"), none);
    }
}
