//! What a gateway tells of sessions that it had let in: their end, and the lives of the keys that they have.

use explain::Side;
use explain::capture::{Known, read};
use explain::kept::{LiveKey, Meeting as AtTheGateway, Outcome, Verdict};
use explain::render;
use explain::story::{Ending, KeyKind, Source, Stories, Story, Use, VERSION};

use crate::meeting::{Act, Admit, Meeting};
use crate::{entries, first};

const LATER: u64 = 3_600_000_000;

#[test]
fn new_keys_that_were_asked_for_and_not_made_are_no_renewal() {
    let mut meeting = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew]);
    let told =
        |meeting: &Meeting| first(read(meeting.pcap().as_slice(), Known::default()).unwrap()).title;
    assert!(told(&meeting).ends_with("renewed once"), "{}", told(&meeting));
    let asks = |(_, _, bytes): &(u64, Side, Vec<u8>)| bytes[0] >> 3 == 3;
    let asked = meeting.packets.iter().position(asks).expect("a soft reset");
    meeting.packets.truncate(asked + 1);
    assert!(!told(&meeting).contains("renewed"), "{}", told(&meeting));
}

#[test]
fn a_session_that_was_let_in_is_told_with_its_end_as_a_step_and_not_as_a_handshake_that_broke() {
    let story = ended("revoked", Some(Side::Server));
    assert_eq!(entries(&story).last().map(String::as_str), Some("session_ended"));
    let Ending::Ended(why) = &story.ending else { panic!("{:?}", story.ending) };
    let last = story.steps.last().unwrap();
    assert_eq!((why.code.as_str(), why.at_step), ("revoked", Some(last.number)));
    assert_eq!((last.source, last.from), (Source::Judged, Side::Server));
    assert!(last.basis.is_empty() && last.fields.iter().any(|field| field.value == "revoked"));
    assert_eq!(story.title, "An OpenVPN session with TLS 1.3 inside, ended: revoked");
    assert_eq!(story.missing, Vec::<String>::new(), "it was let in");
    let of_the_session = story.keys.iter().filter(|key| key.replaced_by.is_none());
    let ends: Vec<_> = of_the_session.map(|key| (key.id.as_str(), key.ends)).collect();
    assert!(!ends.is_empty() && ends.iter().all(|(_, end)| *end == Some(last.at)), "{ends:?}");
    let stories = Stories { version: VERSION, stories: vec![story], left_out: Vec::new() };
    let term = render::term(&stories, 80);
    assert!(term.contains("END: let in, and ended in step"), "{term}");
    let html = render::html(&stories);
    assert!(html.contains("let the client in, and ended the session later, in step"), "{html}");
    for page in [term, html, render::mermaid(&stories), render::svg(&stories)] {
        assert!(!page.contains("broke it off") && !page.contains("not reached"), "{page}");
    }
}

#[test]
fn a_session_that_nobody_ended_on_purpose_is_told_so() {
    let story = ended("ping_timeout", None);
    let stories = Stories { version: VERSION, stories: vec![story], left_out: Vec::new() };
    let html = render::html(&stories);
    assert!(html.contains("nobody ended the session on purpose, in step"), "{html}");
}

#[test]
fn the_keys_of_an_open_session_are_told_with_their_first_uses_and_without_ends_they_do_not_have() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data]);
    let kept = meeting.kept();
    let at_the_gateway = meeting.at_the_gateway(Ok(&kept));
    let now = at_the_gateway.at;
    let used = |by, first, last| Use { by, first: now + first, last: now + last, count: 0 };
    let key = |handshake: u32, made, uses| LiveKey {
        kind: KeyKind::Data,
        handshake,
        cipher: "AES-256-GCM".to_owned(),
        made,
        complete: None,
        uses,
        in_use: handshake == 1,
        renews: None,
        renews_again: false,
        seals_from: None,
        seals_until: (handshake == 1).then_some(now + LATER),
        opens_until: (handshake == 0).then_some(now + LATER / 2),
        in_flight: (handshake == 0).then_some(30_000_000),
        closes: None,
    };
    let old = vec![used(Side::Client, 10, 1_000), used(Side::Server, 0, 900)];
    let new = vec![used(Side::Client, 1_000, 5_000), used(Side::Server, 900, 5_000)];
    let (complete, seals_from) = (Some(now + 7_000), Some(now + 2_507_000));
    let third = LiveKey { complete, seals_from, ..key(2, None, Vec::new()) };
    let keys = vec![key(0, Some(now), old), key(1, Some(now + 800), new), third];
    let story = AtTheGateway { keys, ..at_the_gateway }.story();
    let data: Vec<_> = story.keys.iter().filter(|key| key.kind == KeyKind::Data).collect();
    assert_eq!(data.iter().map(|key| key.uses.len()).collect::<Vec<_>>(), [2, 2, 0]);
    let overlap = data[0].plan.and_then(|plan| plan.opens_until) > Some(data[1].uses[0].first);
    assert!(overlap && data[0].uses[0].last == data[1].uses[0].first, "{data:?}");
    let stories = Stories { version: VERSION, stories: vec![story], left_out: Vec::new() };
    for page in [render::term(&stories, 400), render::html(&stories)] {
        assert!(page.contains("first packet at +") && page.contains("in use until +"), "{page}");
        assert!(page.contains("for whatever it sent from +"), "{page}");
        assert!(page.contains("is not counted by key"), "{page}");
        assert!(!page.contains("when it was made was not seen"), "{page}");
        // One that is there is used when its time comes, and takes no place before.
        for said in [
            "Neither side has used it yet. The gateway begins to encrypt with it at +",
            "the gateway encrypts with it at most until +",
            "not yet; data2 is there to take its place",
            "an hour after the next handshake began",
            "2.50 s after its handshake was over at the gateway, at +",
        ] {
            assert!(page.to_lowercase().contains(&said.to_lowercase()), "{said}: {page}");
        }
        assert!(!page.contains("replaced by data2"), "{page}");
        assert!(!page.contains("no packet under that was seen"), "{page}");
        assert!(page.contains("until +30 min"), "{page}");
        assert!(page.contains("30 s after both"), "{page}");
    }
}

/// A session of which the end is told an hour later.
pub(crate) fn ended(code: &str, by: Option<Side>) -> Story {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let kept = meeting.kept();
    let at_the_gateway = meeting.at_the_gateway(Ok(&kept));
    let why = Verdict {
        code: code.to_owned(),
        by,
        after: &[],
        sentence: "the certificate is revoked".to_owned(),
        mends: vec!["Nothing, if it is to stay out.".to_owned()],
    };
    let outcome = Outcome::Ended { at: at_the_gateway.at + LATER, why };
    AtTheGateway { outcome, ..at_the_gateway }.story()
}
