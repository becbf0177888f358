//! How it ended: who broke it off, why, and what mends it.
//!
//! Told from what was seen alone. One side's silence is no refusal, and an alert is its sender's finding.

use super::Conversation;
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact};
use crate::place::Side;
use crate::story::{Broken, Ending, Protocol, Step, Wrapping};
use crate::tls;

pub(super) fn of(conversation: &Conversation<'_>, facts: &[&Fact], steps: &[Step]) -> Ending {
    let broken = refused(facts, steps).or_else(|| match is_done(conversation, facts) {
        true => None,
        false => silent(conversation, facts, steps).or_else(|| hung_up(conversation, facts, steps)),
    });
    match broken {
        Some(broken) => Ending::Broken(broken),
        None if is_done(conversation, facts) => Ending::Done,
        None => Ending::Cut,
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
        None => both(Kind::ClientFinished, Kind::ServerFinished),
    }
}

/// One side said no: an alert, or a word of OpenVPN.
fn refused(facts: &[&Fact], steps: &[Step]) -> Option<Broken> {
    let said_no = |fact: &&Fact| matches!(fact.kind, Kind::Alert | Kind::AuthFailed);
    let (fact, step) = facts.iter().zip(steps).find(|(fact, _)| said_no(fact))?;
    match &fact.detail {
        Detail::Alert(description) => Some(alert(*description, fact.from, step.number)),
        _ => Some(Broken {
            code: "auth_failed".to_owned(),
            by: Some(Side::Server),
            at_step: Some(step.number),
            sentence: "The server knows the client and does not let it in.".to_owned(),
            mends: vec![
                "Ask the server's log for the reason: the user or device may be disabled or revoked.".to_owned(),
                "Give the client a present profile.".to_owned(),
            ],
        }),
    }
}

/// What an alert means, said of whoever sent it.
struct Meaning {
    number: u8,
    sentence: [&'static str; 2],
    mends: &'static [&'static str],
}

/// Sentences for an alert of the client, then of the server.
const MEANINGS: &[Meaning] = &[
    Meaning {
        number: 40,
        sentence: [
            "The client finds nothing that both speak in what the server chose.",
            "The server finds nothing that both speak in what the client offers, or wants a certificate.",
        ],
        mends: &[
            "Compare the offered ciphers and groups in step ClientHello with what the server allows.",
            "An old server may mean a missing client certificate by it.",
        ],
    },
    Meaning {
        number: 42,
        sentence: [
            "The client dislikes the server's certificate.",
            "The server dislikes the client's certificate.",
        ],
        mends: &[
            "See whether the certificate is for the name that was asked for: both stand here.",
            "Look at its usage and its signature; the log of whoever refused has the reason.",
        ],
    },
    Meaning {
        number: 44,
        sentence: [
            "The client was told that the server's certificate is revoked.",
            "The server knows that the client's certificate is revoked.",
        ],
        mends: &[
            "Issue a new certificate and give it to its owner; a revocation is never taken back.",
        ],
    },
    Meaning {
        number: 45,
        sentence: [
            "To the client's clock the server's certificate has run out, or is not valid yet.",
            "To the server's clock the client's certificate has run out, or is not valid yet.",
        ],
        mends: &[
            "Compare the times in the certificate with the clock of whoever refused.",
            "Renew the certificate.",
        ],
    },
    Meaning {
        number: 46,
        sentence: [
            "The client does not accept the server's certificate, for a reason that it keeps to itself.",
            "The server does not accept the client's certificate, for a reason that it keeps to itself.",
        ],
        mends: &["The log of whoever refused has the reason."],
    },
    Meaning {
        number: 48,
        sentence: [
            "The client does not know the CA that issued the server's certificate.",
            "The server does not know the CA that issued the client's certificate.",
        ],
        mends: &[
            "Give whoever refused the CA's certificate: a profile's ca, a server's list of CAs.",
            "The side that showed the certificate may have left out one in between.",
        ],
    },
    Meaning {
        number: 49,
        sentence: [
            "The client knows the server and does not want it.",
            "The server knows the client and does not let it in.",
        ],
        mends: &["Look at the access rules of whoever refused."],
    },
    Meaning {
        number: 51,
        sentence: [
            "The client finds a signature or checksum of the server wrong.",
            "The server finds a signature or checksum of the client wrong.",
        ],
        mends: &[
            "The certificate and the private key of one side don't belong together, or a message was changed on its way.",
        ],
    },
    Meaning {
        number: 70,
        sentence: [
            "The client does not speak the version that the server chose.",
            "The server does not speak any version that the client offers.",
        ],
        mends: &["Bring the older side up to date; TLS 1.2 is the oldest that should be spoken."],
    },
    Meaning {
        number: 112,
        sentence: [
            "The client does not take the server under this name.",
            "The server has no such name.",
        ],
        mends: &[
            "Ask for a name that the server has: step ClientHello shows which one was asked for (SNI).",
        ],
    },
    Meaning {
        number: 113,
        sentence: [
            "The client does not believe the staple that the server brought along.",
            "The server does not believe the client's staple.",
        ],
        mends: &[
            "Look at the box of the certificate: by when it was signed and until when it is good.",
        ],
    },
    Meaning {
        number: 116,
        sentence: [
            "The client wants a certificate.",
            "The server lets nobody in without a certificate, and the client showed none.",
        ],
        mends: &["Give the client its certificate and key."],
    },
    Meaning {
        number: 120,
        sentence: [
            "The client speaks no protocol that the server chose.",
            "The server speaks no protocol that the client offers inside TLS (ALPN).",
        ],
        mends: &["Compare the protocols in step ClientHello with those of the server."],
    },
];

fn alert(number: u8, by: Side, at_step: u32) -> Broken {
    let name = tls::alert_name(number).unwrap_or("unknown");
    let known = MEANINGS.iter().find(|meaning| meaning.number == number);
    let [of_client, of_server] = known.map_or(
        [
            "The client broke it off for a fault that it found.",
            "The server broke it off for a fault that it found.",
        ],
        |meaning| meaning.sentence,
    );
    let sentence = if by == Side::Client { of_client } else { of_server };
    let fallback: &[&str] = &["The log of whoever broke it off has the reason."];
    let mends = known.map_or(fallback, |meaning| meaning.mends);
    Broken {
        code: format!("alert_{name}"),
        by: Some(by),
        at_step: Some(at_step),
        sentence: sentence.to_owned(),
        mends: mends.iter().map(|mend| (*mend).to_owned()).collect(),
    }
}

/// OpenVPN's client knocked and nobody answered, or not to the end.
fn silent(conversation: &Conversation<'_>, facts: &[&Fact], steps: &[Step]) -> Option<Broken> {
    let session = conversation.session?;
    let has = |kind: Kind| facts.iter().any(|fact| fact.kind == kind);
    if has(Kind::WrongWrapping) && !has(Kind::CookieReturned) {
        return Some(wrong_key(facts, steps));
    }
    if has(Kind::ServerReset) || !has(Kind::ResetRepeated) {
        return None;
    }
    if let Some(step) = steps.iter().find(|step| has_gateways_direction(step)) {
        return Some(wrong_direction(step));
    }
    let checked = session.packets.iter().any(|packet| packet.wrapping == Wrapping::Right);
    let mut mends = vec![
        "See whether the packets reach the server at all: count them there. A firewall may block UDP; try the TCP port.",
        "See whether the server runs at this address and port.",
    ];
    if !checked {
        mends.push("Compare the tls-auth key, its direction (1 here, 0 there) and the auth digest: a server drops what is wrong without a word.");
    }
    Some(Broken {
        code: "reset_unanswered".to_owned(),
        by: None,
        at_step: steps.last().map(|step| step.number),
        sentence: "Nobody answered: the packets are lost on their way there or back, or the server dropped them unread.".to_owned(),
        mends: mends.into_iter().map(str::to_owned).collect(),
    })
}

/// A client whose packets are made with the half of the key that the gateway's should be made with.
fn has_gateways_direction(step: &Step) -> bool {
    let is = |name: &str, value: &str| {
        step.fields.iter().any(|field| field.name == name && field.value == value)
    };
    step.from == Side::Client && is("key_direction_of_the_sender", "0")
}

fn wrong_direction(step: &Step) -> Broken {
    Broken {
        code: "wrong_key_direction".to_owned(),
        by: None,
        at_step: Some(step.number),
        sentence: "The key is the given one and the client uses its first half, which is the server's: a server with direction 0 drops that without a word.".to_owned(),
        mends: vec![
            "Write \"key-direction 1\" into the client's profile; the server has 0.".to_owned(),
            "If no direction is written on the server either, the key is right: see whether packets reach it.".to_owned(),
        ],
    }
}

fn wrong_key(facts: &[&Fact], steps: &[Step]) -> Broken {
    let wrong = facts.iter().zip(steps).find(|(fact, _)| fact.kind == Kind::WrongWrapping);
    Broken {
        code: "wrong_tls_auth".to_owned(),
        by: None,
        at_step: wrong.map(|(_, step)| step.number),
        sentence: "The code on this side's packets was not made with the given key, so a server that has this key drops them without a word.".to_owned(),
        mends: vec![
            "Give the client the present profile: its tls-auth key is another one.".to_owned(),
            "If the key is the same, compare key-direction and auth on both sides.".to_owned(),
        ],
    }
}

/// The connection ended before the handshake did.
fn hung_up(conversation: &Conversation<'_>, facts: &[&Fact], steps: &[Step]) -> Option<Broken> {
    let (by, reset) = conversation.closed?;
    let sealed = facts.iter().any(|fact| fact.kind == Kind::Sealed);
    if sealed {
        return None;
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

/// What would have followed.
pub(super) fn missing(protocol: Protocol, steps: &[Step]) -> Vec<String> {
    let all: &[Kind] = match protocol {
        Protocol::OpenVpn => OPENVPN,
        Protocol::Tls => TLS,
    };
    let reached = |kind: &Kind| steps.iter().any(|step| step.entry == kind.entry().name);
    let after = all.iter().rposition(reached).map_or(0, |at| at + 1);
    all.iter().skip(after).map(|kind| kind.entry().name.to_owned()).collect()
}

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
