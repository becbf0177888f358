//! How it ended: who broke it off, why, and what mends it.
//!
//! Told from what was seen alone. One side's silence is no refusal, and an alert is its sender's finding.

use super::{Conversation, alert, renewal};
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact};
use crate::field::Field;
use crate::openvpn::Listed;
use crate::place::Side;
use crate::story::{Broken, Ending, Protocol, Step, Wrapping};
use crate::tls;

pub(super) fn of(conversation: &Conversation<'_>, facts: &[&Fact], steps: &[Step]) -> Ending {
    let broken = speaks_otherwise(facts, steps)
        .or_else(|| refused(conversation, facts, steps))
        .or_else(|| match is_done(conversation, facts) {
            true => None,
            false => {
                silent(conversation, facts, steps).or_else(|| hung_up(conversation, facts, steps))
            }
        });
    match broken {
        Some(broken) => Ending::Broken(broken),
        None if is_done(conversation, facts) => {
            renewal::not_made(conversation, facts).map_or(Ending::Done, Ending::Unrenewed)
        }
        None => Ending::Cut,
    }
}

/// A client that looks on has finished the handshake, and is content with nothing by that.
pub(super) fn goes_on_all_the_same(steps: &mut [Step], why: &Broken) {
    let at = why.at_step.map_or_else(String::new, |number| format!(" at step {number}"));
    let finished = Kind::ClientFinished.entry().name;
    for step in steps.iter_mut().filter(|step| step.entry == finished) {
        step.proves = format!(
            "This client goes on in order to look; one that acts by what it finds stops{at}. Nobody changed a word of the handshake."
        );
    }
}

/// A tunnel is there once its settings have come, or packets flow in it where the settings can't be read.
fn is_done(conversation: &Conversation<'_>, facts: &[&Fact]) -> bool {
    let has =
        |kind: Kind, from: Side| facts.iter().any(|fact| fact.kind == kind && fact.from == from);
    let both = |of_client: Kind, of_server: Kind| {
        has(of_client, Side::Client) && has(of_server, Side::Server)
    };
    match conversation.session {
        Some(_) => has(Kind::PushReply, Side::Server) || both(Kind::DataBegins, Kind::DataBegins),
        None => both(Kind::ClientFinished, Kind::ServerFinished) || is_gone_through(facts),
    }
}

/// Where nothing is opened, up to TLS 1.2: data behind the change of cipher of both, whose kind stands in the clear.
fn is_gone_through(facts: &[&Fact]) -> bool {
    let first = |from: Side| {
        facts.iter().position(|fact| fact.kind == Kind::ChangeCipherSpec && fact.from == from)
    };
    let (Some(client), Some(server)) = (first(Side::Client), first(Side::Server)) else {
        return false;
    };
    let behind = facts.iter().skip(client.max(server));
    behind.into_iter().any(|fact| fact.kind == Kind::ApplicationData)
}

/// One side begins with the words of another protocol, by whatever the other calls that.
fn speaks_otherwise(facts: &[&Fact], steps: &[Step]) -> Option<Broken> {
    let spoken = |fact: &&Fact| {
        let field = fact.fields.iter().find(|field| field.name == tls::SPEAKS);
        field.map(|field| (fact.from, field.value.clone()))
    };
    let (fact, step) = facts.iter().zip(steps).find(|(fact, _)| spoken(fact).is_some())?;
    let (from, protocol) = spoken(fact)?;
    let mends: &[&str] = match protocol.as_str() {
        "HTTP" => &[
            "Ask at the port on which it speaks TLS, as a rule 443; or let the server speak TLS on this one.",
            "A proxy on the way may have answered in its place: its page says so.",
        ],
        "SSH" => &["It is another service: ask at the port of the one that was meant."],
        _ => &[
            "Begin as the service does, by STARTTLS: `handfast explain tls PROTOCOL://HOST` (smtp, imap, pop3, ftp and others).",
            "Or ask at the port on which it speaks TLS from the first byte on.",
        ],
    };
    Some(Broken {
        code: "no_tls_spoken".to_owned(),
        by: None,
        at_step: Some(step.number),
        sentence: format!(
            "The {} speaks {protocol} in the clear on this port, and no TLS.",
            from.word()
        ),
        mends: mends.iter().copied().map(str::to_owned).collect(),
    })
}

/// One side said no: an alert, or a word of OpenVPN.
fn refused(conversation: &Conversation<'_>, facts: &[&Fact], steps: &[Step]) -> Option<Broken> {
    let is_vpn = conversation.session.is_some();
    let said_no = |fact: &&Fact| matches!(fact.kind, Kind::Alert | Kind::AuthFailed);
    let (fact, step) = facts.iter().zip(steps).find(|(fact, _)| said_no(fact))?;
    match &fact.detail {
        Detail::Alert(description) => {
            let at = (step.number, is_vpn);
            Some(alert::broken(*description, fact, facts, at, conversation.own))
        }
        _ => Some(not_let_in(fact, step.number)),
    }
}

/// A refusal of OpenVPN; what mends it is chosen by the reason, where that is a known one.
fn not_let_in(fact: &Fact, at_step: u32) -> Broken {
    let says = |word: &str| {
        fact.fields.iter().any(|field| field.name == "message" && field.value.contains(word))
    };
    let one_of_ours = ["user", "device", "access"].into_iter().any(says);
    let (code, sentence, mends): (_, _, &[&str]) = match () {
        () if says("cipher negotiation failed") => (
            "no_common_cipher",
            "The client and the server allow no data channel cipher in common, so the server turns it away.",
            &[
                "Write a cipher that the server allows into `data-ciphers` of the profile: IV_CIPHERS in step \u{201c}Key message of the client\u{201d} has those that the client offers. A current profile has the server's.",
                "Or have the server allow one of them: with Handfast `vpn.ciphers`, elsewhere `data-ciphers`.",
            ],
        ),
        () if says("disabled") && one_of_ours => (
            "auth_failed",
            NOT_LET_IN,
            &[
                "Enable the user or device at the gateway, if it should be let in: a new profile changes nothing.",
            ],
        ),
        () => (
            "auth_failed",
            NOT_LET_IN,
            &[
                "See what it said; where it gave no reason, its log has it.",
                "A disabled user or device is enabled at the gateway, if it should be let in: a new profile changes nothing then.",
                "A revoked or replaced certificate needs a current profile; a password is checked at the server.",
            ],
        ),
    };
    Broken {
        code: code.to_owned(),
        by: Some(Side::Server),
        at_step: Some(at_step),
        sentence: sentence.to_owned(),
        mends: mends.iter().copied().map(str::to_owned).collect(),
    }
}

const NOT_LET_IN: &str = "The server does not let the client in, after TLS had finished.";

/// OpenVPN's client knocked and nobody answered, or not to the end.
fn silent(conversation: &Conversation<'_>, facts: &[&Fact], steps: &[Step]) -> Option<Broken> {
    let session = conversation.session?;
    let has = |kind: Kind| facts.iter().any(|fact| fact.kind == kind);
    if let Some(broken) = wrapped_otherwise(facts, steps) {
        return Some(broken);
    }
    if has(Kind::WrongWrapping) && !has(Kind::CookieReturned) {
        return Some(wrong_key(conversation, facts, steps));
    }
    // A client says more than its reset only to a server that answered, seen or not.
    let goes_on = |packet: &Listed| packet.from == Side::Client && !packet.opcode.is_hard_reset();
    let is_missing = |fact: &Fact| {
        fact.from == Side::Server && matches!(fact.kind, Kind::Missing | Kind::NotCaptured)
            || fact.kind == Kind::CutShort
    };
    let is_answered = has(Kind::ServerReset)
        || session.packets.iter().any(goes_on)
        || facts.iter().copied().any(is_missing);
    if is_answered || !has(Kind::ResetRepeated) {
        return None;
    }
    if let Some(broken) = shut_out(conversation, facts, steps) {
        return Some(broken);
    }
    if let Some(step) = steps.iter().find(|step| has_gateways_direction(step)) {
        return Some(wrong_direction(step, "drops that without a word"));
    }
    let is = |wrapping| session.packets.iter().any(|packet| packet.wrapping == wrapping);
    let (sentence, mends) = match conversation.transport {
        "tcp" if is(Wrapping::None) => {
            (UNANSWERED_IN_A_STREAM_WITHOUT_A_KEY, SILENCE_IN_A_STREAM_WITHOUT_A_KEY)
        }
        "tcp" => (UNANSWERED_IN_A_STREAM, SILENCE_IN_A_STREAM),
        _ if is(Wrapping::None) => (UNANSWERED_WITHOUT_A_KEY, SILENCE_WITHOUT_A_KEY),
        _ if is(Wrapping::Encrypted) => (UNANSWERED_SEALED, SILENCE_SEALED),
        _ if is(Wrapping::Right) => (UNANSWERED_WITH_THE_KEY, SILENCE),
        _ => (UNANSWERED, SILENCE),
    };
    Some(Broken {
        code: "reset_unanswered".to_owned(),
        by: None,
        at_step: steps.last().map(|step| step.number),
        sentence: sentence.to_owned(),
        mends: mends.iter().copied().map(str::to_owned).collect(),
    })
}

const UNANSWERED: &str = "Nobody answered. From the client's side three causes look alike: packets or answers are lost on the way (as where UDP is blocked), no server runs at that address and port, or it holds another tls-auth key and drops them without a word.";
const UNANSWERED_SEALED: &str = "Nobody answered. From the client's side three causes look alike: packets or answers are lost on the way (as where UDP is blocked), no server runs at that address and port, or it holds another key of tls-crypt, or none, and drops them without a word.";
const SILENCE_SEALED: &[&str] = &[
    "Try from another network, as a phone's. If it works there, the first one blocks UDP: have the port opened, or use the server's TCP port.",
    "If others get in, the profile has another key of tls-crypt than the server, or the server has none: take a current profile.",
    "If nobody gets in, see whether the server runs, and whether address and port are its own.",
];

const UNANSWERED_WITH_THE_KEY: &str = "Nobody answered. From the client's side three causes look alike: packets or answers are lost on the way (as where UDP is blocked), no server runs at that address and port, or it holds another tls-auth key than the one given here, which these packets fit, and drops them without a word.";
const UNANSWERED_WITHOUT_A_KEY: &str = "Nobody answered. From the client's side three causes look alike: packets or answers are lost on the way (as where UDP is blocked), no server runs at that address and port, or it wants a tls-auth key, which these packets lack, and drops them without a word.";
const SILENCE_WITHOUT_A_KEY: &[&str] = &[
    "Try from another network, as a phone's. If it works there, the first one blocks UDP: have the port opened, or use the server's TCP port. If it works nowhere while others get in, compare with a profile of theirs: a tls-auth or tls-crypt key may be missing in this one.",
    "If nobody gets in, see whether the server runs, and whether address and port are its own.",
    "Whoever runs the server can tell them apart: `tcpdump -ni any udp` with the server's port shows whether packets arrive.",
];
const SILENCE: &[&str] = &[
    "Try from another network, as a phone's. If it works there, the first one blocks UDP: have the port opened, or use the server's TCP port. If it works nowhere while others get in, the tls-auth key, its direction (1 here, 0 there) or the digest (auth) is not the server's: take a current profile.",
    "If nobody gets in, see whether the server runs, and whether address and port are its own.",
    "Whoever runs the server can tell them apart: of Handfast, `handfast explain failure nothing_arrives` tells whether packets arrive while you try, and `handfast explain failure wrong_tls_auth_key` whether they were made with another key. Elsewhere, `tcpdump -ni any udp` with the server's port shows whether they arrive.",
];

const UNANSWERED_IN_A_STREAM: &str = "The TCP connection came about and nobody answered in it. From the client's side two causes look alike: what listens at that port is no OpenVPN server, or it holds another tls-auth key and drops the packets without a word.";
const UNANSWERED_IN_A_STREAM_WITHOUT_A_KEY: &str = "The TCP connection came about and nobody answered in it. From the client's side two causes look alike: what listens at that port is no OpenVPN server, or it wants a tls-auth key, which these packets lack, and drops them without a word.";
const SILENCE_IN_A_STREAM_WITHOUT_A_KEY: &[&str] = &[
    "See whether address and port are the server's own for TCP, and nothing else listens there.",
    KEY_IS_MISSING,
];
const SILENCE_IN_A_STREAM: &[&str] = &[
    "See whether address and port are the server's own for TCP, and nothing else listens there.",
    "If they are, the tls-auth key, its direction (1 here, 0 there) or the digest (auth) is not the server's: take a current profile.",
    "Whoever runs the server can tell: of Handfast, `handfast explain failure wrong_tls_auth_key` tells whether packets came that were made with another key.",
];

/// The server answers, and its packets are wrapped otherwise than the client's: each drops what the other says.
pub(super) fn wrapped_otherwise(facts: &[&Fact], steps: &[Step]) -> Option<Broken> {
    let is_other = |(fact, _): &(&&Fact, &Step)| fact.kind == Kind::OtherWrapping;
    let (other, step) = facts.iter().zip(steps).find(is_other)?;
    let reset = facts.iter().find(|fact| fact.kind == Kind::ClientReset)?;
    let wrapping = |fact: &Fact| {
        let field = fact.fields.iter().find(|field| field.name == "wrapping");
        field.map(|field| field.value.clone()).unwrap_or_default()
    };
    let theirs = wrapping(reset);
    let (sentence, mend) = match (wrapping(other).as_str(), theirs.contains("tls-crypt")) {
        ("none", false) => (
            "The server uses no tls-auth, and the client does: its answers have no code, so the client drops them.",
            "If the server is as it should be, take `tls-auth` and `key-direction` out of the client's profile.",
        ),
        ("none", true) => (
            "The server uses no tls-crypt, and the client does: its answers are not encrypted, so the client drops them.",
            "If the server is as it should be, take `tls-crypt` or `tls-crypt-v2` out of the client's profile.",
        ),
        _ => (
            "Client and server wrap their packets in different ways, so each drops what the other says.",
            "If the server is as it should be, give the client a current profile of it.",
        ),
    };
    Some(Broken {
        code: "other_wrapping".to_owned(),
        by: None,
        at_step: Some(step.number),
        sentence: sentence.to_owned(),
        mends: vec![
            mend.to_owned(),
            "If the profile is, give the server the same line with the same key, and start it again.".to_owned(),
            "See also whether address and port are those of the server that was meant.".to_owned(),
        ],
    })
}

/// A client whose packets are made with the half of the key that the gateway's should be made with.
fn has_gateways_direction(step: &Step) -> bool {
    let is = |name: &str, value: &str| {
        step.fields.iter().any(|field| field.name == name && field.value == value)
    };
    step.from == Side::Client && is("key_direction_of_the_sender", "0")
}

fn wrong_direction(step: &Step, does: &str) -> Broken {
    Broken {
        code: "wrong_key_direction".to_owned(),
        by: None,
        at_step: Some(step.number),
        sentence: format!(
            "The key is the given one and the client uses its first half, which is the server's: a server with direction 0 {does}."
        ),
        mends: vec![
            "Write \"key-direction 1\" into the client's profile; the server has 0.".to_owned(),
            "If no direction is written on the server either, the key is right: see whether packets reach it.".to_owned(),
        ],
    }
}

fn wrong_key(conversation: &Conversation<'_>, facts: &[&Fact], steps: &[Step]) -> Broken {
    let wrong = facts.iter().zip(steps).find(|(fact, _)| fact.kind == Kind::WrongWrapping);
    let by = wrong.map_or(Side::Client, |(fact, _)| fact.from);
    let other = match by {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    };
    let does = match conversation.closed {
        Some((closed, _)) if closed == other => "which closed the connection then",
        _ => "which drops them silently then",
    };
    let other = other.word();
    let sentence = format!(
        "The code on the {}'s packets does not fit the key that was given to this program. Likeliest that key is the {other}'s, {does}.",
        by.word(),
    );
    Broken {
        code: "wrong_tls_auth".to_owned(),
        by: None,
        at_step: wrong.map(|(_, step)| step.number),
        sentence,
        mends: vec![
            "If the client's tls-auth key is not the server's, give it a current profile.".to_owned(),
            "If the key is the same, compare key-direction (which half of the key each side uses) and auth (the digest, as SHA256) on both sides.".to_owned(),
        ],
    }
}

/// The connection ended before the handshake did.
fn hung_up(conversation: &Conversation<'_>, facts: &[&Fact], steps: &[Step]) -> Option<Broken> {
    let (by, reset) = conversation.closed?;
    // What is closed, or is not in the capture, may have been all the rest.
    let closed =
        [Kind::Sealed, Kind::ControlSealed, Kind::Missing, Kind::NotCaptured, Kind::CutShort];
    if facts.iter().any(|fact| closed.contains(&fact.kind)) {
        return None;
    }
    if let Some(broken) = shut_out(conversation, facts, steps) {
        return Some(broken);
    }
    let (code, sentence) = match reset {
        true => ("connection_reset", "This side cut the connection off without a word of TLS."),
        false => (
            "connection_closed",
            "This side closed the connection in the middle of the handshake, without a word of TLS.",
        ),
    };
    Some(Broken {
        code: code.to_owned(),
        by: Some(by),
        at_step: steps.last().map(|step| step.number),
        sentence: sentence.to_owned(),
        mends: vec![
            "The log of whoever hung up has the reason.".to_owned(),
            "A box on the way may have done it in its name: compare what both sides recorded."
                .to_owned(),
        ],
    })
}

/// A server of OpenVPN that closes at the client's first packet, as they do over TCP where its code does not fit.
fn shut_out(conversation: &Conversation<'_>, facts: &[&Fact], steps: &[Step]) -> Option<Broken> {
    let (by, reset) = conversation.closed.filter(|(by, _)| *by == Side::Server)?;
    let session = conversation.session?;
    let has =
        |kind: Kind, from: Side| facts.iter().any(|fact| (fact.kind, fact.from) == (kind, from));
    if facts.iter().any(|fact| fact.from == Side::Server) || !has(Kind::ClientReset, Side::Client) {
        return None;
    }
    if let Some(step) = steps.iter().find(|step| has_gateways_direction(step)) {
        return Some(wrong_direction(step, "closes the connection at that"));
    }
    let without = session.packets.iter().all(|packet| packet.wrapping == Wrapping::None);
    let (why, mend) = match without {
        true => ("wants a tls-auth key, which this packet lacks", KEY_IS_MISSING),
        false => ("has another tls-auth key, direction or digest", KEY_IS_ANOTHER),
    };
    Some(Broken {
        code: if reset { "connection_reset" } else { "connection_closed" }.to_owned(),
        by: Some(by),
        at_step: steps.last().map(|step| step.number),
        sentence: format!(
            "The server closed the connection at the client's first packet. Likeliest it {why}; or what listens there is no OpenVPN server."
        ),
        mends: vec![
            mend.to_owned(),
            "See whether address and port are the server's own for TCP, and nothing else listens there.".to_owned(),
            "Whoever runs the server can tell: its log has the reason; of Handfast, `handfast explain failure wrong_tls_auth_key`.".to_owned(),
        ],
    })
}

const KEY_IS_MISSING: &str =
    "Take a current profile: a tls-auth or tls-crypt key may be missing in this one.";
const KEY_IS_ANOTHER: &str = "Take a current profile: the tls-auth key, its direction (1 here, 0 there) or the digest (auth) is not the server's.";

/// What would have followed.
pub(super) fn missing(protocol: Protocol, steps: &[Step]) -> Vec<String> {
    let all: &[Kind] = match protocol {
        Protocol::OpenVpn => OPENVPN,
        Protocol::Tls if is_old(steps) => OLD_TLS,
        Protocol::Tls => TLS,
    };
    let has = |kind: Kind, from: Side| {
        steps.iter().any(|step| step.entry == kind.entry().name && step.from == from)
    };
    // A client whose code is wrong has knocked all the same, and so has one of which nothing was kept.
    let reached = |kind: &Kind| {
        has(*kind, Side::Client)
            || has(*kind, Side::Server)
            || (*kind == Kind::ClientReset
                && [Kind::WrongWrapping, Kind::NotKept].iter().any(|one| has(*one, Side::Client)))
            || (*kind == Kind::ServerReset && has(Kind::NotKept, Side::Server))
    };
    let after = all.iter().rposition(reached).map_or(0, |at| at + 1);
    let older = is_older(steps);
    let follows = all.iter().skip(after).filter(|kind| !(older && **kind == Kind::ServerHelloOld));
    follows.map(|kind| kind.entry().name.to_owned()).collect()
}

/// A handshake of TLS 1.1 at most, which no answer of TLS 1.2 can follow: every newer version is offered as
/// `supported_version` or as the one that TLS 1.2 has there.
fn is_older(steps: &[Step]) -> bool {
    let is_new = |field: &Field| match field.name.as_ref() {
        "supported_version" => true,
        // All codes have four digits.
        "legacy_version" => field.value.as_str() >= "0x0303",
        _ => false,
    };
    let hello = steps.iter().find(|step| step.entry == Kind::ClientHello.entry().name);
    hello.is_some_and(|hello| !hello.fields.iter().any(is_new))
}

/// A handshake of TLS 1.2, or one that could become no other.
fn is_old(steps: &[Step]) -> bool {
    let has = |name: &str| steps.iter().any(|step| step.entry == name);
    let shares = |step: &Step| step.fields.iter().any(|field| field.name == "key_share_group");
    let may_be_new = has("server_hello") || steps.iter().any(shares);
    // Where no client said hello, nothing is known against the version of today.
    has("server_hello_old") || (has("client_hello") && !may_be_new)
}

const OLD_TLS: &[Kind] = &[
    Kind::ClientHello,
    Kind::ServerHelloOld,
    Kind::ServerCertificate,
    Kind::ServerKeyExchange,
    Kind::ServerHelloDone,
    Kind::ClientKeyExchange,
    Kind::ClientFinished,
    Kind::ServerFinished,
    Kind::ApplicationData,
];

const TLS: &[Kind] = &[
    Kind::ClientHello,
    Kind::ServerHello,
    Kind::ServerCertificate,
    Kind::ServerCertificateVerify,
    Kind::ServerFinished,
    Kind::ClientFinished,
    Kind::ApplicationData,
];

const OPENVPN: &[Kind] = &[
    Kind::ClientReset,
    Kind::ServerReset,
    Kind::CookieReturned,
    Kind::ClientHello,
    Kind::ServerHello,
    Kind::ServerCertificate,
    Kind::ServerCertificateVerify,
    Kind::ServerFinished,
    Kind::ClientCertificate,
    Kind::ClientCertificateVerify,
    Kind::ClientFinished,
    Kind::ClientKeyMessage,
    Kind::ServerKeyMessage,
    Kind::PushReply,
    Kind::DataBegins,
];
