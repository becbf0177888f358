//! Entry points for the fuzzers: bytes of strangers, whole stories, every renderer.

use wire::fuzzing::Target;

use crate::capture::{Known, read_opening};
use crate::key_log::KeyLog;
use crate::live::{Live, Speech};
use crate::place::{Chunk, Side};
use crate::render;
use crate::story::{Stories, VERSION};

/// All targets of this crate.
pub const TARGETS: [(&str, Target); 2] = [("capture", capture), ("connection", connection)];

/// A capture file of these bytes, to its pictures.
fn capture(bytes: &[u8]) {
    if let Ok((stories, _)) = read_opening(bytes, Known::default(), |_| {}) {
        render_all(&stories);
    }
}

/// Both sides of a connection: the first byte of each piece says whose it is and how long.
fn connection(mut bytes: &[u8]) {
    let mut live = Live::new("tcp");
    let mut frame = 0;
    while let Some((&head, rest)) = bytes.split_first() {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(head >> 1) * 4));
        let from = if head & 1 == 0 { Side::Client } else { Side::Server };
        frame += 1;
        live.push(&Chunk { at: u64::from(frame), from, frame, offset: 0, bytes: piece });
        bytes = after;
    }
    for speech in [Speech::Tls, Speech::OpenVpn] {
        let stories = live.story(speech, KeyLog::default()).into_iter().collect();
        render_all(&Stories { version: VERSION, stories, left_out: Vec::new() });
    }
}

/// What is written is read again without change.
fn render_all(stories: &Stories) {
    let json = render::json(stories);
    let again: Stories = serde_json::from_str(&json).expect("our own JSON");
    assert_eq!(&again, stories, "JSON says something else");
    let _ = (
        render::term(stories, 80),
        render::mermaid(stories),
        render::svg(stories),
        render::html(stories),
    );
}
