//! The tunnel's packets in a capture, opened with a key log: what comes out is what went in, and only where that is
//! asked for.

use std::sync::Arc;

use explain::capture::{Known, Opened, read_opening, written};
use explain::{KeyLog, Side, render};

use crate::meeting::{Act, Admit, Meeting};

#[test]
fn what_went_through_the_tunnel_comes_out_under_the_keys_of_each_handshake() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew, Act::Data, Act::Data]);
    let (opened, packets) = open(&meeting, &meeting.log_text());
    assert_eq!(packets, meeting.carried);
    assert_eq!(opened, Opened { packets: 6, signs: 0, closed: 0 });
}

#[test]
fn without_the_secret_of_the_exporter_every_packet_stays_closed() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    let log: String = meeting
        .log_text()
        .lines()
        .filter(|line| !line.starts_with("EXPORTER"))
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!(open(&meeting, &log), (Opened { packets: 0, signs: 0, closed: 2 }, Vec::new()));
    assert_eq!(open(&meeting, "").0.closed, 2);
}

#[test]
fn a_packet_that_was_changed_or_came_before_stays_closed() {
    let mut meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    let last = meeting.packets.last().unwrap().clone();
    let mut changed = last.clone();
    *changed.2.last_mut().unwrap() ^= 1;
    // Within a moment it would be the same packet, captured twice.
    let again = (last.0 + 5_000, last.1, last.2);
    meeting.packets.extend([changed, again]);
    let (opened, _) = open(&meeting, &meeting.log_text());
    assert_eq!(opened, Opened { packets: 2, signs: 0, closed: 2 });
}

#[test]
fn opened_packets_are_a_capture_for_other_programs_and_are_in_no_story() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    let mut file = written::head();
    let known = known(&meeting.log_text());
    let (stories, _) = read_opening(meeting.pcap().as_slice(), known, None, |packet| {
        file.extend_from_slice(&written::packet(packet));
    })
    .unwrap();
    let (_, first) = &meeting.carried[0];
    assert_eq!(
        file.len(),
        24 + meeting.carried.iter().map(|(_, bytes)| 16 + bytes.len()).sum::<usize>()
    );
    assert_eq!(file[40..40 + first.len()], first[..]);
    let content: String = first[20..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!render::json(&stories).contains(&content));
}

type Packets = Vec<(Side, Vec<u8>)>;

fn open(meeting: &Meeting, log: &str) -> (Opened, Packets) {
    let mut packets = Packets::new();
    let (_, opened) = read_opening(meeting.pcap().as_slice(), known(log), None, |packet| {
        packets.push((packet.from, packet.bytes.to_vec()));
    })
    .unwrap();
    (opened, packets)
}

fn known(log: &str) -> Known {
    Known { log: Arc::new(KeyLog::parse(log).unwrap()), ..Known::default() }
}
