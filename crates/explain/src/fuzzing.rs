//! Entry points for the fuzzers: bytes of strangers to stories, and stories to every format.
//!
//! Reader and decoders are explored apart from the renderers, which take a hundred times as long. What is told is held
//! against the catalogue and its bounds all the same: that is what a story promises to whoever reads it.

use std::sync::{Arc, LazyLock};

use wire::fuzzing::Target;
use wire::static_key::StaticKey;

use crate::capture::{Keys, Known, read_opening};
use crate::catalogue;
use crate::key_log::KeyLog;
use crate::live::{Live, Speech};
use crate::openvpn::Session;
use crate::place::{Chunk, Side};
use crate::render;
use crate::story::{Ending, Source, Step, Stories, Story, VERSION};
use crate::tell::{Conversation, tell};

/// All targets of this crate.
pub const TARGETS: [(&str, Target); 4] = [
    ("capture", capture),
    ("connection", connection),
    ("inside", inside),
    ("renderers", renderers),
];

/// A capture file of these bytes.
fn capture(bytes: &[u8]) {
    captured(bytes).iter().for_each(hold);
}

/// Both sides of a connection.
fn connection(bytes: &[u8]) {
    hold(&spoken(bytes));
}

/// What both say under their keys.
fn inside(bytes: &[u8]) {
    hold(&opened(bytes));
}

/// All of them in every format. What is written is read again without change.
fn renderers(bytes: &[u8]) {
    for stories in captured(bytes).into_iter().chain([spoken(bytes), opened(bytes)]) {
        let json = render::json(&stories);
        let again: Stories = serde_json::from_str(&json).expect("our own JSON");
        assert_eq!(again, stories, "JSON says something else");
        let _ = (
            render::term(&stories, 80),
            render::short(&stories, 80),
            render::mermaid(&stories),
            render::svg(&stories),
            render::html(&stories),
        );
    }
}

/// A file of even length is read with a key of tls-auth, so that codes are calculated too.
fn captured(bytes: &[u8]) -> Option<Stories> {
    let keys = if bytes.len().is_multiple_of(2) { GIVEN.clone() } else { Keys::default() };
    let known = Known { log: Arc::default(), keys };
    read_opening(bytes, known, None, |_| {}).ok().map(|(stories, _)| stories)
}

/// The first byte of each piece says whose it is and how long.
fn spoken(mut bytes: &[u8]) -> Stories {
    let mut live = Live::new("tcp");
    let mut frame = 0;
    while let Some((&head, rest)) = bytes.split_first() {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(head >> 1) * 4));
        frame += 1;
        live.push(&chunk(frame, side(head), piece));
        bytes = after;
    }
    let all = [Speech::Tls, Speech::OpenVpn];
    stories(all.into_iter().filter_map(|speech| live.story(speech, KeyLog::default())))
}

/// A session whose hellos are over, in the version that the first byte says. Of each piece the first byte says whose
/// it is and what its record holds, and the next two how long it is; a fuzzer could not encrypt any.
fn opened(bytes: &[u8]) -> Stories {
    let Some((&version, mut bytes)) = bytes.split_first() else { return stories([]) };
    let mut session = Session::new(Arc::clone(&LOG), Keys::default()).opening();
    session.packet(&chunk(1, Side::Client, &RESET).into());
    session.opened(&chunk(2, Side::Client, CLIENT_HELLO).into(), HANDSHAKE);
    let answer = if version & 1 == 0 { SERVER_HELLO } else { SERVER_HELLO_OLD };
    session.opened(&chunk(3, Side::Server, answer).into(), HANDSHAKE);
    let mut frame = 3;
    while let [head, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (piece, after) = rest.split_at(rest.len().min(length));
        frame += 1;
        let seen = chunk(frame, side(*head), piece).into();
        match head >> 1 & 7 {
            0..=2 => session.opened(&seen, HANDSHAKE),
            3 | 4 => session.opened(&seen, APPLICATION_DATA),
            5 => session.opened(&seen, ALERT),
            _ => session.packet(&seen),
        }
        bytes = after;
    }
    let _ = session.take_opened();
    stories(tell(&Conversation {
        transport: "udp",
        client: String::new(),
        server: String::new(),
        facts: &session.facts,
        session: Some(&session),
        closed: None,
        own: None,
        uses: session.uses().collect(),
    }))
}

fn stories(all: impl IntoIterator<Item = Story>) -> Stories {
    Stories { version: VERSION, stories: all.into_iter().collect(), left_out: Vec::new() }
}

fn side(head: u8) -> Side {
    if head & 1 == 0 { Side::Client } else { Side::Server }
}

fn chunk(frame: u32, from: Side, bytes: &[u8]) -> Chunk<'_> {
    Chunk { at: u64::from(frame), from, frame, offset: 0, bytes }
}

/// What every story promises.
fn hold(stories: &Stories) {
    for story in &stories.stories {
        assert!(!story.steps.is_empty(), "nothing happened in it");
        story.steps.iter().zip(1..).for_each(|(step, number)| hold_step(step, number));
        assert!(story.steps.is_sorted_by_key(|step| step.at), "out of order");
        assert!(story.missing.iter().all(|name| is_told(name)), "{:?}", story.missing);
        for key in &story.keys {
            let next = key.replaced_by.as_ref();
            assert!(
                next.is_none_or(|next| story.keys.iter().any(|one| one.id == *next)),
                "{key:?}"
            );
        }
        if let Ending::Broken(broken) = &story.ending {
            let at = broken.at_step.unwrap_or(1) as usize;
            assert!((1..=story.steps.len()).contains(&at), "{broken:?}");
            assert!(!broken.mends.is_empty() && !broken.sentence.is_empty(), "{broken:?}");
        }
    }
}

/// Words of the catalogue, on bytes, and of a peer's text no more than is shown.
fn hold_step(step: &Step, number: u32) {
    assert_eq!(step.number, number);
    assert!(is_told(&step.entry), "{}", step.entry);
    assert!(step.sentence.split_whitespace().count() <= 25, "{}", step.sentence);
    assert!(step.source == Source::Gap || !step.basis.is_empty(), "{} on nothing", step.entry);
    for field in &step.fields {
        let texts = [Some(field.value.as_str()), field.meaning.as_deref()];
        assert!(texts.iter().flatten().all(|text| text.chars().count() <= 201), "{field:?}");
    }
}

fn is_told(name: &str) -> bool {
    catalogue::all().any(|entry| entry.name == name)
}

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;

/// A client's first packet without wrapping.
const RESET: [u8; 14] = [0x38, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
/// A hello with a random of sevens and the suite TLS_AES_128_GCM_SHA256.
const CLIENT_HELLO: &[u8] = &[
    1, 0, 0, 43, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 0, 0, 2, 0x13, 1, 1, 0, 0, 0,
];
/// That suite in TLS 1.3.
const SERVER_HELLO: &[u8] = &[
    2, 0, 0, 46, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4,
];
/// One of TLS 1.2.
const SERVER_HELLO_OLD: &[u8] = &[
    2, 0, 0, 40, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 0, 0xc0, 0x2b, 0, 0, 0,
];

/// Secrets for those hellos, so that proofs and keys are calculated.
static LOG: LazyLock<Arc<KeyLog>> = LazyLock::new(|| {
    let mut log = KeyLog::default();
    for label in [
        "CLIENT_RANDOM",
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    ] {
        log.add(label, &[7; 32], &[9; 32]);
    }
    Arc::new(log)
});

static GIVEN: LazyLock<Keys> = LazyLock::new(|| {
    let mut keys = Keys::default();
    let bytes = std::array::from_fn(|n| n as u8);
    keys.add(&StaticKey::from_bytes(&bytes).to_text()).expect("a key's own text");
    keys
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_under_keys_is_read_as_if_it_had_been_opened() {
        let said = |head: u8, bytes: &[u8]| {
            let length = u16::try_from(bytes.len()).expect("it is short").to_be_bytes();
            [&[head], &length[..], bytes].concat()
        };
        let finished = [&[20, 0, 0, 32][..], &[0; 32]].concat();
        let push = b"PUSH_REPLY,ifconfig 10.0.0.2 255.255.0.0,cipher AES-128-GCM";
        // A first record that is no key message, which may be missing, is read as what follows on it.
        let script = [&[0][..], &said(1, &finished), &said(7, b"none"), &said(7, push)].concat();
        let told = opened(&script);
        let entries: Vec<&str> =
            told.stories[0].steps.iter().map(|step| step.entry.as_str()).collect();
        let before = ["client_reset", "client_hello", "server_hello", "server_finished"];
        assert_eq!(entries, [&before[..], &["control_text", "push_reply"]].concat());
        let finished = &told.stories[0].steps[3];
        assert!(finished.fields.iter().any(|field| field.name == "proof_is_right"), "{finished:?}");
        hold(&told);
    }
}
