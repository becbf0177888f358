//! Who could read a recording of a handshake's connection later: what follows from how the secret was agreed on.

use crate::story::{Field, Protocol, Step, Story};

/// Sentences, as many as what was seen allows.
pub(super) fn readers(story: &Story) -> Vec<&'static str> {
    if sends_the_secret(story) {
        let who = match story.protocol {
            Protocol::Tls => {
                "Whoever has the server's private key, or gets it later, can read it: the client sent the secret encrypted with the server's public key (RSA key transport), and a recording waits."
            }
            Protocol::OpenVpn => {
                "Whoever has the server's private key, or gets it later, can read it, and the tunnel's packets too. The client sent the secret of TLS encrypted with the server's public key (RSA key transport), and the tunnel's keys come from inside that TLS. Where a shared key encrypts the control channel (tls-crypt), that key is wanted besides."
            }
        };
        let mut said = vec![who, "A future quantum computer could open it too."];
        if gives_the_secret_in_a_ticket(story) {
            said.push(BY_TICKET);
        }
        return said;
    }
    if let Some(said) = taken_up(story) {
        return said;
    }
    let Some(group) = agreed(story) else { return Vec::new() };
    let mut said = vec![
        "Whoever has the secrets of this connection (a key log of one of its ends) can read it; the server's private key, should it be stolen later, opens nothing, since the secret was made for this connection alone.",
    ];
    said.push(match group.contains("MLKEM") {
        true => "A future quantum computer is not known to open it either (ML-KEM beside an elliptic curve).",
        false if group == NUMBERS => "A future quantum computer could open it: the secret was agreed on by large numbers alone (DHE).",
        false => "A future quantum computer could open it: the secret was agreed on by an elliptic curve alone.",
    });
    if gives_the_secret_in_a_ticket(story) {
        said.push(BY_TICKET);
    }
    if story.protocol == Protocol::OpenVpn && !by_exporter(story) {
        return Vec::new();
    }
    said
}

const BY_TICKET: &str = "Up to TLS 1.2 a ticket holds the secret, locked with the server's ticket key: whoever gets that can read it too.";

/// Where an earlier session is taken up and nothing fresh is agreed on, whoever can read that one can read this one.
fn taken_up(story: &Story) -> Option<Vec<&'static str>> {
    let hello = story.steps.iter().rev().find(|step| step.entry.ends_with("_resumed"))?;
    let is_fresh = hello.fields.iter().any(|field| field.name == "key_share_group");
    match (hello.entry.as_str(), is_fresh) {
        ("server_hello_old_resumed", _) => Some(vec![
            "Whoever has the secrets of this connection, or the master secret of the earlier one that it takes up, can read it: nothing fresh is agreed on.",
            "If the client came with a ticket, whoever gets the server's ticket key can read it too.",
            "How that master secret came about was seen in the earlier connection alone: who can open that one, by a stolen key or a future quantum computer, opens this one too.",
        ]),
        (_, false) => Some(vec![
            "Whoever has the secrets of this connection, or the key that both had before, can read it: nothing fresh is agreed on.",
            "If that key comes from a ticket, whoever gets the server's ticket key may have it too.",
            "How that key came about is not seen here: who can open the connection that it comes from, opens this one too.",
        ]),
        (_, true) => None,
    }
}

/// The group by which the last handshake agreed on its secret.
fn agreed(story: &Story) -> Option<String> {
    let of = |step: &Step| {
        let name = match step.entry.as_str() {
            "server_hello" | "server_hello_resumed" => "key_share_group",
            "server_key_exchange" => "named_group",
            _ => return None,
        };
        if step.fields.iter().any(|field| field.name == "prime_length") {
            return Some(NUMBERS.to_owned());
        }
        let field = step.fields.iter().find(|field| field.name == name)?;
        Some(field.meaning.as_deref()?.to_owned())
    };
    story.steps.iter().rev().find_map(of)
}

fn gives_the_secret_in_a_ticket(story: &Story) -> bool {
    let has = |entry: &str| story.steps.iter().any(|step| step.entry == entry);
    has("client_key_exchange") && has("new_session_ticket")
}

/// Whether the keys of the tunnel's packets come from TLS alone.
fn by_exporter(story: &Story) -> bool {
    let pushed = |step: &Step| {
        let says = |value: &str| value.contains("tls-ekm");
        step.entry == "push_reply" && step.fields.iter().any(|field| says(&field.value))
    };
    story.steps.iter().any(pushed)
}

/// What stands for a group where the server chose its own numbers.
const NUMBERS: &str = "DHE";

/// Whether the client sent the secret under the server's key, which stays what it is for years.
fn sends_the_secret(story: &Story) -> bool {
    let chosen = story.steps.iter().rev().find(|step| step.entry == "server_hello_old");
    let suites = chosen.into_iter().flat_map(|step| &step.fields);
    let mut names = suites.filter(|field| field.name == "cipher_suite");
    let transported = |field: &Field| {
        field.meaning.as_deref().is_some_and(|name| name.starts_with("TLS_RSA_WITH_"))
    };
    names.any(transported) && story.steps.iter().any(|step| step.entry == "client_key_exchange")
}
