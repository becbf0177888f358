//! One end of a capture of many: what has it is told as it is told alone, and the rest costs it no room.

use std::fs;

use explain::capture::{
    Answerer, CaptureError, Endpoint, Known, answerers, read, read_only, read_opening,
};
use explain::story::{Stories, Story};

use crate::recordings::{captures, folder, name};

/// So many machines did all that was recorded, each with addresses of its own: 127.0.N.1.
const MACHINES: u8 = 7;
/// Of the recording `tls1_3-p256`, where nobody else is.
const PORT: u16 = 20_046;

#[test]
fn one_end_of_a_busy_capture_is_told_as_it_is_told_alone() {
    let busy = busy();
    let all = read(busy.as_slice(), Known::default()).unwrap();
    assert_eq!(all.stories.len(), 16);
    assert!(left_out(&all, "more conversations than are told of one file") > 200);

    let alone = told_alone("tls1_3-p256");
    for machine in 1..=MACHINES {
        let one = only(&busy, &format!("127.0.{machine}.1:{PORT}")).unwrap();
        assert_eq!(one.stories.len(), 1, "machine {machine}");
        assert_eq!(what_happened(&one.stories[0]), what_happened(&alone));
        assert_eq!(one.stories[0].server, format!("127.0.{machine}.1:{PORT}"));
        assert!(left_out(&one, "neither end is the one that was asked for") > 200);
    }
    let everywhere = only(&busy, &format!(":{PORT}")).unwrap();
    assert_eq!(everywhere.stories.len(), usize::from(MACHINES));
    for story in &everywhere.stories {
        assert_eq!(what_happened(story), what_happened(&alone));
    }
    let client = alone.client.split_once(':').unwrap().1;
    let asked_by = only(&busy, &format!("127.0.3.1:{client}")).unwrap();
    assert_eq!(asked_by.stories.len(), 1, "either side counts");
    let machine = only(&busy, "127.0.3.1").unwrap();
    assert_eq!(machine.stories.len(), 16, "its own are bounded too");
    assert!(machine.stories.iter().all(|story| story.server.starts_with("127.0.3.1:")));
}

#[test]
fn where_nothing_has_that_end_it_is_an_error_and_who_is_there_can_be_asked() {
    let busy = busy();
    for nobody in ["127.0.99.1", ":1", "127.0.1.1:1", "[::1]:20046"] {
        assert_eq!(only(&busy, nobody).unwrap_err(), CaptureError::NothingThere, "{nobody}");
    }
    let end: Endpoint = "127.0.99.1".parse().unwrap();
    let opened = read_opening(busy.as_slice(), Known::default(), Some(end), |_| {});
    assert_eq!(opened.unwrap_err(), CaptureError::NothingThere);

    let there = answerers(busy.as_slice()).unwrap();
    assert!(there.windows(2).all(|two| two[0].conversations >= two[1].conversations));
    let of_port: Vec<&Answerer> = there.iter().filter(|one| one.at.port() == PORT).collect();
    assert_eq!(of_port.len(), usize::from(MACHINES));
    assert!(of_port.iter().all(|one| (one.transport, one.conversations) == ("tcp", 1)));
    assert!(there.iter().any(|one| one.transport == "udp"));
    for one in there.iter().take(20) {
        let told = only(&busy, &one.at.to_string()).unwrap();
        assert!(!told.stories.is_empty(), "whoever is named is found: {one:?}");
    }
}

#[test]
fn what_is_there_and_can_not_be_told_is_no_error() {
    let whole = fs::read(folder().join("tls1_3-p256.pcap")).unwrap();
    let next = |at: usize| {
        at + 16 + u32::from_le_bytes(whole[at + 8..at + 12].try_into().unwrap()) as usize
    };
    // Without its SYN, whose number the answer repeats, it is told; without the answer as well it is not.
    let without = |at: usize| [&whole[..24], &whole[at..]].concat();
    let told = only(&without(next(24)), &format!(":{PORT}")).unwrap();
    assert_eq!(entries(&told.stories[0]), entries(&told_alone("tls1_3-p256")));
    let later = without(next(next(24)));
    let told = only(&later, &format!(":{PORT}")).unwrap();
    assert!(told.stories.is_empty());
    assert_eq!(left_out(&told, "it began before the capture did"), 1);
}

fn entries(story: &Story) -> Vec<&str> {
    story.steps.iter().map(|step| step.entry.as_str()).collect()
}

fn only(capture: &[u8], end: &str) -> Result<Stories, CaptureError> {
    read_only(capture, Known::default(), Some(end.parse().unwrap()))
}

fn left_out(stories: &Stories, reason: &str) -> u64 {
    let of = stories.left_out.iter().filter(|left_out| left_out.reason == reason);
    of.map(|left_out| left_out.count).sum()
}

fn told_alone(name: &str) -> Story {
    let bytes = fs::read(folder().join(format!("{name}.pcap"))).unwrap();
    read(bytes.as_slice(), Known::default()).unwrap().stories.remove(0)
}

/// Without what a place in another file and another address change.
fn what_happened(story: &Story) -> String {
    let steps = story.steps.iter().map(|step| {
        format!("{} {} {:?} {:?} {}\n", step.entry, step.sentence, step.fields, step.from, step.at)
    });
    format!("{}{:?}{:?}", steps.collect::<String>(), story.keys, story.ending)
}

/// All recordings with frames of Ethernet, one behind the other, of each machine.
fn busy() -> Vec<u8> {
    let of_loopback = captures().into_iter().filter(|capture| !name(capture).contains("offload"));
    let recordings = of_loopback.map(|capture| fs::read(capture).unwrap());
    let ethernet: Vec<Vec<u8>> =
        recordings.filter(|file| file[..4] == MAGIC && file[20..24] == [1, 0, 0, 0]).collect();
    let mut busy = ethernet[0][..24].to_vec();
    for machine in 1..=MACHINES {
        for file in &ethernet {
            let mut at = 24;
            while at < file.len() {
                let length = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
                let mut record = file[at..at + 16 + length].to_vec();
                for address in [16 + 26, 16 + 30] {
                    assert_eq!(
                        record[address..address + 4],
                        [127, 0, 0, 1],
                        "as they were recorded"
                    );
                    record[address + 2] = machine;
                }
                busy.extend(record);
                at += 16 + length;
            }
        }
    }
    busy
}

const MAGIC: [u8; 4] = [0xd4, 0xc3, 0xb2, 0xa1];
