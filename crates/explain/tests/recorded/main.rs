//! Recorded handshakes of other programs, told: which steps there are, that every proof comes out right, and that
//! nothing comes out which must not: no secret, and nothing of a peer's that a page or a terminal would obey.
//!
//! The recordings in `captures` were made by `record.sh` and `record-openvpn.sh`; their keys are worth nothing.
//! `captures/told.txt` has the steps of each. With `EXPLAIN_WRITE=1` it is written anew, to be read in a review.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod endings;
mod fields;
mod keys;
mod legal;
mod only;
mod recordings;
mod shown;
mod words;

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{CaptureError, Keys, Known, read};
use explain::render;
use explain::story::{Ending, Source, Step, Stories, Story};
use testkit::secrets::{Secrets, of_key_log};

use recordings::{captures, folder, given_key, keys_of, name, outputs, tell};

#[test]
fn each_recording_is_told_in_the_steps_that_a_review_has_read() {
    let mut told = String::new();
    for capture in captures() {
        let stories = tell(&capture, Keys::default());
        let _ = writeln!(told, "{}", name(&capture));
        for story in &stories.stories {
            steps(&mut told, story);
        }
    }
    let golden = folder().join("told.txt");
    if std::env::var_os("EXPLAIN_WRITE").is_some() {
        fs::write(&golden, &told).unwrap();
    }
    assert_eq!(told, fs::read_to_string(&golden).unwrap(), "EXPLAIN_WRITE=1 writes it anew");
}

#[test]
fn every_proof_of_a_handshake_that_can_be_read_is_calculated_and_right() {
    let mut proofs = 0;
    for capture in captures().iter().filter(|capture| keys_of(capture).exists()) {
        for step in tell(capture, Keys::default()).stories.iter().flat_map(|story| &story.steps) {
            let proves = ["verify", "finished", "server_key_exchange"]
                .iter()
                .any(|part| step.entry.ends_with(part));
            let right = step.fields.iter().find(|field| field.name == "proof_is_right");
            if proves {
                proofs += 1;
                assert_eq!(
                    right.map(|field| field.value.as_str()),
                    Some("1"),
                    "{}: {}",
                    name(capture),
                    step.entry
                );
                assert_eq!(step.source, Source::Computed);
            }
        }
    }
    assert!(proofs >= 50, "{proofs} proofs");
}

#[test]
fn a_changed_byte_of_a_signed_message_makes_its_proof_wrong() {
    let capture = folder().join("tls1_2-p256-mutual.pcap");
    let mut bytes = fs::read(&capture).unwrap();
    // One bit of the server's random value, which its signature covers.
    let stories = tell(&capture, Keys::default());
    let hello =
        stories.stories[0].steps.iter().find(|step| step.entry == "server_hello_old").unwrap();
    let at = file_offset(&bytes, hello.basis[0].frame) + hello.basis[0].offset as usize + 10;
    bytes[at] ^= 1;
    let told = read(bytes.as_slice(), Known::default()).unwrap();
    let exchange =
        told.stories[0].steps.iter().find(|step| step.entry == "server_key_exchange").unwrap();
    assert!(
        exchange.fields.iter().any(|field| field.name == "proof_is_right" && field.value == "0")
    );
    assert!(exchange.proves.contains("it is wrong"), "{}", exchange.proves);
}

#[test]
fn a_record_of_a_block_cipher_is_opened_only_where_its_code_fits() {
    for recording in ["tls1_2-p256-cbc-inside", "tls1_2-rsa-cbc1-behind"] {
        let capture = folder().join(format!("{recording}.pcap"));
        let whole = fs::read(&capture).unwrap();
        let of = |bytes: &[u8]| {
            let log = KeyLog::parse(&fs::read_to_string(keys_of(&capture)).unwrap()).unwrap();
            let known = Known { log: Arc::new(log), ..Known::default() };
            read(bytes, known).unwrap().stories.remove(0)
        };
        let story = of(&whole);
        let is_clients = |step: &&Step| step.entry == "client_finished";
        let finished = story.steps.iter().find(is_clients).unwrap();
        let place = finished.basis[0];
        let begins = file_offset(&whole, place.frame) + place.offset as usize;
        // Behind the header, in the first block, in the content, and the last byte.
        for at in [5, 21, 40, place.length as usize - 1] {
            let mut changed = whole.clone();
            changed[begins + at] ^= 1;
            let told = of(&changed);
            assert!(told.steps.iter().all(|step| step.entry != "client_finished"), "{at}");
            let sealed = told.steps.iter().find(|step| step.entry == "sealed").unwrap();
            assert_eq!(sealed.source, Source::Gap, "{recording}: {at}");
        }
    }
}

#[test]
fn no_output_holds_a_secret_of_the_key_log() {
    let mut count = 0;
    for capture in captures().iter().filter(|capture| keys_of(capture).exists()) {
        let log = fs::read_to_string(keys_of(capture)).unwrap();
        let secrets = of_key_log(&log);
        count += secrets.len();
        let search = Secrets::of(&secrets);
        let is_found = search.found_in(log.as_bytes()).is_some();
        assert!(is_found || secrets.is_empty(), "the search finds what is there");
        for (format, output) in outputs(&tell(capture, Keys::default())) {
            let found = search.found_in(output.as_bytes());
            assert_eq!(found, None, "{}: {format}", name(capture));
        }
    }
    assert!(count > 50, "{count} secrets");
}

#[test]
fn the_same_recording_gives_the_same_bytes() {
    for capture in captures() {
        let (one, other) = (tell(&capture, Keys::default()), tell(&capture, Keys::default()));
        assert_eq!(outputs(&one), outputs(&other));
    }
}

#[test]
fn json_is_read_again_without_change() {
    for capture in captures() {
        let stories = tell(&capture, Keys::default());
        let again: Stories = serde_json::from_str(&render::json(&stories)).unwrap();
        assert_eq!(again, stories);
    }
}

#[test]
fn what_is_no_capture_is_named_and_what_breaks_off_is_told_up_to_there() {
    let error = |bytes: &[u8]| read(bytes, Known::default()).unwrap_err();
    assert_eq!(error(b""), CaptureError::NoCapture);
    assert_eq!(error(b"#!/bin/sh\necho no capture at all\n"), CaptureError::NoCapture);
    let whole = fs::read(folder().join("tls1_3-p256.pcap")).unwrap();
    let stories = read(&whole[..whole.len() / 2], Known::default()).unwrap();
    assert!(
        stories.left_out.iter().any(|left_out| left_out.reason.contains("ends within a frame"))
    );
    assert!(stories.stories[0].steps.iter().any(|step| step.entry == "client_hello"));
}

#[test]
fn recordings_with_changed_bytes_are_survived_in_every_format() {
    let mut random = 0x5eed_2026u64;
    let mut below = move |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % limit as u64) as usize
    };
    let (mut read_whole, mut told) = (0, 0);
    for capture in captures() {
        let bytes = fs::read(&capture).unwrap();
        let log = fs::read_to_string(keys_of(&capture)).unwrap_or_default();
        let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), keys: given_key() };
        for _ in 0..12 {
            let mut changed = bytes.clone();
            for _ in 0..1 + below(6) {
                let at = 24 + below(changed.len() - 24);
                changed[at] = [changed[at] ^ 1 << below(8), 0, 255, below(256) as u8][below(4)];
            }
            let Ok(stories) = read(changed.as_slice(), known.clone()) else { continue };
            read_whole += 1;
            told += stories.stories.len();
            let again: Stories = serde_json::from_str(&render::json(&stories)).unwrap();
            assert_eq!(again, stories);
            assert!(render::html(&stories).len() <= 200_000);
            outputs(&stories);
        }
    }
    assert!(read_whole > 200 && told > 150, "{read_whole} files, {told} stories");
}

fn steps(told: &mut String, story: &Story) {
    for step in &story.steps {
        let key = step.key.as_deref().unwrap_or("-");
        let source = format!("{:?}", step.source).to_lowercase();
        let _ = writeln!(told, "  {} {} {key} {source}", step.from.word(), step.entry);
    }
    let ending = match &story.ending {
        Ending::Broken(broken) => broken.code.clone(),
        other => format!("{other:?}").to_lowercase(),
    };
    let _ = writeln!(told, "  = {ending}");
}

/// Where a frame's bytes begin in a .pcap.
fn file_offset(file: &[u8], frame: u32) -> usize {
    let mut at = 24;
    for _ in 1..frame {
        at += 16 + u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    at + 16
}
