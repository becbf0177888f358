//! Who could read a recording of a handshake's connection later: what follows from how the secret was agreed on.

use crate::story::{Protocol, Step, Story};

/// Sentences, as many as what was seen allows.
pub(super) fn readers(story: &Story) -> Vec<&'static str> {
    let Some(group) = agreed(story) else { return Vec::new() };
    let mut said = vec![
        "Whoever has the secrets of this connection (a key log of one of its ends) can read it; the server's private key, should it be stolen later, opens nothing, since the secret was made for this connection alone.",
    ];
    said.push(match group.contains("MLKEM") {
        true => "A future quantum computer is not known to open it either (ML-KEM beside an elliptic curve).",
        false => "A future quantum computer could open it: the secret was agreed on by an elliptic curve alone.",
    });
    if gives_the_secret_in_a_ticket(story) {
        said.push("In TLS 1.2 the ticket holds the secret, locked with the server's ticket key: whoever gets that can read it too.");
    }
    if story.protocol == Protocol::OpenVpn && !by_exporter(story) {
        return Vec::new();
    }
    said
}

/// The group by which the last handshake agreed on its secret.
fn agreed(story: &Story) -> Option<String> {
    let of = |step: &Step| {
        let name = match step.entry.as_str() {
            "server_hello" | "server_hello_resumed" => "key_share_group",
            "server_key_exchange" => "named_group",
            _ => return None,
        };
        let field = step.fields.iter().find(|field| field.name == name)?;
        Some(field.meaning.as_deref()?.to_owned())
    };
    story.steps.iter().rev().find_map(of)
}

fn gives_the_secret_in_a_ticket(story: &Story) -> bool {
    let has = |entry: &str| story.steps.iter().any(|step| step.entry == entry);
    has("server_key_exchange") && has("new_session_ticket")
}

/// Whether the keys of the tunnel's packets come from TLS alone.
fn by_exporter(story: &Story) -> bool {
    let pushed = |step: &Step| {
        let says = |value: &str| value.contains("tls-ekm");
        step.entry == "push_reply" && step.fields.iter().any(|field| says(&field.value))
    };
    story.steps.iter().any(pushed)
}
