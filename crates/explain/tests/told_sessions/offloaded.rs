//! Captures of a machine whose kernel takes several datagrams in one piece: they are told as if each had a frame.

use std::fs::{self, File};

use explain::KeyLog;
use explain::Side;
use explain::capture::{Known, Opened, read, read_opening};
use explain::story::Story;

use crate::meeting::{Act, Admit, Meeting};
use crate::{captures, entries, first};

#[test]
fn several_datagrams_in_one_frame_are_told_and_opened_one_by_one() {
    let mut meeting =
        Meeting::new(Admit::Yes).run(&[Act::Renew, Act::Data, Act::Data, Act::Data, Act::Data]);
    // All of the client's data, and then all of the server's.
    let data = meeting.packets.len() - 8;
    meeting.packets[data..].sort_by_key(|(_, from, _)| *from);
    let last = meeting.packets.iter().map(|(at, ..)| *at).max().unwrap();
    meeting.packets[data..].iter_mut().for_each(|packet| packet.0 = last);
    let log = meeting.log_text();
    let (apart, opened) = told(&meeting.pcap(), &log);
    let frames = meeting.packets.len();
    meeting.packets = joined(&meeting.packets);
    assert!(meeting.packets.len() <= frames - 6, "{frames}: {}", meeting.packets.len());
    let (together, opened_together) = told(&meeting.pcap(), &log);
    assert_eq!(entries(&together), entries(&apart));
    assert_eq!(opened_together, opened);
    assert_eq!(opened, Opened { packets: 8, signs: 0, closed: 0 });
    assert_eq!(together.packets.len(), apart.packets.len());
    let counts = |story: &Story| -> Vec<(String, Side, u64)> {
        let all = story.keys.iter();
        all.flat_map(|key| key.uses.iter().map(|used| (key.id.clone(), used.by, used.count)))
            .collect()
    };
    assert_eq!(counts(&together), counts(&apart));
    let first = together.steps.iter().find(|step| step.entry == "data_begins").unwrap();
    let said = first.fields.iter().find(|field| field.name == "datagrams_in_frame");
    assert_eq!(said.map(|field| field.value.as_str()), Some("4"));
    assert!(first.terms.iter().any(|term| term.word == "segmentation offload"));
}

#[test]
fn a_capture_on_a_gateways_own_interface_accuses_nobody() {
    let capture = captures().join("openvpn-udp-sha256-offload.pcap");
    let of = |key: &str| {
        let mut known = Known::default();
        known.keys.add(&fs::read_to_string(captures().join(key)).unwrap()).unwrap();
        first(read(File::open(&capture).unwrap(), known).unwrap())
    };
    let story = of("openvpn-udp-sha256-offload.ta");
    let wrong = |story: &Story| {
        let is = |entry: &str| ["wrong_wrapping", "unreadable", "missing"].contains(&entry);
        story.steps.iter().filter(|step| is(&step.entry)).count()
    };
    assert_eq!(wrong(&story), 0, "{:?}", entries(&story));
    assert_eq!(story.ending, explain::story::Ending::Done);
    // Another key fits none of them, and that is all that it says.
    assert!(wrong(&of("ta.key")) > 0);
    let none = first(read(File::open(&capture).unwrap(), Known::default()).unwrap());
    assert_eq!(entries(&none), entries(&story));
}

fn told(capture: &[u8], log: &str) -> (Story, Opened) {
    let known = Known { log: KeyLog::parse(log).unwrap().into(), ..Known::default() };
    let (stories, opened) = read_opening(capture, known, None, |_| {}).unwrap();
    (first(stories), opened)
}

/// What a kernel may take in one piece: one after the other from the same side, of one length but for the last.
fn joined(packets: &[(u64, Side, Vec<u8>)]) -> Vec<(u64, Side, Vec<u8>)> {
    let mut all: Vec<(u64, Side, Vec<u8>)> = Vec::new();
    let mut stride = 0;
    for (at, from, bytes) in packets {
        match all.last_mut() {
            Some((_, of, last))
                if of == from
                    && is_data(last) == is_data(bytes)
                    && last.len() % stride == 0
                    && bytes.len() <= stride =>
            {
                last.extend(bytes);
            }
            _ => {
                stride = bytes.len();
                all.push((*at, *from, bytes.clone()));
            }
        }
    }
    all
}

fn is_data(packet: &[u8]) -> bool {
    packet[0] >> 3 == 9
}
