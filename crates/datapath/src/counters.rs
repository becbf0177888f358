//! Figures that a worker keeps: plain numbers, read between batches, summed by the shell.

use std::fmt;
use std::ops::AddAssign;

/// What one peer sent and was sent. Bytes are those of whole datagrams, as in stock's status file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCounters {
    /// Authentic datagrams received, pings included.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Datagrams sealed, pings included.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
}

impl AddAssign for PeerCounters {
    fn add_assign(&mut self, more: Self) {
        self.rx_packets += more.rx_packets;
        self.rx_bytes += more.rx_bytes;
        self.tx_packets += more.tx_packets;
        self.tx_bytes += more.tx_bytes;
    }
}

/// Why a packet went no further. Every lost packet has exactly one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropCause {
    /// A datagram too short for its header, packet id, tag and one byte.
    TooShort,
    /// No peer has that peer-id or that address.
    UnknownPeer,
    /// The peer has no key with that id.
    UnknownKey,
    /// Packet id 0.
    PacketIdZero,
    /// A packet id seen before.
    Replayed,
    /// A packet id from before the replay window.
    TooOld,
    /// The tag is wrong.
    Forged,
    /// The key must not be used any more.
    KeyUsedUp,
    /// Authentic, but from an address where the peer may not be.
    FloatRefused,
    /// The inner packet isn't IPv4 or IPv6, or is cut off.
    NotIp,
    /// The inner source address isn't the peer's.
    ForeignSource,
    /// IPv6 link-local chatter that has no business in a routed tunnel. Normal.
    LinkLocal,
    /// A packet from the TUN device for which there is no peer.
    NoRoute,
    /// Traffic between peers is refused by settings.
    PeerToPeer,
    /// The peer has no key to seal with yet.
    NoSealKey,
    /// The sink had no room.
    SinkFull,
    /// A packet from the TUN device can't be cut as its header says.
    BadOffload,
    /// The worker that owns the peer did not keep up with what others hand to it.
    HandOver,
    /// A limit or a rule of the peer's was against it.
    ByRule,
}

impl DropCause {
    /// All causes, in the order of the counters.
    pub const ALL: [DropCause; 19] = [
        DropCause::TooShort,
        DropCause::UnknownPeer,
        DropCause::UnknownKey,
        DropCause::PacketIdZero,
        DropCause::Replayed,
        DropCause::TooOld,
        DropCause::Forged,
        DropCause::KeyUsedUp,
        DropCause::FloatRefused,
        DropCause::NotIp,
        DropCause::ForeignSource,
        DropCause::LinkLocal,
        DropCause::NoRoute,
        DropCause::PeerToPeer,
        DropCause::NoSealKey,
        DropCause::SinkFull,
        DropCause::BadOffload,
        DropCause::HandOver,
        DropCause::ByRule,
    ];

    /// A stable name for metrics.
    pub fn code(self) -> &'static str {
        match self {
            DropCause::TooShort => "too_short",
            DropCause::UnknownPeer => "unknown_peer",
            DropCause::UnknownKey => "unknown_key",
            DropCause::PacketIdZero => "packet_id_zero",
            DropCause::Replayed => "replayed",
            DropCause::TooOld => "too_old",
            DropCause::Forged => "forged",
            DropCause::KeyUsedUp => "key_used_up",
            DropCause::FloatRefused => "float_refused",
            DropCause::NotIp => "not_ip",
            DropCause::ForeignSource => "foreign_source",
            DropCause::LinkLocal => "link_local",
            DropCause::NoRoute => "no_route",
            DropCause::PeerToPeer => "peer_to_peer",
            DropCause::NoSealKey => "no_seal_key",
            DropCause::SinkFull => "sink_full",
            DropCause::BadOffload => "bad_offload",
            DropCause::HandOver => "hand_over",
            DropCause::ByRule => "by_rule",
        }
    }
}

impl fmt::Display for DropCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropCause::TooShort => "a datagram was too short for a data packet",
            DropCause::UnknownPeer => "no peer has that peer-id or that address",
            DropCause::UnknownKey => "the peer has no key with that id",
            DropCause::PacketIdZero => "the packet id was 0",
            DropCause::Replayed => "the packet id was seen before",
            DropCause::TooOld => "the packet id was older than the replay window",
            DropCause::Forged => "the tag was wrong",
            DropCause::KeyUsedUp => "the key must not be used any more",
            DropCause::FloatRefused => "the peer may not be at that address",
            DropCause::NotIp => "the inner packet was not IPv4 or IPv6, or was cut off",
            DropCause::ForeignSource => "the inner source address was not the peer's",
            DropCause::LinkLocal => "the inner packet was IPv6 link-local",
            DropCause::NoRoute => "no peer has the inner destination",
            DropCause::PeerToPeer => "traffic between peers is refused",
            DropCause::NoSealKey => "the peer has no key to seal with yet",
            DropCause::SinkFull => "there was no room to send",
            DropCause::BadOffload => "the packet could not be cut as its header says",
            DropCause::HandOver => "the peer's worker did not keep up with the others",
            DropCause::ByRule => "a limit or a rule of the peer's was against it",
        })
    }
}

/// Drops by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; DropCause::ALL.len()]);

impl Drops {
    /// How many packets were dropped for `cause`.
    pub fn of(&self, cause: DropCause) -> u64 {
        self.0[cause as usize]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every cause with its figure.
    pub fn iter(&self) -> impl Iterator<Item = (DropCause, u64)> + '_ {
        DropCause::ALL.into_iter().map(|cause| (cause, self.of(cause)))
    }

    pub(crate) fn count(&mut self, cause: DropCause) {
        self.count_all(cause, 1);
    }

    pub(crate) fn count_all(&mut self, cause: DropCause, packets: u64) {
        self.0[cause as usize] += packets;
    }
}

impl AddAssign for Drops {
    fn add_assign(&mut self, more: Self) {
        self.0.iter_mut().zip(more.0).for_each(|(sum, more)| *sum += more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_counts_under_its_own_name() {
        for (place, cause) in DropCause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, place);
            let mut drops = Drops::default();
            drops.count(cause);
            assert_eq!(drops.iter().filter(|(_, n)| *n == 1).collect::<Vec<_>>(), [(cause, 1)]);
        }
    }
}
