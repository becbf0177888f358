//! Captures in which each packet stands twice, as of all interfaces of a router: each was sent once.

use std::sync::Arc;

use explain::KeyLog;
use explain::Side;
use explain::capture::{Known, Opened, read_opening};
use explain::story::{Stories, Story};

use crate::entries;
use crate::meeting::{Act, Admit, Meeting};

const COPIES: &str = "the same packet again";

#[test]
fn a_packet_on_two_interfaces_was_sent_once() {
    let mut meeting = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Data]);
    let (once, opened) = told(&meeting, &meeting.pcap());
    let number = meeting.packets.len() as u64;
    meeting.packets = twice(&meeting.packets, 30);
    for routed in [false, true] {
        let mut capture = meeting.pcap();
        if routed {
            one_hop_further(&mut capture);
        }
        let (both, opened_of_both) = told(&meeting, &capture);
        assert_eq!(copies(&both), number);
        assert_eq!(opened_of_both, opened);
        let (one, other) = (&once.stories[0], &both.stories[0]);
        assert_eq!(entries(other), entries(one));
        assert_eq!(other.packets.len(), one.packets.len());
        assert_eq!(uses(other), uses(one));
    }
    assert_eq!(copies(&once), 0);
}

#[test]
fn a_packet_that_waited_in_a_queue_between_two_interfaces_is_one_and_a_later_one_is_another() {
    let mut meeting = Meeting::new(Admit::Yes).run(&[]);
    meeting.packets.truncate(1);
    let knock = meeting.packets[0].clone();
    // A client without tls-auth repeats the same bytes after a second or two.
    let (waited, later) = (knock.0 + 40_000, knock.0 + 1_000_000);
    meeting.packets.push((waited, knock.1, knock.2.clone()));
    meeting.packets.push((later, knock.1, knock.2.clone()));
    meeting.packets.push((later + 30, knock.1, knock.2));
    let mut capture = meeting.pcap();
    one_hop_further(&mut capture);
    let (told, _) = told(&meeting, &capture);
    assert_eq!(entries(&told.stories[0]), ["client_reset", "reset_repeated"]);
    assert_eq!(copies(&told), 2);
    // On one interface the same bytes 40 ms later were sent once more.
    let (told, _) = self::told(&meeting, &meeting.pcap());
    assert_eq!(entries(&told.stories[0]), ["client_reset", "reset_repeated", "reset_repeated"]);
    assert_eq!(copies(&told), 1);
}

fn told(meeting: &Meeting, capture: &[u8]) -> (Stories, Opened) {
    let log = Arc::new(KeyLog::parse(&meeting.log_text()).unwrap());
    read_opening(capture, Known { log, ..Known::default() }, None, |_| {}).unwrap()
}

fn copies(stories: &Stories) -> u64 {
    let all = stories.left_out.iter().filter(|one| one.reason.starts_with(COPIES));
    all.map(|one| one.count).sum()
}

fn uses(story: &Story) -> Vec<(String, Side, u64)> {
    let all = story.keys.iter();
    all.flat_map(|key| key.uses.iter().map(|used| (key.id.clone(), used.by, used.count))).collect()
}

/// Each packet, and so many microseconds later the same.
fn twice(packets: &[(u64, Side, Vec<u8>)], later: u64) -> Vec<(u64, Side, Vec<u8>)> {
    let both = |(at, from, bytes): &(u64, Side, Vec<u8>)| {
        [(*at, *from, bytes.clone()), (at + later, *from, bytes.clone())]
    };
    packets.iter().flat_map(both).collect()
}

/// Every other packet has one hop less before it.
fn one_hop_further(capture: &mut [u8]) {
    let (mut at, mut number) = (24, 0);
    while let Some(length) = capture.get(at + 8..at + 12) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        capture[at + 16 + 8] -= number % 2;
        (at, number) = (at + 16 + length, number + 1);
    }
}
