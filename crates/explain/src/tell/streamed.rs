//! What is said of OpenVPN's steps over TCP, where the catalogue's words are about datagrams: the connection has proved the
//! client's address before OpenVPN says a word, nothing is lost on the way, and no packet comes from elsewhere.

use crate::catalogue::{Entry, Kind};
use crate::fact::Fact;

pub(super) fn of(fact: &Fact, entry: Entry) -> Entry {
    match fact.kind {
        Kind::ClientReset => Entry {
            leaves_open: "Who the client is, and whether this is a copy of an older packet.",
            ..entry
        },
        Kind::ResetRepeated => Entry {
            leaves_open: "Whether what listens there is no OpenVPN server, or holds another tls-auth key and drops the packets.",
            ..entry
        },
        Kind::ServerReset => Entry {
            sentence: "The server answers with a number of its own, by which it names this session.",
            terms: &[
                (
                    "session id",
                    "eight bytes, random or calculated, by which one side names this session",
                ),
                ("acknowledgement", "the number of the other side's message that arrived"),
            ],
            leaves_open: "Who the server is.",
            ..entry
        },
        Kind::CookieReturned => Entry {
            sentence: "The client repeats the server's number, so it has read the answer; TCP had proved its address before.",
            terms: &[(
                "three-way handshake",
                "how TCP begins: the client is heard only once it has repeated a number that was sent to its address",
            )],
            proves: "The client has read the server's answer and goes on with this session.",
            ..entry
        },
        Kind::PushReply => Entry {
            terms: &[
                ("ifconfig", "the client's address inside the tunnel"),
                ("cipher", "how the tunnel's packets are encrypted"),
                ("peer id", "a short number in each data packet, which names the client"),
            ],
            ..entry
        },
        _ => entry,
    }
}
