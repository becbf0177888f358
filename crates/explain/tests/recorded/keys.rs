//! Keys: which took whose place, when, and who used it first and last.

use std::fs;

use explain::capture::Keys;
use explain::render;
use explain::story::{KeyKind, Rule, Step, Stories, Story, VERSION};

use crate::recordings::{captures, folder, given_key, name, page, tell, told_by_others};

#[test]
fn of_a_renewed_key_is_told_which_took_its_place_from_when_on_and_who_used_that_first() {
    let story = tell(&folder().join("vpn-renewed.pcap"), Keys::default()).stories.remove(0);
    let begins = story.steps.iter().filter(|step| step.entry == "data_begins");
    let begins: Vec<_> = begins.map(|step| (step.from.word(), step.sentence.as_str())).collect();
    assert_eq!(begins.len(), 4);
    for pair in begins.chunks(2) {
        assert!(pair[0].1.starts_with("The client is the first"), "{pair:?}");
        assert!(pair[1].1.starts_with("The server follows"), "{pair:?}");
    }
    let key = |id: &str| story.keys.iter().find(|key| key.id == id).expect("it is told");
    let control = key("tls0-traffic0-server");
    assert_eq!(control.replaced_by.as_deref(), Some("tls1-traffic0-server"));
    assert_eq!((control.ends, key("tls1-traffic0-server").replaced_by.as_ref()), (None, None));
    let page = page(story.clone());
    let first = begins_at(&story, 1);
    assert!(page.contains(&format!("replaced by data1, first used at +{first}")), "{first}");
    // The old key carries packets while the new one is made, and the page says all of that in words.
    let hello = story.steps.iter().rfind(|step| step.entry == "client_hello").unwrap();
    let last = key("data0").uses.iter().map(|one| one.last).max().unwrap();
    assert!(hello.handshake == 1 && last > hello.at, "{last} and {hello:?}");
    assert!(page.contains("<p>data0: both ends could make it at +"));
    assert!(page.contains(&format!("the client was the first to use that, at +{first}. How long")));
    assert!(page.contains("Nothing took its place: the session ended at +"));
}

#[test]
fn a_handshake_that_takes_up_an_earlier_session_shows_what_it_rests_on_and_what_it_gives_for_the_next()
 {
    for (recording, said, lifetime, later) in [
        (
            "tls1_3-p256-resumed",
            "both had before",
            "seven days at most",
            "the secret was agreed on by an elliptic curve alone",
        ),
        (
            "tls1_2-rsa-resumed",
            "taken up again",
            "of a day at most",
            "or the master secret of the earlier one that it takes up, can read it",
        ),
    ] {
        let told = tell(&folder().join(format!("{recording}.pcap")), Keys::default());
        let all = told.stories.iter();
        let (resumed, first): (Vec<_>, Vec<_>) = all.partition(|one| one.title.contains(said));
        let earlier = |story: &Story| story.keys.iter().filter(|key| key.id == "earlier0").count();
        assert!(first.iter().all(|story| earlier(story) == 0), "{recording}");
        let story = resumed[0];
        assert_eq!(earlier(story), 1, "{recording}: {:?}", story.keys);
        let key = story.keys.iter().find(|key| key.id == "earlier0").unwrap();
        assert_eq!((key.kind, key.born, key.ends), (KeyKind::Resumption, None, None));
        let page = page(story.clone());
        for words in [
            "in an earlier connection, not seen here",
            "this handshake rests on it",
            lifetime,
            later,
        ] {
            assert!(page.contains(words), "{recording}: {words}: {page}");
        }
        let stories =
            Stories { version: VERSION, stories: vec![story.clone()], left_out: Vec::new() };
        let text = render::term(&stories, 400);
        assert!(
            text.contains("earlier0: resumption secret. Made: in an earlier connection"),
            "{text}"
        );
        assert!(render::svg(&stories).contains("earlier0: resumption secret"));
        let tickets = story.steps.iter().filter(|step| step.entry == "new_session_ticket").count();
        let given = story.keys.iter().filter(|key| key.id.starts_with("ticket")).count();
        assert_eq!(given, tickets, "{recording}: the next ones");
        assert!(tickets > 0 || recording.starts_with("tls1_2"), "{recording}");
    }
}

/// When a data key of a renewal was used first, as a page writes it.
fn begins_at(story: &Story, handshake: u32) -> String {
    let step = story
        .steps
        .iter()
        .find(|step| step.entry == "data_begins" && step.handshake == handshake)
        .expect("it is used");
    format!("{:.2} s", step.at as f64 / 1e6)
}

#[test]
fn a_goodbye_ends_the_keys() {
    let story = tell(&folder().join("vpn-connect.pcap"), Keys::default()).stories.remove(0);
    let exit = story.steps.iter().find(|step| step.entry == "exit").unwrap();
    let key = story.keys.iter().find(|key| key.id == "data0").unwrap();
    assert_eq!(key.ends, Some(exit.at));
}

#[test]
fn an_alert_ends_the_keys_of_both_sides_and_a_refused_session_has_no_next_key() {
    let mut all: Vec<(String, Stories)> =
        captures().iter().map(|capture| (name(capture), tell(capture, given_key()))).collect();
    all.extend(told_by_others());
    let (mut of_who_said_it, mut of_the_other) = (0, 0);
    for (name, story) in
        all.iter().flat_map(|(name, of)| of.stories.iter().map(move |one| (name, one)))
    {
        let says_no = |step: &&Step| matches!(step.entry.as_str(), "alert" | "auth_failed");
        let Some(no) = story.steps.iter().find(says_no) else { continue };
        for key in story.keys.iter().filter(|key| key.kind != KeyKind::Resumption) {
            if key.replaced_by.is_some() || key.renewal == Rule::HandshakeFinished {
                continue;
            }
            let last = key.uses.iter().map(|one| one.last).max().unwrap_or(0);
            assert_eq!(key.ends, Some(no.at.max(last)), "{name}: {key:?}");
            assert_eq!((key.renewal, key.ends_by), (Rule::Never, Rule::Refusal), "{name}: {key:?}");
            let count = match key.id.ends_with(no.from.word()) {
                true => &mut of_who_said_it,
                false => &mut of_the_other,
            };
            *count += 1;
        }
        assert!(!page(story.clone()).contains("a renegotiation, a new TLS handshake"), "{name}");
    }
    assert!(of_who_said_it >= 8 && of_the_other >= 5, "{of_who_said_it} and {of_the_other}");
}

#[test]
fn a_renewed_session_shows_each_data_key_from_its_first_packet_to_its_last() {
    let stories = tell(&folder().join("openvpn-udp-sha256-renewed.pcap"), given_key());
    let keys: Vec<_> =
        stories.stories[0].keys.iter().filter(|key| key.id.starts_with("data")).collect();
    assert!(keys.len() >= 3, "{}", keys.len());
    for pair in keys.windows(2) {
        assert_eq!(pair[0].replaced_by.as_ref(), Some(&pair[1].id));
        assert_eq!(pair[0].uses.len(), 2, "both sides used it");
        assert!(pair[0].uses[0].last <= pair[1].uses[0].last);
    }
}

#[test]
fn what_is_due_for_a_key_is_a_mark_and_an_end_that_nobody_saw_is_no_edge() {
    let svg = |story: Story| {
        render::svg(&Stories { version: VERSION, stories: vec![story], left_out: Vec::new() })
    };
    let file = folder().join("../stories/gateway-session.json");
    let mut stories: Stories = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let picture = svg(stories.stories.remove(0));
    assert!(picture.contains("<title>renewal due</title><line"), "its gateway knows");
    let renewed = tell(&folder().join("vpn-renewed.pcap"), Keys::default()).stories.remove(0);
    let count = renewed.keys.iter().filter(|key| key.replaced_by.is_some()).count();
    let picture = svg(renewed);
    assert!(count > 0 && picture.matches("<title>the next one is made here</title>").count() >= 1);
    // A key whose end was seen has an edge there, and one whose end was not has none.
    let mut story =
        tell(&folder().join("tls1_3-p256-update.pcap"), Keys::default()).stories.remove(0);
    let ended = story.keys.iter().filter(|key| key.ends.is_some()).count();
    let closed = |picture: &str| picture.matches("Z\" class=\"old\"").count();
    assert!(ended > 0);
    assert_eq!(closed(&svg(story.clone())), ended);
    story.keys.iter_mut().for_each(|key| (key.ends, key.replaced_by) = (None, None));
    let picture = svg(story.clone());
    assert_eq!(
        (closed(&picture), picture.matches("H900\" class=\"old\"").count()),
        (0, story.keys.len())
    );
}
