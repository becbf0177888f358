//! What is said before TLS, in which protocol, and servers that do not speak TLS at all.

use explain::live::{Live, Speech};
use explain::render;
use explain::story::{Ending, Source, Step, Stories, Story, VERSION};
use explain::{Chunk, KeyLog, Side};

const C: Side = Side::Client;
const S: Side = Side::Server;
const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// The beginning of a message of the handshake that says nothing yet.
const HELLO: &[u8] = &[22, 3, 1, 0, 5, 99, 0, 0, 1, 0];

fn told(said: &[(Side, &[u8])]) -> Story {
    let mut live = Live::new("tcp");
    for (number, (from, bytes)) in (1..).zip(said) {
        live.push(&Chunk { at: number.into(), from: *from, frame: number, offset: 0, bytes });
    }
    live.story(Speech::Tls, KeyLog::default()).unwrap()
}

fn last(story: &Story) -> &Step {
    story.steps.last().unwrap()
}

#[test]
fn an_offer_a_request_a_yes_and_a_no_are_told_as_what_they_are_in_their_protocol() {
    let mail: [(Side, &[u8]); 5] = [
        (S, b"220 mail.test ESMTP\r\n"),
        (C, b"EHLO me\r\n"),
        (S, b"250-mail.test\r\n250 STARTTLS\r\n"),
        (C, b"STARTTLS\r\n"),
        (S, b"454 TLS not available\r\n"),
    ];
    let story = told(&mail);
    let titles: Vec<&str> = story.steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "A greeting, in the clear",
            "In the clear, before TLS",
            "An offer of TLS, in the clear",
            "A request for TLS, in the clear",
            "No to TLS, in the clear"
        ]
    );
    assert!(story.steps.iter().all(|step| step.section == "RFC 3207"));
    assert_eq!(story.title, "A connection on which TLS did not begin");
    let turned_away = told(&[(S, b"554 go away\r\n")]);
    assert_eq!(last(&turned_away).title, "Turned away, in the clear");
    for (answer, title) in [(b"N", "No to TLS, in the clear"), (b"S", "Yes to TLS, in the clear")] {
        let story = told(&[(C, SSL_REQUEST), (S, answer)]);
        assert_eq!(last(&story).title, title);
        assert_eq!(story.steps[0].fields[0].value, "SSLRequest");
        assert!(story.steps.iter().all(|step| step.section.starts_with("PostgreSQL")));
    }
    let begun = told(&[(C, SSL_REQUEST), (S, b"S"), (C, HELLO)]);
    assert!(!begun.title.contains("did not begin"), "{}", begun.title);
}

#[test]
fn what_a_port_without_tls_says_is_read_and_what_nobody_knows_is_not_understood() {
    let http = told(&[(C, &hello(true)), (S, b"HTTP/1.1 400 Bad Request\r\n\r\n")]);
    let step = last(&http);
    assert_eq!((step.source, step.readable_by.as_str()), (Source::Seen, "everybody on the way"));
    let stories = Stories { version: VERSION, stories: vec![http], left_out: Vec::new() };
    assert!(!render::term(&stories, 80).contains("Can't be read"));
    let garbage = told(&[(C, HELLO), (S, &[0xfe; 40])]);
    let step = last(&garbage);
    assert_eq!((step.source, step.title.as_str()), (Source::Gap, "Not understood here"));
    assert_ne!(step.readable_by, "everybody on the way");
    let later = told(&[(C, HELLO), (S, HELLO), (S, &[0xfe; 40])]);
    assert_eq!(last(&later).title, "Not the protocol that it began with");
}

/// A hello of TLS 1.2, with a server's name or without one.
fn hello(named: bool) -> Vec<u8> {
    let name: &[u8] = if named { &[0, 0, 0, 6, 0, 4, 0, 0, 1, b'x'] } else { &[] };
    let length = |more: usize| u8::try_from(more + name.len()).unwrap();
    [
        &[22, 3, 1, 0, length(47), 1, 0, 0, length(43), 3, 3][..],
        &[1; 32],
        &[0, 0, 2, 0xc0, 0x2b, 1, 0, 0, length(0)],
        name,
    ]
    .concat()
}

#[test]
fn a_mend_of_a_refused_hello_fits_what_the_client_sent() {
    let mends = |hello: &[u8], alert: u8| {
        let story = told(&[(C, hello), (S, &[21, 3, 3, 0, 2, 2, alert])]);
        let Ending::Broken(broken) = story.ending else { panic!("{:?}", story.ending) };
        broken.mends.join(" ")
    };
    let unnamed = mends(&hello(false), 112);
    assert!(unnamed.contains("with a bare address a client sends none"), "{unnamed}");
    let named = mends(&hello(true), 112);
    assert!(named.contains("shows which one was asked for"), "{named}");
    let nothing_in_common = mends(&hello(true), 40);
    assert!(nothing_in_common.contains("rsa_pss_pss_sha256"), "{nothing_in_common}");
}

#[test]
fn no_answer_of_tls_1_2_would_have_followed_on_a_hello_of_an_older_version() {
    let missing = |minor: u8| {
        let mut hello = hello(true);
        hello[10] = minor;
        told(&[(C, &hello), (S, &[21, 3, 3, 0, 2, 2, 70])]).missing
    };
    assert_eq!(missing(3)[..2], ["server_hello_old", "server_certificate"]);
    for older in 0..3 {
        assert_eq!(missing(older)[0], "server_certificate", "3.{older}");
    }
}
