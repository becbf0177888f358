//! Up to TLS 1.2, without a key log: what the kinds of records alone show. And resumed sessions, in which nobody shows a
//! certificate.

use std::fs::File;

use explain::capture::{Known, read};
use explain::live::{Live, Speech};
use explain::story::{Ending, KeyKind, Source, Story};
use explain::{Chunk, KeyLog, Side};

use super::{captures, recorded};

const C: Side = Side::Client;
const S: Side = Side::Server;

fn step<'a>(story: &'a Story, entry: &str) -> &'a explain::story::Step {
    story.steps.iter().find(|step| step.entry == entry).unwrap()
}

#[test]
fn data_that_stays_closed_is_told_as_data_and_the_handshake_as_gone_through() {
    let file = File::open(captures().join("tls1_2-p256-data.pcap")).unwrap();
    let story = read(file, Known::default()).unwrap().stories.remove(0);
    let data = step(&story, "application_data");
    assert_eq!((data.from, data.source), (C, Source::Gap));
    assert!(data.sentence.contains("that it is data stands in the clear"));
    assert!(data.terms.iter().all(|term| term.word != "HSTS"));
    assert_eq!(story.ending, Ending::Done);
    let traffic = story.keys.iter().filter(|key| key.kind == KeyKind::TlsTraffic);
    assert_eq!(traffic.filter(|key| key.born.is_some() && key.uses.len() == 1).count(), 2);
}

/// A handshake of TLS 1.0 as far as this is looked at, with data behind it or without.
fn of_1_0(with_data: bool) -> Story {
    let record = |kind: u8, content: &[u8]| {
        [&[kind, 3, 1, 0, u8::try_from(content.len()).unwrap()], content].concat()
    };
    let client = [&[1, 0, 0, 41, 3, 1][..], &[1; 32], &[0, 0, 2, 0xc0, 0x14, 1, 0]].concat();
    let server = [&[2, 0, 0, 38, 3, 1][..], &[2; 32], &[0, 0xc0, 0x14, 0]].concat();
    let mut said = vec![
        (C, record(22, &client)),
        (S, record(22, &server)),
        (S, record(22, &[14, 0, 0, 0])),
        (C, record(22, &[16, 0, 0, 1, 7])),
        (C, record(20, &[1])),
        (C, record(22, &[7; 48])),
        (S, record(20, &[1])),
        (S, record(22, &[7; 48])),
    ];
    if with_data {
        said.extend([(C, record(23, &[7; 64])), (S, record(23, &[7; 64]))]);
    }
    let mut live = Live::new("tcp");
    for (number, (from, bytes)) in (1..).zip(&said) {
        live.push(&Chunk { at: number.into(), from: *from, frame: number, offset: 0, bytes });
    }
    live.story(Speech::Tls, KeyLog::default()).unwrap()
}

#[test]
fn a_version_that_is_not_opened_is_told_in_its_own_sections_and_without_a_hint_at_a_key_log() {
    let story = of_1_0(true);
    assert_eq!(story.ending, Ending::Done);
    assert_eq!(step(&story, "server_hello_old").section, "RFC 2246, 7.4.1.3");
    assert_eq!(step(&story, "application_data").section, "RFC 2246, 10");
    let sealed = step(&story, "sealed");
    assert!(sealed.sentence.contains("is not opened here"), "{}", sealed.sentence);
    assert!(!format!("{:?}", sealed.terms).contains("--keylog"));
    assert_ne!(of_1_0(false).ending, Ending::Done, "nothing shows that it was gone through");
}

#[test]
fn a_clients_finished_in_a_resumed_session_says_nothing_of_certificates_that_nobody_showed() {
    for name in ["tls1_2-rsa-resumed", "tls1_3-p256-resumed"] {
        let story = recorded(name);
        let finished = step(&story, "client_finished");
        assert!(finished.proves.contains("no certificate was shown"), "{}", finished.proves);
        assert!(!finished.leaves_open.contains("still to say so"), "{}", finished.leaves_open);
    }
    // In a whole handshake of TLS 1.2 the client has said by its Finished what it thinks of the certificate.
    let story = recorded("tls1_2-p256-mutual");
    assert!(step(&story, "client_finished").proves.contains("it was content"));
    let finished = step(&story, "server_finished");
    assert!(!finished.leaves_open.contains("believes"), "{}", finished.leaves_open);
}
