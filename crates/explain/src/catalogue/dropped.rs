//! Packets that a gateway took no further: nobody was refused by that, and no session ended.

use super::{Chapter, Entry, Kind, Readable};

const DROP: (&str, &str) = (
    "drop",
    "to take a packet no further and say nothing: its sender hears silence, as if it had been lost",
);
const CONTROL: (&str, &str) = (
    "control channel",
    "the part of the connection that carries TLS and no user's packets; what is lost of it is sent again",
);
const SECTION: &str = "docs/operation.md, Why a packet was dropped";
const NOT_KEPT: &str =
    "Whose it was and what it held: drops are counted, and nothing of them is kept.";

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        kind: Kind::StrangersPacketDropped,
        name: "strangers_packet_dropped",
        chapter: Chapter::Dropped,
        title: "A packet of somebody without a session, dropped",
        sentence: "A packet came to which no session belongs; the gateway dropped it without an answer, and refused nobody by that.",
        terms: &[DROP],
        proves: "Nothing: whoever has no session has not shown who he is.",
        leaves_open: NOT_KEPT,
        readable: Readable::NotKnown,
        section: SECTION,
    },
    Entry {
        kind: Kind::PacketDropped,
        name: "packet_dropped",
        chapter: Chapter::Dropped,
        title: "A packet, dropped",
        sentence: "A packet came and was dropped without an answer; whether its sender has a session is not counted, and none was refused or ended.",
        terms: &[DROP],
        proves: "Nothing.",
        leaves_open: NOT_KEPT,
        readable: Readable::NotKnown,
        section: SECTION,
    },
    Entry {
        kind: Kind::SessionsPacketDropped,
        name: "sessions_packet_dropped",
        chapter: Chapter::Dropped,
        title: "A packet of a session, dropped",
        sentence: "A packet in the name of a session, of its control channel or its tunnel, was dropped; nothing was refused or ended by that.",
        terms: &[DROP],
        proves: "Nothing.",
        leaves_open: NOT_KEPT,
        readable: Readable::NotKnown,
        section: SECTION,
    },
    Entry {
        kind: Kind::ControlPacketDropped,
        name: "control_packet_dropped",
        chapter: Chapter::Dropped,
        title: "A control packet of a handshake or a session, dropped",
        sentence: "A control packet in the name of a handshake under way, or of a session, was dropped; nothing was refused or ended by that.",
        terms: &[DROP, CONTROL],
        proves: "Its sender has the tls-auth key, where there is one; anybody who saw the packet may have sent it again.",
        leaves_open: NOT_KEPT,
        readable: Readable::NotKnown,
        section: SECTION,
    },
    Entry {
        kind: Kind::DataPacketDropped,
        name: "data_packet_dropped",
        chapter: Chapter::Dropped,
        title: "A packet of an open session's tunnel, dropped",
        sentence: "A data packet in the name of an open session was dropped; its handshake had succeeded, and the session goes on.",
        terms: &[
            DROP,
            (
                "data packet",
                "what carries one of the tunnel's packets, encrypted under a data channel key",
            ),
        ],
        proves: "Nothing about the handshake, which was over and had gone well.",
        leaves_open: NOT_KEPT,
        readable: Readable::NotKnown,
        section: SECTION,
    },
    Entry {
        kind: Kind::OwnPacketDropped,
        name: "own_packet_dropped",
        chapter: Chapter::Dropped,
        title: "A packet on the gateway's own side, dropped",
        sentence: "A packet that the gateway had to pass on, to a client or into its own machine, went no further; no session was refused.",
        terms: &[
            DROP,
            ("TUN", "the network interface between the tunnel and the gateway's own machine"),
        ],
        proves: "Nothing.",
        leaves_open: NOT_KEPT,
        readable: Readable::NotKnown,
        section: SECTION,
    },
    Entry {
        kind: Kind::ConnectionsWaited,
        name: "connections_waited",
        chapter: Chapter::Dropped,
        title: "New TCP connections had to wait",
        sentence: "For a moment the gateway took no new TCP connection; those that came waited, and no session was refused or ended.",
        terms: &[(
            "file descriptor",
            "what the system gives a program for each connection; there is a limit to them",
        )],
        proves: "Nothing.",
        leaves_open: "Whose connections waited: that is counted, and nothing of it is kept.",
        readable: Readable::NotKnown,
        section: SECTION,
    },
];
