//! Each step as it is usually told: at the place in a story where it happens, in the word of whoever made a check, or with
//! the reason why it is not there.

use std::fs;
use std::sync::Arc;

use explain::capture::{Known, read};
use explain::kept::{Lack, Meeting as AtTheGateway, Outcome, TlsHandshake, Verdict};
use explain::render;
use explain::story::{Stories, Story, VERSION};
use explain::told::{self, Place};
use explain::{KeyLog, Side};

use crate::meeting::{Act, Admit, Meeting};
use crate::{at_the_tls_door, captures, mail, recorded, recorded_with_key};

#[test]
fn what_a_side_does_is_found_in_its_own_steps_and_a_check_where_it_shows() {
    let story = Meeting::new(Admit::Yes).run(&[Act::Data]).story();
    let wanted = [
        "client_reset",
        "server_reset",
        "client_certificate",
        "server_key_message",
        "server_certificate",
        "client_finished",
        "push_reply",
    ];
    assert_eq!(first_entries(&story), wanted.map(Some));
    let shows = |place: &Place| matches!(place, Place::Shows(_));
    assert!(shows(&places(&story)[3]) && shows(&places(&story)[5]), "{:?}", places(&story));
    let https = recorded("tls1_3-rsa-staple");
    let wanted = ["client_hello", "server_certificate", "client_finished", "server_certificate"];
    assert_eq!(first_entries(&https)[..4], wanted.map(Some));
    assert_eq!(first_entries(&https)[4], Some("server_hello"));
}

#[test]
fn what_a_gateway_did_not_keep_is_said_with_its_reason_and_what_it_checked_is_its_word() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let told = meeting.as_the_gateway_tells_it(Ok(&meeting.kept_good()));
    let at = places(&told);
    assert_eq!(first_entries(&told)[0], Some("cookie_returned"), "such a packet too");
    assert_eq!((&at[1], &at[3]), (&Place::NotKept(1), &Place::OwnWord));
    let page = page(&told);
    assert!(page.contains("(here: step 2; before that, not kept, step 1: knock and answer: a"));
    assert!(page.contains("(not kept, step 1: knock and answer: a gateway keeps nothing for a"));
    assert!(page.contains("(here: the gateway&#39;s own word, at the top)"), "{page}");
    assert!(!page.contains("(not seen here)"), "{page}");
    // Of nothing of it anything was kept.
    let told = meeting.as_the_gateway_tells_it(Err(Lack::OnlyFailures));
    let kept = |place: &Place| [Place::NotKept(1), Place::OwnWord].contains(place);
    assert!(places(&told).iter().all(kept), "{:?}", places(&told));
    // Of a knock that was answered in vain each half is its sender's, and nothing else came.
    let told = no_answer_came(&meeting);
    assert_eq!(places(&told)[..3], [Place::NotKept(1), Place::NotKept(2), Place::NotReached]);
    // At the TLS door: what is said inside.
    let (said, log) = mail(&[]);
    let pieces = (1..).zip(&said).map(|(at, (by, bytes))| (at, *by, &bytes[..])).collect();
    let (after, rest) = (None, Some(Lack::Inside));
    let handshake = TlsHandshake { pieces, after, went_well: true, lacks: false, rest };
    let kept = handshake.keep(KeyLog::parse(&log).unwrap()).unwrap();
    let told = at_the_tls_door::open(&kept);
    let last = told.steps.last().unwrap().number;
    assert_eq!(places(&told)[5], Place::NotKept(last));
}

#[test]
fn a_check_that_ended_with_a_no_is_not_one_that_went_on() {
    let revoked = recorded("p256-revoked-server");
    assert_eq!(first_entries(&revoked)[2], Some("alert"), "{:?}", places(&revoked));
    assert!(page(&revoked).contains("It did not accept what the other showed, and says so there"));
    let refused = Meeting::new(Admit::No).run(&[]).story();
    assert_eq!(first_entries(&refused)[3], Some("server_key_message"));
    assert_eq!(places(&refused)[6], Place::NotReached);
    // An alert about a hello is no check of a certificate.
    let cipher = recorded("p256-no-cipher");
    assert!(matches!(places(&cipher)[2], Place::NotReached | Place::Unseen), "{cipher:?}");
}

#[test]
fn what_is_encrypted_or_was_done_in_an_earlier_session_is_said_to_be() {
    let sealed = recorded("tls1_3-p256-unlogged");
    assert!(matches!(places(&sealed)[1], Place::Sealed(_)), "{:?}", places(&sealed));
    let log = fs::read_to_string(captures().join("tls1_2-rsa-resumed.keys")).unwrap();
    let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), ..Known::default() };
    let capture = fs::File::open(captures().join("tls1_2-rsa-resumed.pcap")).unwrap();
    let mut stories = read(capture, known).unwrap().stories.into_iter();
    let resumed = stories.find(|story| story.title.contains("taken up again")).unwrap();
    let at = places(&resumed);
    assert_eq!((&at[1], &at[3]), (&Place::Before, &Place::Before), "{at:?}");
    assert!(page(&resumed).contains("(not here: an earlier session is taken up"));
}

#[test]
fn all_thirteen_have_a_place_in_every_recording() {
    let mut seen = [0; 13];
    let names = fs::read_dir(captures()).unwrap().map(|entry| entry.unwrap().path());
    for file in names.filter(|file| file.extension().is_some_and(|end| end == "pcap")) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        // Our own have another key than the one that is given for the others.
        let is_own = name.starts_with("vpn-");
        let story = if is_own { recorded(&name) } else { recorded_with_key(&name) };
        let first = if story.packets.is_empty() { 7 } else { 0 };
        for (number, place) in places(&story).into_iter().enumerate() {
            let side = place_steps(&place).first().map(|step| story.steps[*step as usize - 1].from);
            let told = told::steps(story.protocol)[number].told;
            for (word, other) in [("The client", Side::Server), ("The server", Side::Client)] {
                assert!(!(told.starts_with(word) && side == Some(other)), "{told} {place:?}");
            }
            seen[first + number] += usize::from(side.is_some());
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

fn places(story: &Story) -> Vec<Place> {
    told::steps(story.protocol).iter().map(|one| one.place(story)).collect()
}

/// Answers to a first packet that did not come back.
fn no_answer_came(meeting: &Meeting) -> Story {
    let lost = Verdict {
        code: "answers_lost".to_owned(),
        by: None,
        after: &[],
        sentence: "the last answers did not come back".to_owned(),
        mends: Vec::new(),
    };
    let told = meeting.at_the_gateway(Err(Lack::Stateless));
    AtTheGateway { outcome: Outcome::Over(lost), ..told }.story()
}

fn place_steps(place: &Place) -> &[u32] {
    match place {
        Place::Here(steps) | Place::Shows(steps) => steps,
        _ => &[],
    }
}

/// The first step of each place, by the names of the catalogue.
fn first_entries(story: &Story) -> Vec<Option<&str>> {
    let first = |place: &Place| place_steps(place).first().copied();
    let entry = |number: u32| story.steps.get(number as usize - 1).map(|step| step.entry.as_str());
    places(story).iter().map(|place| first(place).and_then(entry)).collect()
}

fn page(story: &Story) -> String {
    let stories = vec![story.clone()];
    render::html(&Stories { version: VERSION, stories, left_out: Vec::new() })
}
