//! Sides that wrap their packets in different ways, and what is said of packets without any wrapping.

use explain::capture::{Known, read};
use explain::kept::Verdict;
use explain::live::{Live, Speech};
use explain::story::{Ending, KeyKind, Step, Story};
use explain::{Chunk, KeyLog, Side};
use wire::control::{Acks, ControlPacket};
use wire::{KeyId, MessageId, Opcode, SessionId};

use crate::meeting::{Act, Admit, Meeting};
use crate::{entries, first, with_a_word_of_the_server};

#[test]
fn an_answer_without_the_clients_wrapping_is_told_and_is_the_end() {
    let story = answered_otherwise();
    assert_eq!(entries(&story), ["client_reset", "other_wrapping", "reset_repeated"]);
    let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
    assert_eq!(
        (broken.code.as_str(), broken.by, broken.at_step),
        ("other_wrapping", None, Some(2))
    );
    assert!(broken.sentence.starts_with("The server uses no tls-auth, and the client does"));
    assert_eq!(story.packets.len(), 4, "both answers are in the list");
    assert!(story.steps[2].sentence.contains("no answer to it"), "{:?}", story.steps[2]);
    assert!(story.title.ends_with("answered in another wrapping"), "{}", story.title);
}

#[test]
fn a_client_that_took_it_for_silence_is_told_what_came() {
    let mut live = Live::new("udp");
    for (frame, (at, from, bytes)) in (1..).zip(&answered_by_a_server_without_a_key()) {
        live.push(&Chunk { at: *at, from: *from, frame, offset: 0, bytes });
    }
    live.over(Verdict {
        code: "fell_silent".to_owned(),
        by: None,
        after: &[],
        sentence: "The server answered, and then said nothing more.".to_owned(),
        mends: Vec::new(),
    });
    let story = live.story(Speech::OpenVpn, KeyLog::default()).unwrap();
    let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
    assert_eq!(broken.code, "other_wrapping");
}

#[test]
fn an_answer_that_is_not_encrypted_is_another_wrapping_too() {
    let mut meeting = Meeting::new(Admit::Yes).run(&[]);
    let mut sealed = vec![0x38];
    sealed.extend([3; 8]);
    sealed.extend([0, 0, 0, 1]);
    sealed.extend(1_790_000_000u32.to_be_bytes());
    sealed.extend([0xa5; 37]);
    let at = meeting.packets[0].0;
    meeting.packets =
        vec![(at, Side::Client, sealed.clone()), (at + 1, Side::Server, plain([3; 8]))];
    let story = told(&meeting);
    assert_eq!(entries(&story), ["client_reset", "other_wrapping"]);
    let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
    assert!(broken.sentence.starts_with("The server uses no tls-crypt"), "{broken:?}");
    let reset = &story.steps[0];
    assert_eq!(term(reset), ["tls-crypt", "replay counter"]);
    let named: Vec<&str> = reset.fields.iter().map(|field| &*field.name).collect();
    assert!(["session_id", "replay_id", "replay_time"].iter().all(|one| named.contains(one)));
    assert!(reset.readable_by.contains("whoever has the shared key"), "{}", reset.readable_by);
}

#[test]
fn a_knock_without_a_code_explains_none() {
    let mut meeting = Meeting::new(Admit::Yes).run(&[]);
    let at = meeting.packets[0].0;
    let knock = |at: u64| (at, Side::Client, knock_without_code());
    meeting.packets = vec![knock(at), knock(at + 2_000_000)];
    let story = told(&meeting);
    assert_eq!(entries(&story), ["client_reset", "reset_repeated"]);
    assert_eq!(term(&story.steps[0]), ["session id"]);
    assert!(story.steps[0].sentence.ends_with("without a code."));
    let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
    assert!(broken.sentence.contains("which these packets lack"), "{broken:?}");
}

#[test]
fn a_ticket_inside_a_tunnel_is_no_key_of_a_later_session() {
    let story = with_a_word_of_the_server();
    let ticket = story.steps.iter().find(|step| step.entry == "new_session_ticket").unwrap();
    assert!(ticket.sentence.ends_with("of which OpenVPN makes no use."), "{ticket:?}");
    assert!(story.keys.iter().all(|key| key.kind != KeyKind::Resumption), "{:?}", story.keys);
}

#[test]
fn a_renewal_under_a_key_of_the_session_rests_on_no_acknowledgement() {
    let mut meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    let last = meeting.packets.last().unwrap().0;
    let stamp = 1_790_000_000u32.to_be_bytes();
    let sealed = |opcode: u8, number: u8| {
        [&[opcode << 3 | 1][..], &[3; 8], &[0, 0, 0, number], &stamp, &[0x5a; 60]].concat()
    };
    for (number, (from, opcode)) in
        (1u8..).zip([(Side::Server, 3), (Side::Client, 3), (Side::Server, 5), (Side::Client, 4)])
    {
        meeting.packets.push((last + u64::from(number), from, sealed(opcode, number)));
    }
    let story = told(&meeting);
    let renewal: Vec<&Step> = story.steps.iter().filter(|step| step.handshake == 1).collect();
    let told: Vec<&str> = renewal.iter().map(|step| step.entry.as_str()).collect();
    assert_eq!(told, ["server_soft_reset", "client_soft_reset", "control_sealed"]);
    assert_eq!(renewal[2].from, Side::Client, "an acknowledgement says nothing");
    for step in renewal {
        assert_eq!(term(step), ["dynamic tls-crypt", "replay counter"]);
        assert!(step.proves.starts_with("Nothing here") || step.entry == "control_sealed");
        assert!(step.readable_by.ends_with("the two ends only (the rest)"));
    }
}

/// A server that has no tls-auth key, and answers a client that has one.
pub(crate) fn answered_otherwise() -> Story {
    let mut meeting = Meeting::new(Admit::Yes).run(&[]);
    meeting.packets = answered_by_a_server_without_a_key();
    told(&meeting)
}

fn answered_by_a_server_without_a_key() -> Vec<(u64, Side, Vec<u8>)> {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let (at, _, knock) = meeting.packets[0].clone();
    let answer = plain(knock[1..9].try_into().unwrap());
    (0..2u64)
        .flat_map(|time| {
            let at = at + time * 2_000_000;
            [(at, Side::Client, knock.clone()), (at + 1_000, Side::Server, answer.clone())]
        })
        .collect()
}

fn told(meeting: &Meeting) -> Story {
    first(read(meeting.pcap().as_slice(), Known::default()).unwrap())
}

fn term(step: &Step) -> Vec<&str> {
    step.terms.iter().map(|term| term.word.as_str()).collect()
}

/// The answer of a server without a wrapping to this client.
fn plain(client: [u8; 8]) -> Vec<u8> {
    let reset = Opcode::CONTROL_HARD_RESET_SERVER_V2;
    let own = SessionId::new([4; 8]).unwrap();
    let mut acks = Acks::new();
    assert!(acks.push(MessageId::FIRST));
    ControlPacket::message(reset, KeyId::FIRST, own, MessageId::FIRST, Vec::new())
        .with_acks(acks, SessionId::new(client).unwrap())
        .encode()
}

fn knock_without_code() -> Vec<u8> {
    let reset = Opcode::CONTROL_HARD_RESET_CLIENT_V2;
    let own = SessionId::new([3; 8]).unwrap();
    ControlPacket::message(reset, KeyId::FIRST, own, MessageId::FIRST, Vec::new()).encode()
}
