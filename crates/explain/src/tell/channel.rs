//! What is said of control packets that are encrypted as a whole: whoever has their key reads more of them than others do.

use crate::catalogue::openvpn::GROUPS;
use crate::catalogue::{Entry, Kind, Readable};
use crate::fact::Fact;
use crate::openvpn::{EITHER, GROUPS_KEY, OWN_KEY, SESSIONS_KEY};

type Terms = &'static [(&'static str, &'static str)];

/// The entry as it holds of a packet in such a channel; others keep theirs.
pub(super) fn of(fact: &Fact, entry: Entry) -> Entry {
    let wrapping = fact.fields.iter().find(|field| field.name == "wrapping");
    let Some(wrapping) = wrapping.map(|field| field.value.as_str()) else { return entry };
    let (terms, readable, section): (Terms, Readable, &'static str) = match wrapping {
        GROUPS_KEY => (&[GROUPS, COUNTER], Readable::Group, "OpenVPN protocol, --tls-crypt"),
        OWN_KEY => (&[OWN, COUNTER], Readable::OwnKey, "OpenVPN protocol, --tls-crypt-v2"),
        SESSIONS_KEY => {
            (&[DYNAMIC, COUNTER], Readable::SessionsKey, "OpenVPN protocol, dynamic tls-crypt")
        }
        EITHER => (
            &[DYNAMIC, COUNTER],
            Readable::NotKnown,
            "OpenVPN protocol, --tls-crypt and dynamic tls-crypt",
        ),
        _ => return entry,
    };
    let sentence = match (fact.kind, wrapping) {
        (Kind::ClientReset, OWN_KEY) => {
            "The client knocks, and brings its own key along, wrapped so that the server alone can read it; the rest is encrypted."
        }
        (Kind::ClientReset, _) => {
            "The client knocks: its header has a number drawn for this session, a counter and a code; what follows is encrypted."
        }
        (Kind::ServerReset, _) => {
            "The server answers: its header has a number of its own, a counter and a code; what follows is encrypted."
        }
        _ => entry.sentence,
    };
    Entry { sentence, terms, readable, section, ..entry }
}

const OWN: (&str, &str) = (
    "tls-crypt-v2",
    "tls-crypt with a key of each client's own, which its first packet brings along, encrypted for the server",
);
const DYNAMIC: (&str, &str) = (
    "dynamic tls-crypt",
    "tls-crypt with a key that both ends make from the session's first TLS handshake, for its renewals (OpenVPN 2.6 and later)",
);
const COUNTER: (&str, &str) = (
    "replay counter",
    "a number and a time in the clear, covered by the code, so that no recorded packet is taken a second time",
);
