//! From an admission to what the two cores are told: peer settings for the data worker, a grant for
//! the session.

use std::time::Duration;

use datapath::{Endpoint, Header, IpNet, KeepAlive, Mss, MssByUnderlay, PeerRef, PeerSettings};
use tunnel::Grant;
use wire::mtu::{Encapsulation, MssFix, Transport, Underlay};
use wire::peer_info::{IvProto, PeerInfo};
use wire::push::PushOption;

use crate::Admitted;
use crate::messages::About;

/// Timers and sizes of the data channel, the same for every peer.
#[derive(Clone, Copy, Debug)]
pub struct DataSettings {
    /// A ping leaves when nothing was sent for this long.
    pub ping: Duration,
    /// A peer is gone when nothing came for this long.
    pub ping_restart: Duration,
    /// The largest outer packet that TCP inside the tunnel should lead to, IP header included
    /// (`mssfix N mtu`); 0 leaves SYNs alone.
    pub mssfix: u16,
    /// The same for packets that no router may cut: what stock peers send, and all over IPv6. On a narrow
    /// path whose routers' word is filtered they would vanish. 0: as `mssfix`.
    pub mssfix_df: u16,
}

/// What the data worker has to know about an admitted peer.
pub(crate) fn peer_settings(
    admitted: &Admitted,
    peer: PeerRef,
    peer_info: &PeerInfo,
    endpoint: &Endpoint,
    data: &DataSettings,
) -> PeerSettings {
    let header = if peer_info.iv_proto().contains(IvProto::DATA_V2) {
        Header::V2(peer.id)
    } else {
        Header::V1
    };
    PeerSettings {
        header,
        addresses: admitted.addresses.clone(),
        networks: Vec::new(),
        mss: mss(header, endpoint, [data.mssfix, data.mssfix_df], peer_info.receive_buffer()),
        keep_alive: KeepAlive { ping: Some(data.ping), ping_restart: Some(data.ping_restart) },
        float: endpoint.stream().is_none(),
        paced: is_paced(endpoint, peer_info.receive_buffer()),
    }
}

/// What the data worker of a client has to know about its server. `mssfix` is as in [`DataSettings`]: of
/// all packets, and of those that no router may cut.
pub(crate) fn server_settings(
    header: Header,
    endpoint: &Endpoint,
    keep_alive: KeepAlive,
    mssfix: [u16; 2],
    receive_buffer: Option<u32>,
) -> PeerSettings {
    PeerSettings {
        header,
        addresses: Vec::new(),
        networks: vec![IpNet::ALL_V4, IpNet::ALL_V6],
        mss: mss(header, endpoint, mssfix, receive_buffer),
        keep_alive,
        float: false,
        paced: is_paced(endpoint, receive_buffer),
    }
}

/// What the session is told. `receive_buffer` is our own, and told to those who told us theirs.
pub(crate) fn grant(
    admitted: &Admitted,
    peer: PeerRef,
    about: &About,
    endpoint: &Endpoint,
    receive_buffer: Option<u32>,
) -> Grant {
    let mut push = admitted.push.clone();
    if endpoint.stream().is_some() {
        // The end of a TCP connection says it.
        push.retain(|option| !matches!(option, PushOption::ExplicitExitNotify(_)));
    } else if about.peer_info.receive_buffer().is_some() {
        push.extend(receive_buffer.map(PushOption::ReceiveBuffer));
    }
    // The second of notAfter is in it (RFC 5280, section 4.1.2.5), and a client that is told a moment before
    // the verifier goes by it would be let in once more.
    let not_after = about.not_after.map(|at| Duration::from_secs(at.unix_secs().saturating_add(1)));
    Grant { push, peer_id: peer.id, ciphers: Vec::new(), not_after }
}

/// Whether a peer is overrun by what leaves here at once. A stock peer, which doesn't say what its buffer
/// holds, has the system's default; over TCP the kernel sees to it.
fn is_paced(endpoint: &Endpoint, receive_buffer: Option<u32>) -> bool {
    endpoint.stream().is_none() && receive_buffer.is_none_or(|bytes| bytes < ROOMY)
}

/// Who tells of a receive buffer is one of ours, whose packets over IPv4 may be cut on their way. Over TCP
/// the kernel sees to it that packets fit.
fn mss(
    header: Header,
    endpoint: &Endpoint,
    [mssfix, mssfix_df]: [u16; 2],
    receive_buffer: Option<u32>,
) -> MssByUnderlay {
    if mssfix == 0 {
        return MssByUnderlay::UNTOUCHED;
    }
    let transport = if endpoint.stream().is_some() { Transport::Tcp } else { Transport::Udp };
    let v2 = matches!(header, Header::V2(_));
    let encapsulation = Encapsulation { v2, transport, ..Encapsulation::USUAL };
    let over = |underlay| {
        let is_whole = receive_buffer.is_none() || underlay == Underlay::V6;
        let most = match transport {
            Transport::Udp if is_whole && mssfix_df > 0 => mssfix.min(mssfix_df),
            Transport::Udp | Transport::Tcp => mssfix,
        };
        let limits = MssFix::Mtu(most).mss(encapsulation, underlay);
        Mss { v4: limits.v4, v6: limits.v6 }
    };
    MssByUnderlay { v4: over(Underlay::V4), v6: over(Underlay::V6) }
}

/// A receive buffer that takes what our workers send at once, and some more while the peer wakes.
const ROOMY: u32 = 4 << 20;

#[cfg(test)]
mod tests {
    use datapath::{Carrier, StreamId};

    use super::*;

    #[test]
    fn a_stock_peer_is_sent_small_bursts_and_one_with_a_large_buffer_is_not() {
        let udp = Endpoint::new(0, ([198, 51, 100, 1], 1194).into());
        assert!(is_paced(&udp, None));
        assert!(is_paced(&udp, Some(2 * 212_992)), "ours, where the system gives no more");
        assert!(!is_paced(&udp, Some(24 << 20)));
    }

    #[test]
    fn what_no_router_may_cut_is_held_to_the_smaller_limit() {
        let udp = Endpoint::new(0, ([198, 51, 100, 1], 1194).into());
        let stream = StreamId { worker: 0, serial: 1 };
        let tcp = Endpoint { carrier: Carrier::Tcp(stream), ..udp };
        let limits = |endpoint: &Endpoint, mssfix, buffer| {
            let mss = mss(Header::V1, endpoint, mssfix, buffer);
            [mss.v4.v4, mss.v6.v4]
        };
        let (ours, stock) = (Some(24 << 20), None);
        let [usual, usual6] = limits(&udp, [1492, 0], ours);
        assert_eq!(limits(&udp, [1492, 1400], ours), [usual, usual6 - 92]);
        assert_eq!(limits(&udp, [1492, 1400], stock), [usual - 92, usual6 - 92]);
        assert_eq!(limits(&udp, [1492, 0], stock), [usual, usual6]);
        assert_eq!(limits(&udp, [1300, 1400], stock), [usual - 192, usual6 - 192]);
        assert_eq!(limits(&udp, [0, 1400], stock), [u16::MAX, u16::MAX]);
        assert_eq!(limits(&tcp, [1492, 1400], stock), limits(&tcp, [1492, 0], ours));
    }

    #[test]
    fn nobody_is_paced_over_tcp() {
        let stream = StreamId { worker: 0, serial: 1 };
        let endpoint = Endpoint {
            carrier: Carrier::Tcp(stream),
            ..Endpoint::new(0, ([198, 51, 100, 1], 1194).into())
        };
        assert!(!is_paced(&endpoint, None));
    }
}
