//! Captures that lack packets of a session over UDP: a gap stands where they were, and what comes behind it is read on.

use std::collections::BTreeSet;
use std::sync::Arc;

use explain::KeyLog;
use explain::Side;
use explain::capture::written::{self, Flow};
use explain::capture::{Known, read};
use explain::story::{Chapter, Ending, Source, Step, Stories, Story};
use explain::told::Place;
use wire::MessageId;
use wire::control::{Acks, ControlHeader, ControlPacket, HEADER_LEN};

use crate::meeting::{Act, Admit, Meeting};
use crate::{entries, first};

#[test]
fn a_hello_that_is_not_captured_is_a_gap_before_the_answer_to_it() {
    let story = without_a_hello();
    let told = entries(&story);
    assert_eq!(
        told[..5],
        ["client_reset", "server_reset", "not_captured", "server_hello", "disguise"],
        "{told:?}"
    );
    let gap = &story.steps[2];
    assert_eq!((gap.from, gap.source, message_ids(gap)), (Side::Client, Source::Gap, vec!["1"]));
    // The server went on, so no later packet is the first that returns its number.
    assert!(!told.iter().any(|one| one == "cookie_returned"), "{told:?}");
    assert!(gap.sentence.contains("here the server's number came back"), "{}", gap.sentence);
    assert_eq!(story.ending, Ending::Done, "data goes both ways");
}

#[test]
fn a_reset_that_is_not_captured_hides_nothing_of_what_follows() {
    let story = without(&[(Side::Client, 0)], true);
    let told = entries(&story);
    assert_eq!(told[..3], ["not_captured", "server_reset", "cookie_returned"], "{told:?}");
    let gap = &story.steps[0];
    assert_eq!((gap.from, message_ids(gap)), (Side::Client, vec!["0"]));
    for entry in ["client_hello", "client_certificate", "client_key_message", "push_reply"] {
        assert!(told.iter().any(|one| one == entry), "{entry}: {told:?}");
    }
}

#[test]
fn what_stays_closed_behind_a_hole_is_not_taken_for_certificates() {
    let story = without(&[(Side::Client, 1), (Side::Server, 1), (Side::Server, 2)], false);
    let closed: Vec<&Step> = story.steps.iter().filter(|step| step.entry == "sealed").collect();
    assert!(!closed.is_empty(), "{:?}", entries(&story));
    for step in closed {
        assert_eq!(step.title, "Encrypted, behind what is missing", "{step:?}");
        assert!(!step.leaves_open.contains("ertificate"), "{step:?}");
        let before = &story.steps[step.number as usize - 2];
        assert_eq!(step.chapter, before.chapter, "it stands with what stands around it");
    }
    // What the other side lacks says nothing of this one.
    let story = without(&[(Side::Client, 2)], false);
    let of_server = |step: &&Step| step.entry == "sealed" && step.from == Side::Server;
    let closed = story.steps.iter().find(of_server).unwrap();
    assert_eq!(closed.title, "Encrypted from here on");
}

#[test]
fn both_hellos_that_are_not_captured_are_gaps_in_their_order_before_what_follows_on_them() {
    let story = without(&[(Side::Client, 1), (Side::Server, 1)], true);
    assert_eq!(
        entries(&story)[..4],
        ["client_reset", "server_reset", "not_captured", "not_captured"]
    );
    let gaps = [&story.steps[2], &story.steps[3]];
    assert_eq!(gaps.map(|gap| gap.from), [Side::Client, Side::Server]);
    assert_eq!(gaps.map(|gap| gap.chapter), [Chapter::Hello, Chapter::Hello]);
    assert!(!entries(&story).iter().any(|one| one == "cookie_returned"));
}

#[test]
fn what_a_client_said_before_it_was_heard_stands_before_each_answer_to_it() {
    let story = without(&[(Side::Client, 0), (Side::Client, 1)], true);
    let told = entries(&story);
    let begins = ["not_captured", "server_reset", "not_captured", "server_hello"];
    assert_eq!(told[..4], begins, "{told:?}");
    assert_eq!([0, 2].map(|at| message_ids(&story.steps[at])), [["0"], ["1"]]);
    assert_eq!([0, 2].map(|at| story.steps[at].chapter), [Chapter::Knock, Chapter::Hello]);
}

#[test]
fn a_renewal_is_told_without_the_words_that_asked_for_it() {
    let story =
        told_but(&[Act::Data, Act::Renew, Act::Data], |key_id, id| (key_id, id) == (1, Some(0)));
    let renewed: Vec<&str> = story
        .steps
        .iter()
        .filter(|step| step.handshake == 1)
        .map(|step| step.entry.as_str())
        .collect();
    for entry in ["not_captured", "client_hello", "server_hello", "data_begins"] {
        assert!(renewed.contains(&entry), "{entry}: {renewed:?}");
    }
}

#[test]
fn a_renewal_of_which_only_its_data_is_captured_is_a_gap_before_that() {
    let story = told_but(&[Act::Data, Act::Renew, Act::Data], |key_id, _| key_id == 1);
    assert!(story.title.ends_with("renewed once"), "{}", story.title);
    let renewed: Vec<&Step> = story.steps.iter().filter(|step| step.handshake == 1).collect();
    let entries: Vec<&str> = renewed.iter().map(|step| step.entry.as_str()).collect();
    assert_eq!(entries, ["not_captured", "data_begins", "data_begins"]);
    assert!(renewed[0].both_ways && renewed[0].sentence.contains("the handshake that made them"));
}

/// The story of a session without the control messages of such a key id and number.
fn told_but(acts: &[Act], is_missing: impl Fn(u8, Option<u32>) -> bool) -> Story {
    let meeting = Meeting::new(Admit::Yes).run(acts);
    let is_there = |packet: &[u8]| {
        opened(packet).is_none_or(|(packet, _)| {
            !is_missing(packet.key_id.get(), packet.message_id.map(|id| id.0))
        })
    };
    let packets = meeting.packets.iter().filter(|(_, _, packet)| is_there(packet));
    let packets = packets.cloned().collect();
    told(&meeting, packets, true)
}

#[test]
fn a_hole_in_a_stream_stands_where_it_is_and_accuses_nobody() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Leave]);
    let hello = |from: Side, packet: &[u8]| from == Side::Client && message(packet) == Some(1);
    let story = over_tcp(&meeting, hello);
    let begins = ["client_reset", "server_reset", "missing", "server_hello"];
    assert_eq!(entries(&story)[..4], begins, "{:?}", entries(&story));
    assert!(
        !entries(&story).iter().any(|one| one == "not_captured"),
        "it is there, behind the hole"
    );
    assert_eq!(story.steps[2].chapter, Chapter::Knock);
    let story = over_tcp(&meeting, |from, packet| {
        hello(from, packet) || from == Side::Server && message(packet) == Some(0)
    });
    assert_eq!(story.ending, Ending::Cut, "{:?}", entries(&story));
}

/// The story of a session in a stream that lacks these packets, and was closed.
fn over_tcp(meeting: &Meeting, is_missing: impl Fn(Side, &[u8]) -> bool) -> Story {
    let ends = ["192.0.2.7:40000", "192.0.2.1:1194"].map(|end| end.parse().unwrap());
    let mut flow = Flow::tcp(ends[0], ends[1]);
    let mut file = [written::head(), flow.beginning(meeting.packets[0].0).concat()].concat();
    for (at, from, packet) in &meeting.packets {
        let framed = [&(packet.len() as u16).to_be_bytes(), packet.as_slice()].concat();
        let frame = flow.said(*at, *from, &framed).unwrap();
        if !is_missing(*from, packet) {
            file.extend(frame);
        }
    }
    let last = meeting.packets.last().unwrap().0;
    file.extend(flow.ended(last, Side::Client, false).unwrap());
    first(read(file.as_slice(), Known::default()).unwrap())
}

#[test]
fn what_is_usually_told_is_not_denied_for_what_a_capture_lacks_or_nobody_can_read() {
    for missing in [
        &[][..],
        &[(Side::Client, 0)],
        &[(Side::Client, 1)],
        &[(Side::Client, 1), (Side::Server, 1)],
    ] {
        let story = without(missing, false);
        assert_eq!(story.ending, Ending::Done);
        for step in explain::told::steps(story.protocol) {
            let exactly = step.exactly(&story);
            assert!(!exactly.contains("did not come to"), "{missing:?}: {exactly}");
            assert!(!exactly.contains("did not go on"), "{missing:?}: {exactly}");
        }
        let knock = explain::told::steps(story.protocol)[1].place(&story);
        assert!(matches!(knock, Place::Shows(_)), "{missing:?}: {knock:?}");
    }
}

#[test]
fn whatever_packet_is_missing_nobody_is_accused_and_what_is_there_is_told() {
    let mut meeting = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew, Act::Data]);
    let whole = entries(&meeting.story());
    let holes = holes_of(&meeting);
    assert!(holes.iter().filter(|(_, gap)| gap.is_some()).count() >= 2 * meeting.packets.len() / 3);
    for (story, _) in &holes {
        assert!(entries(story).len() + 12 >= whole.len(), "{:?}", entries(story));
    }
    // With shorter packets, of which each has a part of a record, those behind a hole are found and opened again.
    meeting.packets = cut_up(&meeting.packets);
    assert_eq!(entries(&told(&meeting, meeting.packets.clone(), true)), whole);
    let mut read_on = BTreeSet::new();
    for (story, gap) in holes_of(&meeting) {
        let Some(gap) =
            gap.filter(|gap| message_ids(gap)[0].len() > 1 || *message_ids(gap)[0] > *"4")
        else {
            continue;
        };
        let behind = story.steps.iter().filter(|step| {
            step.number > gap.number && (step.from, step.handshake) == (gap.from, gap.handshake)
        });
        let opened = behind.filter(|step| step.key.is_some() && step.entry != "data_begins");
        read_on.extend(opened.map(|step| step.entry.clone()));
    }
    for entry in ["client_key_message", "push_reply"] {
        assert!(read_on.contains(entry), "{entry}: {read_on:?}");
    }
}

/// The stories of a session of which one packet is missing, each in turn, and the gap that stands there where one does.
fn holes_of(meeting: &Meeting) -> Vec<(Story, Option<Step>)> {
    let one = |at: usize| {
        let mut packets = meeting.packets.clone();
        packets.remove(at);
        assert!(is_fair(&told(meeting, packets.clone(), false)), "{at}");
        let story = told(meeting, packets, true);
        assert!(is_fair(&story), "{at}: {:?}", entries(&story));
        let gap = story.steps.iter().find(|step| step.entry == "not_captured").cloned();
        (story, gap)
    };
    (0..meeting.packets.len()).map(one).collect()
}

/// Whether nobody is accused of what the capture lacks.
fn is_fair(story: &Story) -> bool {
    let accuses = |step: &Step| step.proves.contains("it is wrong") || step.entry == "unreadable";
    !story.steps.iter().any(accuses)
}

#[test]
fn packets_that_were_cut_on_their_way_are_counted_among_what_is_not_told() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let stories = read(in_pieces(&meeting.pcap()).as_slice(), Known::default()).unwrap();
    let left_out = stories.left_out.iter().find(|one| one.reason.contains("fragments"));
    assert!(left_out.is_some_and(|one| one.count >= 4), "{:?}", stories.left_out);
    let told = entries(&first(stories));
    assert!(told.iter().any(|one| one == "not_captured"), "{told:?}");
}

pub(crate) fn without_a_hello() -> Story {
    without(&[(Side::Client, 1)], true)
}

/// The story of a session of whose messages these were not captured, each with all its repetitions.
fn without(missing: &[(Side, u32)], with_log: bool) -> Story {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    let is_missing = |from: &Side, packet: &[u8]| {
        message(packet).is_some_and(|id| missing.contains(&(*from, id)))
    };
    let packets = meeting.packets.iter().filter(|(_, from, packet)| !is_missing(from, packet));
    let packets: Vec<_> = packets.cloned().collect();
    assert_eq!(packets.len() + missing.len(), meeting.packets.len());
    told(&meeting, packets, with_log)
}

fn told(meeting: &Meeting, packets: Vec<(u64, Side, Vec<u8>)>, with_log: bool) -> Story {
    let log = if with_log { meeting.log_text() } else { String::new() };
    let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), ..Known::default() };
    let stories: Stories = read(meeting.pcap_of(&packets).as_slice(), known).unwrap();
    first(stories)
}

fn message_ids(step: &Step) -> Vec<&str> {
    let ids = step.fields.iter().filter(|field| field.name == "message_id");
    ids.map(|field| field.value.as_str()).collect()
}

/// The number of a control packet's message.
fn message(packet: &[u8]) -> Option<u32> {
    let (packet, _) = opened(packet)?;
    packet.message_id.map(|id| id.0)
}

/// Header, code and stamp stand before the rest of a control packet; nobody checks the code here.
fn opened(packet: &[u8]) -> Option<(ControlPacket, &[u8])> {
    let header = ControlHeader::parse(packet).ok()?;
    let (before, body) = packet.split_at(HEADER_LEN + 32 + 8);
    Some((ControlPacket::parse_body(header, body).ok()?, before))
}

/// The same session in packets that each have a fourth of a message.
fn cut_up(packets: &[(u64, Side, Vec<u8>)]) -> Vec<(u64, Side, Vec<u8>)> {
    let ids = |id: MessageId| match id.0 {
        0 => 0..=0,
        id => id * 4 - 3..=id * 4,
    };
    let mut all = Vec::new();
    for (at, from, bytes) in packets {
        let Some((packet, before)) = opened(bytes) else {
            all.push((*at, *from, bytes.clone()));
            continue;
        };
        let mut acks = Acks::new();
        packet.acks.iter().flat_map(ids).take(8).for_each(|id| {
            assert!(acks.push(MessageId(id)));
        });
        let whole = ControlPacket { acks, ..packet };
        let pieces: Vec<_> = match whole.message_id {
            Some(id) if id.0 > 0 => {
                let piece = whole.payload.len().div_ceil(4).max(1);
                let payloads = whole.payload.chunks(piece).map(<[u8]>::to_vec);
                let payloads = payloads.chain(std::iter::repeat(Vec::new()));
                let numbered = ids(id).zip(payloads);
                numbered
                    .map(|(id, payload)| ControlPacket {
                        message_id: Some(MessageId(id)),
                        payload,
                        ..whole.clone()
                    })
                    .collect()
            }
            _ => vec![whole],
        };
        for piece in pieces {
            all.push((*at, *from, [before, &piece.encode()[HEADER_LEN..]].concat()));
        }
    }
    all
}

/// The same capture, whose longer packets were cut in two by a router.
fn in_pieces(file: &[u8]) -> Vec<u8> {
    const FIRST: usize = 304;
    let (mut out, mut at) = (file[..24].to_vec(), 24);
    while at + 16 <= file.len() {
        let length = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
        let (head, packet) = file[at..at + 16 + length].split_at(16);
        let (ip, rest) = packet.split_at(20);
        let cut = if rest.len() > 600 { FIRST } else { rest.len() };
        for (offset, piece) in [(0, &rest[..cut]), (cut, &rest[cut..])] {
            if piece.is_empty() {
                continue;
            }
            let more = if offset + piece.len() < rest.len() { 0x2000 } else { 0 };
            let flags: u16 = more | (offset / 8) as u16;
            let mut ip = ip.to_vec();
            ip[2..4].copy_from_slice(&(20 + piece.len() as u16).to_be_bytes());
            ip[6..8].copy_from_slice(&flags.to_be_bytes());
            let size = (20 + piece.len() as u32).to_le_bytes();
            out.extend([&head[..8], &size, &size, &ip, piece].concat());
        }
        at += 16 + length;
    }
    out
}
