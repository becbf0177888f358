//! Captures of one direction alone, as of a mirrored port or of packets that come back by another way: what is not there
//! is a gap, and nobody is accused of it.

use std::fs;
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{Known, read};
use explain::story::{Ending, Step, Story};

use crate::{captures, recorded_with_key};

#[test]
fn a_recording_of_one_side_accuses_nobody() {
    let mut gaps = 0;
    for name in names() {
        let whole = recorded_with_key(&name);
        for of_client in [true, false] {
            let side = if of_client { "client" } else { "server" };
            let Some(story) = told(&name, of_client) else {
                let is_clients = |step: &Step| step.from.word() == "client";
                assert!(!of_client && whole.steps.iter().all(is_clients), "{name}: {side}");
                continue;
            };
            assert!(story.steps.iter().all(|step| step.from.word() == side), "{name}: {side}");
            assert_eq!((&story.client, &story.server), (&whole.client, &whole.server), "{name}");
            let accused = ["unreadable", "missing"];
            let is_accused = |entry: &str| accused.contains(&entry);
            assert!(!story.steps.iter().any(|step| is_accused(&step.entry)), "{name}: {side}");
            gaps += story.steps.iter().filter(|step| step.entry == "sealed").count();
            if let Ending::Broken(broken) = &story.ending {
                let Ending::Broken(seen) = &whole.ending else {
                    panic!("{name}: {side}: {}", broken.code);
                };
                assert_eq!(broken.code, seen.code, "{name}: {side}");
                assert!(broken.by.is_none_or(|by| by.word() == side), "{name}: {side}");
            }
        }
    }
    assert!(gaps > 60, "{gaps} gaps");
}

#[test]
fn what_is_encrypted_says_that_the_other_side_is_not_there() {
    for (name, of_client) in
        [("tls1_3-p256", true), ("tls1_2-p256-data", true), ("tls1_3-p256", false)]
    {
        let story = told(name, of_client).unwrap();
        let sealed = story.steps.iter().find(|step| step.entry == "sealed").unwrap();
        let reason = sealed.fields.iter().find(|field| field.name == "reason").unwrap();
        let expected = "the other side, or its hello, is not in this capture as a whole";
        assert_eq!(reason.value, expected, "{name}");
        assert_eq!(story.ending, Ending::Cut, "{name}");
    }
}

fn names() -> Vec<String> {
    let all = fs::read_dir(captures()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = all
        .filter(|path| path.extension().is_some_and(|end| end == "pcap"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn told(name: &str, of_client: bool) -> Option<Story> {
    let bytes = fs::read(captures().join(format!("{name}.pcap"))).unwrap();
    let log = fs::read_to_string(captures().join(format!("{name}.keys"))).unwrap_or_default();
    let mut known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), ..Known::default() };
    for key in ["ta.key", "openvpn-udp-sha256-offload.ta"] {
        known.keys.add(&fs::read_to_string(captures().join(key)).unwrap()).unwrap();
    }
    let stories = read(one_side(&bytes, of_client).as_slice(), known).unwrap().stories;
    assert!(stories.len() <= 1, "{name}");
    stories.into_iter().next()
}

/// The frames of the side that spoke first, or of the other.
fn one_side(file: &[u8], of_client: bool) -> Vec<u8> {
    let is_ethernet = file[20] == 1;
    let (mut kept, mut at, mut client) = (file[..24].to_vec(), 24, None);
    while at + 16 <= file.len() {
        let length = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
        let frame = &file[at..at + 16 + length];
        let ip = &frame[16 + if is_ethernet { 14 } else { 0 }..];
        let ports = usize::from(ip[0] & 15) * 4;
        let sender = [&ip[12..16], &ip[ports..ports + 2]].concat();
        let is_client = client.get_or_insert_with(|| sender.clone()) == &sender;
        if is_client == of_client {
            kept.extend_from_slice(frame);
        }
        at += 16 + length;
    }
    kept
}
