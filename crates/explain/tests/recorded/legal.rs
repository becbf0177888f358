//! What the protocol allows and few programs of today do: made here byte by byte, since no stock program says it on
//! demand. A story of it breaks nothing off, takes nothing for what it is not, and goes on behind it.

use explain::live::{Live, Speech};
use explain::render;
use explain::story::{Ending, Source, Stories, Story, VERSION};
use explain::{Chunk, KeyLog, Side};

const TLS12: u16 = 0x0303;
const TLS11: u16 = 0x0302;
const DHE: u16 = 0x0033;
const ECDHE: u16 = 0xc014;
const RSA: u16 = 0x009c;

/// What both say, each piece in a record of its kind.
struct Talk(Vec<(Side, Vec<u8>)>);

impl Talk {
    fn new() -> Talk {
        Talk(Vec::new())
    }

    fn record(mut self, from: Side, kind: u8, content: &[u8]) -> Talk {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        self.0.push((from, [&[kind, 3, 3], &length[..], content].concat()));
        self
    }

    fn message(self, from: Side, kind: u8, body: &[u8]) -> Talk {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        self.record(from, 22, &[&[kind], &length[1..], body].concat())
    }

    /// Both hellos of a version before 1.3.
    fn hellos(version: u16, suite: u16) -> Talk {
        Talk::new().client_hello(&[]).server_hello(version, suite)
    }

    fn client_hello(self, extensions: &[u8]) -> Talk {
        let suites = [0, 6, 0x00, 0x33, 0xc0, 0x14, 0x00, 0x9c];
        let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
        let body = [&[3, 3][..], &[1; 32], &[0], &suites, &[1, 0], &length, extensions].concat();
        self.message(Side::Client, 1, &body)
    }

    fn server_hello(self, version: u16, suite: u16) -> Talk {
        let [version, suite] = [version, suite].map(u16::to_be_bytes);
        let body = [&version[..], &[2; 32], &[0], &suite, &[0], &[0, 0]].concat();
        self.message(Side::Server, 2, &body)
    }

    fn clear(mut self, from: Side, bytes: &[u8]) -> Talk {
        self.0.push((from, bytes.to_vec()));
        self
    }

    fn story(&self) -> Story {
        let mut live = Live::new("tcp");
        for (number, (from, bytes)) in (1..).zip(&self.0) {
            live.push(&Chunk { at: number.into(), from: *from, frame: number, offset: 0, bytes });
        }
        live.story(Speech::Tls, KeyLog::default()).unwrap()
    }
}

fn entries(story: &Story) -> Vec<&str> {
    story.steps.iter().map(|step| step.entry.as_str()).collect()
}

fn page(story: Story) -> String {
    render::html(&Stories { version: VERSION, stories: vec![story], left_out: Vec::new() })
}

/// The server's half of a secret by numbers, with a signature of this scheme, if it names one.
fn numbers(scheme: &[u8]) -> Vec<u8> {
    [&[0, 3, 7, 7, 7, 0, 1, 2, 0, 3, 5, 5, 5][..], scheme, &[0, 2, 9, 9]].concat()
}

#[test]
fn a_secret_agreed_on_by_numbers_is_read_and_the_messages_behind_it_too() {
    let talk = Talk::hellos(TLS12, DHE).message(Side::Server, 12, &numbers(&[4, 1]));
    let story = talk.message(Side::Server, 14, &[]).story();
    assert_eq!(
        entries(&story),
        ["client_hello", "server_hello_old", "server_key_exchange", "server_hello_done"]
    );
    let fields = &story.steps[2].fields;
    let values: Vec<_> = fields.iter().map(|field| (&*field.name, field.value.as_str())).collect();
    let not_judged = ("not_judged", "the certificate with its key was not seen");
    assert_eq!(values, [("prime_length", "3"), ("signature_algorithm", "0x0401"), not_judged]);
    assert!(story.steps[2].proves.starts_with("Nothing here: it was not calculated again"));
    assert!(story.steps[2].terms.iter().any(|term| term.word == "DHE"));
    assert!(page(story).contains("by large numbers alone (DHE)"));
}

#[test]
fn before_tls_1_2_a_signature_names_no_scheme_and_the_version_is_the_one_that_was_chosen() {
    let curve = [&[3, 0, 23, 1, 4][..], &[0, 2, 9, 9]].concat();
    for (version, name, suite, half) in [
        (TLS11, "TLS 1.1", ECDHE, curve.clone()),
        (0x0301, "TLS 1.0", ECDHE, curve),
        (0x0301, "TLS 1.0", DHE, numbers(&[])),
    ] {
        let talk = Talk::hellos(version, suite).message(Side::Server, 12, &half);
        // Kinds of certificates, and no CA.
        let talk = talk.message(Side::Server, 13, &[1, 1, 0, 0]).message(Side::Server, 14, &[]);
        let story = talk.message(Side::Client, 15, &[0, 2, 9, 9]).story();
        let wanted = [
            "client_hello",
            "server_hello_old",
            "server_key_exchange",
            "certificate_request",
            "server_hello_done",
            "client_certificate_verify",
        ];
        assert_eq!(entries(&story), wanted, "{name}");
        assert!(story.steps.iter().all(|step| step.source != Source::Gap));
        assert_eq!(story.title, format!("A {name} handshake"));
        assert_eq!(story.steps[1].title, format!("ServerHello ({name})"));
        let number = name.strip_prefix("TLS ").unwrap();
        assert!(story.steps[1].sentence.contains(&format!("chooses version {number}, ")));
        let of_scheme = |field: &explain::story::Field| field.name == "signature_algorithm";
        assert!(!story.steps[2..].iter().any(|step| step.fields.iter().any(of_scheme)));
    }
}

#[test]
fn a_message_that_is_not_read_is_named_and_ends_nothing() {
    let talk = Talk::hellos(TLS12, ECDHE).message(Side::Server, 25, &[0, 2, 0, 0, 9]);
    let talk = talk.message(Side::Server, 0, &[]).message(Side::Server, 99, &[1]);
    let story = talk.message(Side::Server, 14, &[]).story();
    assert_eq!(entries(&story)[2..], ["not_read", "not_read", "not_read", "server_hello_done"]);
    let kinds: Vec<_> =
        story.steps[2..5].iter().map(|step| step.fields[0].meaning.as_deref()).collect();
    assert_eq!(kinds, [Some("compressed_certificate"), Some("hello_request"), None]);
    for step in &story.steps[2..5] {
        assert_eq!(step.source, Source::Gap);
        assert!(!step.sentence.contains("not what the protocol allows"), "{}", step.sentence);
    }
    // The reason stands in the step in each format, and not where one has to look for it.
    let stories = Stories { version: VERSION, stories: vec![story], left_out: Vec::new() };
    for (format, output) in crate::recordings::outputs(&stories) {
        assert!(output.to_lowercase().contains("it is compressed"), "{format}: {output}");
    }
    assert!(render::html(&stories).contains("<p><b>The reason:</b> It is compressed"));
}

#[test]
fn a_warning_before_tls_1_3_ends_nothing() {
    for description in [112, 100, 90, 41] {
        let talk = Talk::new().client_hello(&[]).record(Side::Server, 21, &[1, description]);
        let story = talk.server_hello(TLS12, ECDHE).message(Side::Server, 14, &[]).story();
        assert_eq!(
            entries(&story),
            ["client_hello", "warning", "server_hello_old", "server_hello_done"]
        );
        assert_eq!(story.ending, Ending::Cut, "{description}");
    }
    let fatal = Talk::new().client_hello(&[]).record(Side::Server, 21, &[2, 112]).story();
    let Ending::Broken(broken) = fatal.ending else { panic!("{:?}", fatal.ending) };
    assert_eq!((broken.code.as_str(), broken.by), ("alert_unrecognized_name", Some(Side::Server)));
    assert!(broken.mends.iter().any(|mend| mend.contains("anybody on the way")));
}

#[test]
fn an_alert_of_our_own_is_not_said_to_be_somebody_elses() {
    let story = Talk::hellos(TLS12, ECDHE).record(Side::Client, 21, &[2, 50]).story();
    let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
    assert_eq!((broken.code.as_str(), broken.by), ("alert_decode_error", Some(Side::Client)));
    assert!(!broken.mends.iter().any(|mend| mend.contains("anybody on the way")), "{broken:?}");
    assert!(!story.steps[2].proves.contains("anybody"), "{}", story.steps[2].proves);
}

#[test]
fn a_server_that_speaks_something_else_in_the_clear_is_told_by_what_it_speaks() {
    for (said, name) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        ("220 mail.example.org ESMTP\r\n", "SMTP or FTP"),
    ] {
        let talk = Talk::new().client_hello(&[]).clear(Side::Server, said.as_bytes());
        let story = talk.record(Side::Client, 21, &[2, 50]).story();
        let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
        assert_eq!(
            (broken.code.as_str(), broken.by, broken.at_step),
            ("no_tls_spoken", None, Some(2))
        );
        let sentence = format!("The server speaks {name} in the clear on this port, and no TLS.");
        assert_eq!(broken.sentence, sentence);
        assert!(story.steps[1].sentence.contains("words of another protocol"));
        assert!(!page(story).contains("Bad Request"), "a peer's text is not shown");
    }
    // In the middle of a connection the same bytes are a breach, and no greeting.
    let story = Talk::hellos(TLS12, ECDHE).clear(Side::Server, b"HTTP/1.1 400 x\r\n").story();
    assert!(!story.steps[2].sentence.contains("words of another protocol"));
}

#[test]
fn early_data_is_a_gap_that_may_be_a_repetition() {
    // early_data, and a pre-shared key whose content does not count here.
    let offers = [0, 42, 0, 0, 0, 41, 0, 0];
    let talk = Talk::new().client_hello(&offers).record(Side::Client, 23, &[7; 40]);
    let story = talk.record(Side::Client, 23, &[8; 40]).story();
    assert_eq!(entries(&story), ["client_hello", "early_data"]);
    let step = &story.steps[1];
    assert_eq!(step.source, Source::Gap);
    assert!(step.sentence.contains("may send it again") && step.proves.starts_with("Nothing yet"));
    // Who offers none and sends some all the same does not keep to the protocol.
    let hello = || Talk::new().client_hello(&[]);
    let warned = hello().record(Side::Server, 21, &[1, 112]);
    let story = warned.record(Side::Client, 23, &[7; 40]).story();
    assert_eq!(entries(&story), ["client_hello", "warning", "unreadable"]);
    // Where nothing of the server's was seen, it may have answered.
    let story = hello().record(Side::Client, 23, &[7; 40]).story();
    assert_eq!(entries(&story), ["client_hello", "sealed"]);
}

#[test]
fn a_key_that_both_had_before_is_not_said_to_be_of_a_ticket() {
    let hello = |extensions: &[u8]| {
        let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
        [&[3, 3][..], &[2; 32], &[0], &[0x13, 0x01], &[0], &length, extensions].concat()
    };
    let chosen = hello(&[0, 43, 0, 2, 3, 4, 0, 41, 0, 2, 0, 0]);
    let story = Talk::new().client_hello(&[]).message(Side::Server, 2, &chosen).story();
    assert_eq!(entries(&story), ["client_hello", "server_hello_resumed"]);
    assert_eq!(story.title, "A TLS 1.3 handshake by a key that both had before");
    assert!(story.steps[1].sentence.contains("from a ticket or agreed otherwise"));
}

#[test]
fn of_a_secret_that_went_under_the_servers_key_it_is_said_who_can_read_the_recording() {
    let talk = Talk::hellos(TLS12, RSA).message(Side::Server, 14, &[]);
    let story = talk.message(Side::Client, 16, &[0, 2, 9, 9]).story();
    let step = story.steps.last().unwrap();
    assert!(step.sentence.contains("whoever has the private one can read it"), "{step:?}");
    assert!(step.leaves_open.contains("or gets it later"), "{step:?}");
    let page = page(story);
    assert!(page.contains("Whoever has the server's private key, or gets it later, can read it"));
    assert!(!page.contains("stolen later, opens nothing"));
}

#[test]
fn every_alert_that_says_no_has_a_meaning_of_its_own_for_either_side() {
    for description in [
        10, 20, 40, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 70, 71, 80, 86, 109, 110, 112, 113,
        115, 116, 120,
    ] {
        for from in [Side::Client, Side::Server] {
            let story = Talk::hellos(TLS12, ECDHE).record(from, 21, &[2, description]).story();
            let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
            assert!(!broken.sentence.contains("for a fault that it found"), "{description}");
            assert!(!broken.mends.is_empty() && broken.code != "alert_unknown", "{broken:?}");
        }
    }
}

#[test]
fn several_stories_are_several_diagrams_each_in_a_block_of_its_own() {
    let story = || Talk::hellos(TLS12, ECDHE).story();
    let stories = |stories| Stories { version: VERSION, stories, left_out: Vec::new() };
    let one = render::mermaid(&stories(vec![story()]));
    assert!(one.starts_with("sequenceDiagram") && !one.contains("```"));
    let two = render::mermaid(&stories(vec![story(), story()]));
    let blocks: Vec<&str> = two.split("```mermaid\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    assert!(blocks.iter().all(|block| block.matches("sequenceDiagram").count() == 1));
    assert!(blocks.iter().all(|block| block.contains("\n```\n")));
}
