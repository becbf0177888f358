//! What is said of a step where the catalogue's words would not hold of this very one: another version of TLS, a code
//! that could not be checked, an alert that anybody could have sent.
//!
//! As in the catalogue no word is made from a peer's text, and a sentence has at most 25 words.

use super::{Conversation, again, channel, clear, streamed};
use crate::catalogue::{Chapter, Entry, Kind, Readable};
use crate::fact::{Detail, Fact};
use crate::place::Side;
use crate::story::Source;
use crate::tls;

/// The catalogue's entry as it holds of this one of all facts.
pub(super) fn of(fact: &Fact, all: &[&Fact], conversation: &Conversation<'_>) -> Entry {
    let entry = match conversation.transport {
        "tcp" => streamed::of(fact, *fact.kind.entry()),
        _ => *fact.kind.entry(),
    };
    let entry = match fact.kind {
        Kind::ClientHello if !has(fact, "key_share_group") => Entry {
            sentence: "The client goes first: it says which versions and ciphers it speaks; its half of a fresh secret comes later, as in TLS 1.2.",
            ..entry
        },
        Kind::ServerCertificate if has(fact, "staple_length") => stapled(fact, entry),
        Kind::ServerCertificate if is_key_transport(fact, all) => Entry {
            proves: "By itself nothing: a certificate is public, and anybody can show it. The server's Finished message counts, which only the owner of its key can make here.",
            ..entry
        },
        Kind::ServerKeyExchange if has(fact, "prime_length") => {
            Entry { section: "RFC 5246, 7.4.3 and 8.1.2; RFC 7919", ..entry }
        }
        Kind::ServerFinished if super::is_resumed(fact, all) => Entry {
            leaves_open: "Whether the certificates that were shown when the key was made still hold: none is shown now.",
            ..entry
        },
        Kind::ServerFinished if confirmed(Side::Client, fact, all) => Entry {
            leaves_open: "Whether the service inside grants what the client asks for.",
            ..entry
        },
        Kind::ClientFinished if super::is_resumed(fact, all) => Entry {
            sentence: "The client sends a checksum of everything said up to here: it goes on, and holds the key of the earlier session.",
            proves: "The client holds the earlier session's key and goes on; no certificate was shown that it could check. Nobody changed a word of the handshake.",
            leaves_open: "Whether the certificates that were shown when the key was made still hold: none is shown now.",
            ..entry
        },
        Kind::ClientFinished if nobody_asked_who_it_is(fact, all) => {
            Entry { leaves_open: "Who the client is: it was not asked for a certificate.", ..entry }
        }
        Kind::InTheClear => clear::of(fact, all, entry),
        Kind::Sealed => sealed(fact, all, entry),
        Kind::ApplicationData => data(fact, all, entry),
        Kind::EncryptedExtensions if fact.fields.is_empty() => Entry {
            sentence: "Here the server would grant further wishes of the client, such as a protocol inside: the list is empty, and encrypted already.",
            ..entry
        },
        Kind::ClientReset if wrapping(fact) == Some("none") => Entry {
            sentence: "The client knocks: a small packet with a number drawn for this session, and without a code.",
            ..entry
        },
        Kind::ResetRepeated if again::is_of_another(fact) => again::of(fact, all, entry),
        Kind::ResetRepeated if is_answered_otherwise(fact, all) => Entry {
            sentence: "The client knocks again with the same number: what came is no answer to it, for its wrapping.",
            leaves_open: "Whether the server can be made to wrap its packets as the client does, or the client as the server.",
            ..entry
        },
        Kind::NewSessionTicket if conversation.session.is_some() => in_a_tunnel(entry),
        Kind::NewSessionTicket => ticket(fact, all, entry),
        Kind::Unreadable if has(fact, crate::tls::SPEAKS) => Entry {
            title: "Another protocol, in the clear",
            readable: Readable::Everybody,
            sentence: "This side answers in the words of another protocol, without encryption: on this port it speaks no TLS.",
            leaves_open: "Who it is: nothing about it is proved.",
            ..entry
        },
        Kind::Unreadable if is_first(fact, all) => Entry {
            title: "Not understood here",
            sentence: "What this side begins with is no TLS, and no other protocol that is known here: nothing of it can be told.",
            leaves_open: "What it said, and in which protocol.",
            ..entry
        },
        Kind::ServerHelloOld => old_hello(fact, entry),
        Kind::ServerHelloOldResumed => Entry { title: old_title(fact, entry.title), ..entry },
        Kind::ClientKeyExchange if is_key_transport(fact, all) => key_transport(entry),
        Kind::ClientCertificateVerify if is_old(fact, all) => entry,
        Kind::ClientCertificateVerify => Entry {
            leaves_open: "Whether the server's records still admit that certificate. In TLS 1.3 the client hears a refusal only after it believes that it is connected.",
            ..entry
        },
        Kind::ClientSoftReset | Kind::ServerSoftReset => soft_reset(fact, all, entry),
        Kind::DataBegins => data_begins(fact, all, entry),
        Kind::AuthFailed if gives_a_reason(fact) => Entry {
            proves: "The server says no to whoever finished this TLS handshake, for the reason in its message.",
            leaves_open: "Whether that reason is the whole one: the server's log has it.",
            ..entry
        },
        Kind::Alert | Kind::Warning => {
            Entry { proves: alert_proves(fact, conversation.own), ..entry }
        }
        Kind::ClientKeyMessage if fact.handshake > 0 => {
            Entry { leaves_open: "Whether the server keeps this client on.", ..entry }
        }
        Kind::Exit => goodbye(fact, entry),
        Kind::NotCaptured if matches!(fact.detail, Detail::Unkept { returns_number: true, .. }) => {
            Entry {
                sentence: "This side said more than this capture has, by the numbers of its messages: here the server's number came back as well.",
                ..entry
            }
        }
        Kind::NotCaptured if fact.is_both_ways() => Entry {
            sentence: "Packets go by new keys here: the handshake that made them, of both sides, is not in this capture.",
            terms: &[(
                "key id",
                "a number from 0 to 7 in every packet, which says the generation of keys it belongs to",
            )],
            leaves_open: "What was said in it.",
            ..entry
        },
        Kind::CutShort if conversation.transport == "tcp" => Entry {
            sentence: "The capture has no more than the beginning of this segment, so nothing of this side's stream behind it can be told.",
            proves: "Nothing.",
            leaves_open: "What was cut off, and everything that this side said behind it; a capture with a larger snapshot length has it.",
            ..entry
        },
        Kind::NotKept if stands_in(fact) == Some(Chapter::Data) => carried(entry),
        _ => entry,
    };
    let entry = channel::of(fact, entry);
    Entry { proves: proves(fact, entry.proves), ..entry }
}

/// Whether an answer came before this that is wrapped in another way.
fn is_answered_otherwise(fact: &Fact, all: &[&Fact]) -> bool {
    all.iter().any(|one| one.kind == Kind::OtherWrapping && one.at <= fact.at)
}

/// OpenVPN's clients keep no ticket.
fn in_a_tunnel(entry: Entry) -> Entry {
    Entry {
        sentence: "The TLS library of the server offers a ticket for a quicker return, of which OpenVPN makes no use.",
        terms: &[(
            "ticket",
            "what a client of TLS may show later, to begin without certificates; each session and each renewal of OpenVPN begins with them",
        )],
        leaves_open: "Nothing: the next handshake shows certificates again.",
        ..entry
    }
}

/// False for a term that explains a value which is not in this step.
pub(super) fn explains(term: &str, fact: &Fact) -> bool {
    let value = match term {
        "SNI" => "server_name",
        "key share" => "key_share_group",
        "ALPN" => "alpn",
        "HSTS" => "hsts",
        "ECDHE" => "named_group",
        "DHE" => "prime_length",
        "replay counter" => "replay_id",
        "tls-auth" => return wrapping(fact) != Some("none"),
        _ => return true,
    };
    has(fact, value)
}

fn sealed(fact: &Fact, all: &[&Fact], entry: Entry) -> Entry {
    if is_behind_a_hole(fact, all) {
        return Entry {
            title: "Encrypted, behind what is missing",
            sentence: "What this side sends here is encrypted; nothing that was given opens it, and what stood before it is missing.",
            leaves_open: "What it is: more of the handshake, data or a goodbye.",
            ..entry
        };
    }
    let is_opened_never =
        fact.fields.iter().any(|field| field.name == "reason" && field.value == tls::NOT_OPENED);
    let entry = match is_opened_never {
        true => Entry {
            sentence: "What this side sends from here on is encrypted, by a version or a cipher that is not opened here, whatever is given.",
            terms: &[("record", "the envelope of TLS: kind, length, and encrypted content")],
            ..entry
        },
        false => entry,
    };
    match is_old(fact, all) {
        true => Entry {
            proves: "To whoever only watches: nothing yet.",
            leaves_open: "The Finished message of this side, and what it says behind that. Certificates stood in the clear before.",
            ..entry
        },
        false => entry,
    }
}

/// Whether something that this side sent before in the same handshake is not there as a whole.
pub(super) fn is_behind_a_hole(fact: &Fact, all: &[&Fact]) -> bool {
    let before = all.iter().take_while(|one| !std::ptr::eq(**one, fact));
    let mut holes =
        before.filter(|one| matches!(one.kind, Kind::NotCaptured | Kind::Missing | Kind::CutShort));
    holes.any(|one| one.handshake == fact.handshake && one.is_of(fact.from))
}

/// Data inside TLS: that stays closed, and of ciphers that check in another way.
fn data(fact: &Fact, all: &[&Fact], entry: Entry) -> Entry {
    if fact.source == Source::Gap {
        return Entry {
            sentence: "This side sends what the connection was made for: that it is data stands in the clear, and what it says is closed.",
            terms: &[(
                "record",
                "the envelope of TLS: up to TLS 1.2 it says in the clear whether it holds data or words of the handshake",
            )],
            proves: "Whoever sends data has as a rule taken the other's Finished: as far as the wire shows, the handshake was gone through.",
            leaves_open: "What is said. Whether it comes from the other end is seen by whoever has the key.",
            ..entry
        };
    }
    match suite(fact, all).is_some_and(|name| name.contains("_CBC_")) {
        true => Entry {
            terms: &[
                (
                    "CBC with HMAC",
                    "encrypts in blocks, and a code over each record is checked: a changed byte is noticed",
                ),
                (
                    "HSTS",
                    "a line by which a web server tells browsers to come back by TLS alone, for so many seconds",
                ),
            ],
            ..entry
        },
        false => entry,
    }
}

/// Where it is specified in versions before TLS 1.2, whose sections have the same numbers.
pub(super) fn section(fact: &Fact, all: &[&Fact], usual: &str) -> String {
    let chosen = all.iter().find(|one| {
        let old = matches!(one.kind, Kind::ServerHelloOld | Kind::ServerHelloOldResumed);
        old && one.handshake == fact.handshake
    });
    let own = match chosen.and_then(|hello| version(hello)) {
        Some("TLS 1.1") => "RFC 4346",
        Some("TLS 1.0") => "RFC 2246",
        _ => return usual.to_owned(),
    };
    const OF_1_2: &str = "RFC 5246";
    let parts = usual.split("; ");
    if fact.kind == Kind::ClientHello || !parts.clone().any(|part| part.starts_with(OF_1_2)) {
        return usual.to_owned();
    }
    let own_parts = parts.filter(|part| !part.starts_with("RFC 8446"));
    own_parts.map(|part| part.replace(OF_1_2, own)).collect::<Vec<_>>().join("; ")
}

/// Whether its sender has said nothing before it, but for words in the clear that lead to TLS.
fn is_first(fact: &Fact, all: &[&Fact]) -> bool {
    let before = all.iter().take_while(|one| !std::ptr::eq(**one, fact));
    !before.into_iter().any(|one| one.from == fact.from && one.kind != Kind::InTheClear)
}

/// Whether a side's Finished came before this.
fn confirmed(of: Side, fact: &Fact, all: &[&Fact]) -> bool {
    let kind = if of == Side::Client { Kind::ClientFinished } else { Kind::ServerFinished };
    let before = all.iter().take_while(|one| !std::ptr::eq(**one, fact));
    before.into_iter().any(|one| one.handshake == fact.handshake && one.kind == kind)
}

/// Whether this fact is of a handshake of TLS 1.2.
pub(super) fn is_old(fact: &Fact, all: &[&Fact]) -> bool {
    let old = |kind| matches!(kind, Kind::ServerHelloOld | Kind::ServerHelloOldResumed);
    all.iter().any(|one| one.handshake == fact.handshake && old(one.kind))
}

/// The same of versions before 1.2, which old servers still choose.
fn old_hello(fact: &Fact, entry: Entry) -> Entry {
    let sentence = match version(fact) {
        Some("TLS 1.1") => {
            "The server chooses version 1.1, which is long given up, and one cipher; certificates will cross the wire in the clear."
        }
        Some("TLS 1.0") => {
            "The server chooses version 1.0, which is long given up, and one cipher; certificates will cross the wire in the clear."
        }
        Some("SSL 3.0") => {
            "The server chooses SSL 3.0, which is broken, and one cipher; certificates will cross the wire in the clear."
        }
        _ => entry.sentence,
    };
    Entry { title: old_title(fact, entry.title), sentence, ..entry }
}

fn old_title(fact: &Fact, usual: &'static str) -> &'static str {
    let resumed = fact.kind == Kind::ServerHelloOldResumed;
    match (version(fact), resumed) {
        (Some("TLS 1.1"), false) => "ServerHello (TLS 1.1)",
        (Some("TLS 1.0"), false) => "ServerHello (TLS 1.0)",
        (Some("SSL 3.0"), false) => "ServerHello (SSL 3.0)",
        (Some("TLS 1.1"), true) => "ServerHello that takes up an earlier session (TLS 1.1)",
        (Some("TLS 1.0"), true) => "ServerHello that takes up an earlier session (TLS 1.0)",
        (Some("SSL 3.0"), true) => "ServerHello that takes up an earlier session (SSL 3.0)",
        _ => usual,
    }
}

fn version(fact: &Fact) -> Option<&str> {
    fact.fields.iter().find(|field| field.name == "version")?.meaning.as_deref()
}

/// Whether the client encrypts the secret with the server's public key, as its cipher suite says.
fn is_key_transport(fact: &Fact, all: &[&Fact]) -> bool {
    suite(fact, all).is_some_and(|name| name.starts_with("TLS_RSA_WITH_"))
}

/// The cipher suite that was chosen last.
fn suite(fact: &Fact, all: &[&Fact]) -> Option<&'static str> {
    all.iter().rev().find_map(|one| match one.detail {
        Detail::Suite(number) if one.handshake == fact.handshake && one.at <= fact.at => {
            tls::suite_name(number)
        }
        _ => None,
    })
}

fn key_transport(entry: Entry) -> Entry {
    Entry {
        title: "The secret, encrypted for the server",
        sentence: "The client makes up the premaster secret alone and encrypts it with the server's public key: whoever has the private one can read it.",
        terms: &[
            (
                "RSA key transport",
                "there is no fresh half of the server: one key opens all connections of years",
            ),
            (
                "forward secrecy",
                "what is missing here: a key that is stolen later would open nothing of before",
            ),
        ],
        proves: "Nothing yet: the server shows that it has the private key by its Finished message, which only who read the secret can make.",
        leaves_open: "Who else has the server's private key, or gets it later: a recording of this connection can be read with it.",
        ..entry
    }
}

fn stapled(fact: &Fact, entry: Entry) -> Entry {
    let sentence = match staples_answer(fact).as_deref() {
        Some("good") => {
            "The server shows a certificate, a CA's word that name and key belong together, and a staple: the CA's word that it is not revoked."
        }
        Some("revoked") => {
            "The server shows a certificate, a CA's word that name and key belong together, and a staple: the CA's word that it is revoked."
        }
        _ => {
            "The server shows a certificate: a CA's signed word that name and public key belong together; with it a staple on whether it holds."
        }
    };
    Entry {
        sentence,
        terms: STAPLED,
        leaves_open: "Whether the server holds its key; whether the client believes the staple, and what happened since that was signed.",
        ..entry
    }
}

const STAPLED: &[(&str, &str)] = &[
    ("CA", "whoever both trust to say which key belongs to whom"),
    (
        "staple",
        "an OCSP answer that the server fetched beforehand, so that the client need not ask the CA",
    ),
    ("chain", "certificates from the server's own up to one that the client trusts already"),
    (
        "public key",
        "the half of a key that may be shown; the other half must never leave its owner",
    ),
];

fn staples_answer(fact: &Fact) -> Option<String> {
    let Detail::Certificates(shown) = &fact.detail else { return None };
    Some(tls::staple(shown.staple.as_ref()?, &[]).answer)
}

/// A server gives a ticket once it has read all of the client: of one that showed who it is, that is an answer.
fn ticket(fact: &Fact, all: &[&Fact], entry: Entry) -> Entry {
    let entry = if is_old(fact, all) { old_ticket(entry) } else { entry };
    let shown = |one: &&Fact| {
        one.handshake == fact.handshake
            && one.kind == Kind::ClientCertificateVerify
            && one.at <= fact.at
    };
    match all.iter().any(shown) {
        true => Entry {
            proves: "The server went on after the client's certificate and signature, so it did not refuse them here; the service inside may still.",
            ..entry
        },
        false => entry,
    }
}

fn old_ticket(entry: Entry) -> Entry {
    Entry {
        sentence: "The server gives the client a ticket for a quicker return: usually this session's own secret, locked with a key of the server.",
        terms: &[
            (
                "ticket key",
                "whoever gets it can later read a recording of this connection, until the server changes it and forgets the old one",
            ),
            ("lifetime", "for how long the client should keep it at most"),
        ],
        ..entry
    }
}

/// Who speaks of new keys first wants them; the other agrees.
fn soft_reset(fact: &Fact, all: &[&Fact], entry: Entry) -> Entry {
    let sentence = match (fact.from, again::wants_new_keys(fact, all)) {
        (Side::Client, true) => {
            "The client wants new keys: a whole new TLS handshake begins, while the old key still serves the tunnel."
        }
        (Side::Server, true) => {
            "The server wants new keys: a whole new TLS handshake begins, while the old key still serves the tunnel."
        }
        (Side::Client, false) => {
            "The client agrees to new keys: a whole new TLS handshake begins, while the old key still serves the tunnel."
        }
        (Side::Server, false) => {
            "The server agrees to new keys: a whole new TLS handshake begins, while the old key still serves the tunnel."
        }
    };
    Entry { sentence, ..entry }
}

/// Who uses a new key of the tunnel first, and who follows.
fn data_begins(fact: &Fact, all: &[&Fact], entry: Entry) -> Entry {
    let begins = |one: &&&Fact| one.handshake == fact.handshake && one.kind == Kind::DataBegins;
    let first = all.iter().find(begins).is_none_or(|first| first.from == fact.from);
    let sentence = match (fact.from, first) {
        (Side::Client, true) => {
            "The client is the first of the two to encrypt the tunnel's packets with the data channel key of this key id."
        }
        (Side::Server, true) => {
            "The server is the first of the two to encrypt the tunnel's packets with the data channel key of this key id."
        }
        (Side::Client, false) => {
            "The client follows: it too encrypts the tunnel's packets with the data channel key of this key id from here on."
        }
        (Side::Server, false) => {
            "The server follows: it too encrypts the tunnel's packets with the data channel key of this key id from here on."
        }
    };
    Entry { sentence, ..entry }
}

/// Whether a refusal says more than that it is one.
fn gives_a_reason(fact: &Fact) -> bool {
    let message = fact.fields.iter().find(|field| field.name == "message");
    let reason = message.and_then(|message| message.value.strip_prefix("AUTH_FAILED,"));
    reason.is_some_and(|reason| {
        !reason.is_empty() && !reason.starts_with("TEMP") && !reason.starts_with("CRV1")
    })
}

fn alert_proves(fact: &Fact, own: Option<Side>) -> &'static str {
    match fact.key {
        None if own == Some(fact.from) => "It is the word of the side that tells this.",
        Some(_) => {
            "It comes from one of the two ends: nobody else has the key that it is encrypted with."
        }
        None => "Nothing: it is in the clear, so anybody on the way could have sent it.",
    }
}

fn goodbye(fact: &Fact, entry: Entry) -> Entry {
    let sentence = match fact.from {
        Side::Client => "The client leaves; the keys of this session end here.",
        Side::Server => {
            "The server ends the session, or asks the client to come back later; the keys of this session end here."
        }
    };
    Entry { sentence, ..entry }
}

/// What comes behind the handshake at the door of a gateway, if anything does.
fn carried(entry: Entry) -> Entry {
    Entry {
        title: "What is said inside",
        sentence: "The gateway decrypts whatever the client says from here on for the service that was asked for, encrypts the answers and keeps none of it.",
        terms: &[(
            "traffic key",
            "encrypts what is said inside TLS, each direction its own; the gateway has both, since TLS ends at it",
        )],
        proves: "Nothing: none of it is kept.",
        leaves_open: "What is said, if anything is, and whether the service grants what the client asks of it.",
        readable: Readable::EndsAndService,
        ..entry
    }
}

/// Whether the server said all that it has to say before its Finished, and no question for a certificate among that.
fn nobody_asked_who_it_is(fact: &Fact, all: &[&Fact]) -> bool {
    let has = |kind| all.iter().any(|one| (one.handshake, one.kind) == (fact.handshake, kind));
    has(Kind::ServerCertificate) && has(Kind::ServerFinished) && !has(Kind::CertificateRequest)
}

fn stands_in(fact: &Fact) -> Option<Chapter> {
    match fact.detail {
        Detail::Unkept { stands_in, .. } => stands_in,
        _ => None,
    }
}

fn proves(fact: &Fact, usual: &'static str) -> &'static str {
    let knocks = matches!(
        fact.kind,
        Kind::ClientReset
            | Kind::ServerReset
            | Kind::SessionOffered
            | Kind::ClientSoftReset
            | Kind::ServerSoftReset
    );
    match (&fact.detail, wrapping(fact)) {
        (Detail::Proof(false), _) => "Nothing: it was calculated again, and it is wrong.",
        _ if has(fact, "not_judged") => {
            "Nothing here: it was not calculated again, for the reason that stands among the values. The other side judges it by itself."
        }
        (_, Some("none")) if knocks => {
            "Nothing: packets of this session carry no code, so anybody could have sent it."
        }
        (_, Some(code))
            if knocks && (code.contains("not checked") || code.contains("tls-crypt")) =>
        {
            "Nothing here: its code could not be checked without the key. Whoever has the key drops whatever does not fit it, without an answer."
        }
        _ => usual,
    }
}

fn wrapping(fact: &Fact) -> Option<&str> {
    fact.fields.iter().find(|field| field.name == "wrapping").map(|field| field.value.as_str())
}

fn has(fact: &Fact, name: &str) -> bool {
    fact.fields.iter().any(|field| field.name == name)
}
