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

/// Defines the causes and all that is said of each, so that none can lack its counter, its code or its sentence.
macro_rules! causes {
    ($($(#[$what:meta])* $cause:ident: $code:literal, $sentence:literal;)*) => {
        /// Why a packet went no further. Every lost packet has exactly one cause.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum DropCause {
            $($(#[$what])* $cause,)*
        }

        impl DropCause {
            /// All causes, in the order of the counters.
            pub const ALL: [DropCause; [$($code),*].len()] = [$(DropCause::$cause),*];

            /// A stable name for metrics.
            pub fn code(self) -> &'static str {
                match self {
                    $(DropCause::$cause => $code,)*
                }
            }
        }

        impl fmt::Display for DropCause {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(DropCause::$cause => $sentence,)*
                })
            }
        }
    };
}

causes! {
    /// A datagram too short for its header, packet id, tag and one byte.
    TooShort: "too_short", "a datagram was too short for a data packet";
    /// No peer has that peer-id or that address.
    UnknownPeer: "unknown_peer", "no peer has that peer-id or that address";
    /// The peer has no key with that id.
    UnknownKey: "unknown_key", "the peer has no key with that id";
    /// Packet id 0.
    PacketIdZero: "packet_id_zero", "the packet id was 0";
    /// A packet id seen before.
    Replayed: "replayed", "the packet id was seen before";
    /// A packet id from before the replay window.
    TooOld: "too_old", "the packet id was older than the replay window";
    /// The tag is wrong.
    Forged: "forged", "the tag was wrong";
    /// The key must not be used any more.
    KeyUsedUp: "key_used_up", "the key must not be used any more";
    /// Authentic, but from an address where the peer may not be.
    FloatRefused: "float_refused", "the peer may not be at that address";
    /// The inner packet isn't IPv4 or IPv6, or is cut off.
    NotIp: "not_ip", "the inner packet was not IPv4 or IPv6, or was cut off";
    /// The inner source address isn't the peer's.
    ForeignSource: "foreign_source", "the inner source address was not the peer's";
    /// IPv6 link-local chatter that has no business in a routed tunnel. Normal.
    LinkLocal: "link_local", "the inner packet was IPv6 link-local";
    /// A packet from the TUN device for which there is no peer.
    NoRoute: "no_route", "no peer has the inner destination";
    /// Traffic between peers is refused by settings.
    PeerToPeer: "peer_to_peer", "traffic between peers is refused";
    /// The peer has no key to seal with yet.
    NoSealKey: "no_seal_key", "the peer has no key to seal with yet";
    /// The sink had no room.
    SinkFull: "sink_full", "there was no room to send";
    /// A packet from the TUN device can't be cut as its header says.
    BadOffload: "bad_offload", "the packet could not be cut as its header says";
    /// The worker that owns the peer did not keep up with what others hand to it.
    HandOver: "hand_over", "the peer's worker did not keep up with the others";
    /// A limit or a rule of the peer's was against it.
    ByRule: "by_rule", "a limit or a rule of the peer's was against it";
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_causes_are_called_alike() {
        let codes: BTreeSet<_> = DropCause::ALL.map(DropCause::code).into();
        let sentences: BTreeSet<_> = DropCause::ALL.map(|cause| cause.to_string()).into();
        assert_eq!((codes.len(), sentences.len()), (DropCause::ALL.len(), DropCause::ALL.len()));
    }

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
