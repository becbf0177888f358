//! Captures whose program kept no more than the beginning of each packet: a gap says so, and nobody is accused.

use std::fs;
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{Known, read};
use explain::story::{Ending, Source, Step, Stories, Story};
use wire::static_key::StaticKey;

use crate::meeting::{Act, Admit, Meeting};
use crate::{captures, entries, first};

#[test]
fn what_a_capture_cut_is_a_gap_and_is_not_judged_by_its_code() {
    let story = cut_short();
    let told = entries(&story);
    assert_eq!(told[..2], ["client_reset", "server_reset"], "{told:?}");
    assert!(!told.iter().any(|one| one == "wrong_wrapping" || one == "not_captured"), "{told:?}");
    let gap = story.steps.iter().find(|step| step.entry == "cut_short").unwrap();
    assert_eq!((gap.source, gap.both_ways, gap.unmeasured), (Source::Gap, true, false));
    assert!(number(gap, "packets_cut") > 1);
    assert!(number(gap, "bytes_sent") > number(gap, "bytes_captured"));
    assert_eq!(story.ending, Ending::Done, "data goes both ways");
}

#[test]
fn packets_whose_first_one_was_cut_are_wrapped_nobody_knows_how() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    for keys in [true, false] {
        // The first packet has 54 bytes behind IP and UDP.
        for length in [28 + 14, 28 + 53] {
            let story = first(told(&cut(&meeting.pcap(), length), &meeting, keys));
            let told = entries(&story);
            assert_eq!(told[..2], ["cut_short", "cut_short"], "{told:?}");
            assert!(told[2..].iter().all(|one| one == "data_begins"), "{told:?}");
            assert_eq!(story.title, "An OpenVPN session");
            let begins = serde_json::to_string(&story.steps[..2]).unwrap();
            assert!(!begins.contains("tls-crypt") && !begins.contains("tls-auth"), "{begins}");
            assert_eq!(story.ending, Ending::Done, "data goes both ways");
        }
    }
}

#[test]
fn a_goodbye_behind_what_was_cut_is_not_taken_for_certificates() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Leave]);
    let story = first(told(&cut(&meeting.pcap(), 200), &meeting, true));
    let closed = story.steps.iter().rfind(|step| step.entry == "sealed").unwrap();
    assert_eq!(closed.title, "Encrypted, behind what is missing", "{closed:?}");
    assert!(closed.chapter >= story.steps[closed.number as usize - 2].chapter);
}

#[test]
fn nobody_was_silent_whose_packets_were_cut() {
    let mut meeting = Meeting::new(Admit::Yes).run(&[]);
    // The server answers, and the client knocks again all the same.
    meeting.packets.truncate(2);
    let (at, from, knock) = meeting.packets[0].clone();
    meeting.packets.push((at + 2_000_000, from, knock));
    let story = first(told(&cut(&meeting.pcap(), 28 + 60), &meeting, true));
    assert_eq!(entries(&story), ["client_reset", "cut_short", "reset_repeated"]);
    assert_eq!(story.ending, Ending::Cut);
}

#[test]
fn a_renewal_whose_answer_was_cut_was_not_left_unanswered() {
    let meeting =
        Meeting::new(Admit::Yes).run(&[Act::Data, Act::RenewUnderData, Act::Data, Act::Data]);
    let story = first(told(&cut(&meeting.pcap(), 200), &meeting, true));
    let renewed = story.steps.iter().filter(|step| step.handshake == 1);
    assert!(renewed.clone().any(|step| step.entry == "cut_short"), "{:?}", entries(&story));
    assert!(renewed.clone().any(|step| step.entry == "data_begins"), "{:?}", entries(&story));
    assert_eq!(story.ending, Ending::Done);
}

#[test]
fn a_stream_that_a_capture_cut_ends_where_its_bytes_end() {
    for (name, length) in
        [("tls1_3-p256", 200), ("openvpn-tcp-plain", 150), ("tls1_2-p256-data", 100)]
    {
        let capture = fs::read(captures().join(format!("{name}.pcap"))).unwrap();
        let story = first(read(&cut(&capture, length)[..], Known::default()).unwrap());
        let told = entries(&story);
        let gaps: Vec<&Step> =
            story.steps.iter().filter(|step| step.entry == "cut_short").collect();
        assert_eq!(gaps.len(), 2, "{name}: {told:?}");
        assert!(!told.iter().any(|one| one == "missing"), "{name}: {told:?}");
        assert!(gaps.iter().all(|gap| gap.sentence.contains("this segment")), "{name}");
        assert_eq!(story.ending, Ending::Cut, "{name}");
    }
}

#[test]
fn a_mend_names_no_step_that_the_story_lacks() {
    let capture = fs::read(captures().join("p256-no-protocol.pcap")).unwrap();
    let whole = first(read(&capture[..], Known::default()).unwrap());
    let Ending::Broken(broken) = &whole.ending else { panic!("{:?}", whole.ending) };
    assert!(broken.mends[0].contains("step ClientHello"), "{:?}", broken.mends);
    let story = first(read(&cut(&capture, 120)[..], Known::default()).unwrap());
    assert_eq!(entries(&story)[0], "cut_short");
    let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
    assert!(broken.mends.iter().all(|mend| !mend.contains("step ClientHello")), "{broken:?}");
}

#[test]
fn what_a_capture_cut_to_nothing_is_counted_with_the_reason() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    let counted = |capture: &[u8], word: &str| {
        let stories = told(capture, &meeting, true);
        assert_eq!(stories.stories.len(), 0);
        let of = stories.left_out.iter().filter(|one| one.reason.contains(word));
        of.map(|one| one.count).sum::<u64>()
    };
    let capture = meeting.pcap();
    assert_eq!(counted(&cut(&capture, 28), "before it shows what it speaks"), 1);
    assert_eq!(counted(&cut(&capture, 24), "before their ports"), meeting.packets.len() as u64);
    let tls = fs::read(captures().join("tls1_3-p256.pcap")).unwrap();
    assert_eq!(counted(&cut(&tls, 14 + 20 + 34), "before it shows what it speaks"), 1);
}

#[test]
fn a_frame_that_was_filled_up_was_not_cut() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    let padded = each(&meeting.pcap(), |frame, original| {
        frame.extend([0; 40]);
        // What was cut off behind the packet is none of it.
        *original = frame.len() as u32 + 4;
    });
    let story = first(told(&padded, &meeting, true));
    assert_eq!(entries(&story), entries(&first(told(&meeting.pcap(), &meeting, true))));
}

/// A session of which control messages were cut, and nothing else.
pub(crate) fn cut_short() -> Story {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    first(told(&cut(&meeting.pcap(), 200), &meeting, true))
}

fn number(step: &Step, name: &str) -> u64 {
    let field = step.fields.iter().find(|field| field.name == name).unwrap();
    field.value.parse().unwrap()
}

fn told(capture: &[u8], meeting: &Meeting, keys: bool) -> Stories {
    let log = Arc::new(KeyLog::parse(&meeting.log_text()).unwrap());
    let mut known = Known { log, ..Known::default() };
    if keys {
        let key = StaticKey::from_bytes(&std::array::from_fn(|n| n as u8));
        known.keys.add(&key.to_text()).unwrap();
    }
    read(capture, known).unwrap()
}

/// The same capture by a program that keeps so many bytes of each frame.
fn cut(capture: &[u8], longest: usize) -> Vec<u8> {
    each(capture, |frame, _| frame.truncate(longest))
}

/// The same capture with other frames.
fn each(capture: &[u8], change: impl Fn(&mut Vec<u8>, &mut u32)) -> Vec<u8> {
    let (head, mut rest) = capture.split_at(24);
    let mut changed = head.to_vec();
    while let Some((record, behind)) = rest.split_at_checked(16) {
        let number = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap());
        let (frame, behind) = behind.split_at(number(8) as usize);
        let (mut frame, mut original) = (frame.to_vec(), number(12));
        change(&mut frame, &mut original);
        changed.extend(&record[..8]);
        changed.extend((frame.len() as u32).to_le_bytes());
        changed.extend(original.to_le_bytes());
        changed.extend(frame);
        rest = behind;
    }
    changed
}
