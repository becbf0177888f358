//! Recorded captures of which one packet, or a part of each, is taken away: what was sent all the same is a gap, and nobody
//! is accused of what the capture lacks.

use std::fs;

use explain::capture::{Known, read};
use explain::story::{Ending, Stories};

use crate::{captures, entries, first};

#[test]
fn an_alert_that_was_not_observed_is_a_gap_and_nobody_hung_up_without_a_word() {
    let story = first(told("p256-no-version", |frames| drop(frames.remove(5))));
    let last = entries(&story).pop();
    assert_eq!(last.as_deref(), Some("missing"));
    assert_eq!(story.ending, Ending::Cut);
    // The same, of which the server's end is missing too: the client confirms both.
    let story = first(told("p256-no-version", |frames| {
        frames.remove(7);
        frames.remove(5);
    }));
    assert!(entries(&story).iter().any(|one| one == "missing"), "{:?}", entries(&story));
}

#[test]
fn a_server_whose_first_word_on_tcp_was_not_observed_is_heard_all_the_same() {
    for (name, word) in
        [("p256-no-cipher", "alert"), ("p256-no-version", "alert"), ("tls1_3-p256", "server_hello")]
    {
        let story = first(told(name, |frames| drop(frames.remove(1))));
        assert!(entries(&story).iter().any(|one| one == word), "{name}: {:?}", entries(&story));
    }
}

#[test]
fn no_packet_behind_one_that_was_cut_is_the_first_that_returns_the_servers_number() {
    for (name, length) in
        [("vpn-data", 96), ("openvpn-udp-sha256-hybrid", 1_000), ("openvpn-udp-plain-hybrid", 400)]
    {
        let story = first(told(name, |frames| cut(frames, length)));
        let told = entries(&story);
        assert!(told.iter().any(|one| one == "cut_short"), "{name}: {told:?}");
        assert!(!told.iter().any(|one| one == "cookie_returned"), "{name}: {told:?}");
    }
}

#[test]
fn packets_that_differ_in_what_was_cut_off_are_no_copies() {
    let stories = told("openvpn-udp-plain-hybrid", |frames| cut(frames, 64));
    assert!(!reasons(&stories).contains("the same packet again"), "{}", reasons(&stories));
}

#[test]
fn a_first_packet_of_which_a_part_is_there_is_not_taken_for_another_protocol() {
    for length in [44, 49, 54] {
        let stories = told("openvpn-udp-sha256-hybrid", |frames| cut(frames, length));
        assert!(!reasons(&stories).contains("neither TLS nor OpenVPN"), "{}", reasons(&stories));
        assert!(stories.stories.is_empty() && !stories.left_out.is_empty());
    }
}

fn reasons(stories: &Stories) -> String {
    stories.left_out.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>().join(", ")
}

/// A recorded capture with other frames, each behind its head of 16 bytes.
fn told(name: &str, change: impl Fn(&mut Vec<Vec<u8>>)) -> Stories {
    let capture = fs::read(captures().join(format!("{name}.pcap"))).unwrap();
    let (head, mut rest) = capture.split_at(24);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let (frame, behind) = rest.split_at(16 + length);
        frames.push(frame.to_vec());
        rest = behind;
    }
    change(&mut frames);
    let changed = [head.to_vec(), frames.concat()].concat();
    read(&changed[..], Known::default()).unwrap()
}

fn cut(frames: &mut [Vec<u8>], longest: usize) {
    for frame in frames {
        let length = (frame.len() - 16).min(longest);
        frame.truncate(16 + length);
        frame[8..12].copy_from_slice(&(length as u32).to_le_bytes());
    }
}
