//! New keys that were asked for and not made, and a server that offers a new session in the place of one that is up.

use std::sync::Arc;

use explain::capture::{Known, read};
use explain::render;
use explain::story::{Broken, Ending, Stories, Story};
use explain::{KeyLog, Side};

use crate::entries;
use crate::meeting::{Act, Admit, Meeting};

type Packets = Vec<(u64, Side, Vec<u8>)>;

const SECOND: u64 = 1_000_000;
const SOFT_RESET: u8 = 3;
const SERVER_RESET: u8 = 8;
const DATA: u8 = 9;

#[test]
fn a_renewal_that_nobody_answers_is_the_end_of_the_story_and_its_repeats_are_steps() {
    for asks in [Side::Server, Side::Client] {
        let (mut packets, asked) = asked_by(asks);
        let ask = packets.last().unwrap().clone();
        for after in [2, 6, 14] {
            packets.push((asked + after * SECOND, asks, ask.2.clone()));
        }
        packets.push((asked + 70 * SECOND, asks, data_of(&packets, asks)));
        let stories = told(&packets);
        let story = &stories.stories[0];
        let unrenewed = unrenewed(story);
        assert_eq!((unrenewed.code.as_str(), unrenewed.by), ("renewal_unanswered", None));
        let word = if asks == Side::Server { "server_soft_reset" } else { "client_soft_reset" };
        let told: Vec<String> = entries(story).into_iter().rev().take(4).collect();
        assert_eq!(told, ["reset_repeated", "reset_repeated", "reset_repeated", word]);
        let last = story.steps.last().unwrap();
        let (asks, other) = (asks.word(), asks.peer().word());
        assert_eq!(last.title, "Word on new keys, once more (soft reset)");
        assert!(last.sentence.contains(&format!("come to the {asks}")), "{}", last.sentence);
        assert_eq!(unrenewed.at_step, Some(last.number - 3));
        let said = format!(
            "The {asks} asked for new keys in step {}, and 3 times more until step {}. Nothing came from the {other} after that. The session has data0 still, ",
            last.number - 3,
            last.number
        );
        assert!(unrenewed.sentence.starts_with(&said), "{}", unrenewed.sentence);
        assert!(unrenewed.mends[0].contains(&format!("the {other} still runs")));
        assert!(story.title.ends_with("; new keys were asked for, and nobody answered"));
        assert!(story.missing.is_empty(), "the session was up");
        let page = render::term(&stories, 1_000);
        let key = format!(". The {asks} asked for the next one at +");
        assert!(page.contains(&key) && page.contains(", and nobody answered."), "{page}");
        let end = format!("not renewed when asked for in step {} (renewal_", last.number - 3);
        assert!(page.contains(&end), "{page}");
        for page in [render::html(&stories), render::svg(&stories), render::mermaid(&stories)] {
            assert!(!page.contains("either side may begin"), "{page}");
            assert!(!page.contains("broke it off") && !page.contains("not reached"), "{page}");
        }
    }
}

#[test]
fn a_renewal_that_is_under_way_when_the_capture_ends_has_not_failed() {
    let (packets, _) = asked_by(Side::Server);
    let stories = told(&packets);
    assert_eq!(stories.stories[0].ending, Ending::Done);
    let step = stories.stories[0].steps.len();
    let end = format!(
        "The handshake is complete. New keys were asked for by the server in step {step}; that they were made is not seen."
    );
    assert!(render::html(&stories).contains(&end));
    assert!(render::term(&stories, 1_000).contains(&end.replacen('T', "t", 1)));
    assert!(render::term(&stories, 1_000).contains(", and that it was made is not seen."));
    let whole = told(&Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew, Act::Data]).packets);
    assert_eq!(whole.stories[0].ending, Ending::Done);
    assert!(!render::html(&whole).contains("New keys were asked for"));
}

#[test]
fn who_looks_on_for_longer_than_both_try_knows_that_it_failed_whether_anything_was_said_or_not() {
    let (packets, asked) = asked_by(Side::Server);
    let meeting = Meeting::new(Admit::Yes);
    let mut file = meeting.pcap_of(&packets);
    // A packet of somebody else, which begins no session.
    let other = meeting.pcap_of(&[(asked + 61 * SECOND, Side::Client, vec![0; 40])]);
    let at = file.len() + 16 + 20;
    file.extend(&other[24..]);
    file[at] ^= 1;
    let story = read(file.as_slice(), Known::default()).unwrap().stories.remove(0);
    assert_eq!(unrenewed(&story).code, "renewal_unanswered");
}

#[test]
fn who_goes_on_with_the_tunnel_and_does_not_answer_is_not_called_gone() {
    let (mut packets, asked) = asked_by(Side::Server);
    packets.push((asked + 70 * SECOND, Side::Client, data_of(&packets, Side::Client)));
    let told = told(&packets);
    let unrenewed = unrenewed(&told.stories[0]);
    assert!(unrenewed.sentence.contains("though packets of the tunnel came from it"));
    assert!(unrenewed.mends[0].starts_with("Look into the log of the side"), "{unrenewed:?}");
}

#[test]
fn a_renewal_whose_handshake_stopped_halfway_is_told_so_once_the_former_key_serves_too_long() {
    let all = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew]).packets;
    let asked = position(&all, SOFT_RESET);
    // Both words on new keys and the client's hello.
    let mut packets = all[..asked + 4].to_vec();
    assert_eq!(told(&packets).stories[0].ending, Ending::Done);
    packets.push((all[asked].0 + 61 * SECOND, Side::Server, data_of(&all, Side::Server)));
    let stories = told(&packets);
    let unrenewed = unrenewed(&stories.stories[0]);
    assert_eq!(unrenewed.code, "renewal_stopped");
    assert!(unrenewed.sentence.contains("Both spoke of them"), "{}", unrenewed.sentence);
    assert!(render::html(&stories).contains("and the handshake for it stopped halfway."));
}

#[test]
fn a_goodbye_after_the_word_on_new_keys_is_no_renewal_that_failed() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Leave]);
    let mut packets = meeting.packets.clone();
    let leaves = packets.iter().rposition(|one| one.2[0] >> 3 == DATA).unwrap() + 1;
    let (_, _, mut ask) = asked_by(Side::Server).0.pop().unwrap();
    ask[1..9].copy_from_slice(&packets[position(&packets, SERVER_RESET)].2[1..9]);
    packets.insert(leaves, (packets[leaves].0, Side::Server, ask));
    let last = packets.last().unwrap().0 + 90 * SECOND;
    packets.push((last, Side::Server, data_of(&packets, Side::Server)));
    let log = Arc::new(KeyLog::parse(&meeting.log_text()).unwrap());
    let known = Known { log, ..Known::default() };
    let story = read(meeting.pcap_of(&packets).as_slice(), known).unwrap().stories.remove(0);
    let told = entries(&story);
    let place = |entry: &str| told.iter().position(|one| one == entry);
    assert!(place("server_soft_reset").is_some_and(|asked| place("exit") > Some(asked)));
    assert_eq!(story.ending, Ending::Done);
}

#[test]
fn a_server_that_begins_anew_is_told_as_that_and_the_client_that_does_so_too() {
    let stories = told(&offered());
    let story = &stories.stories[0];
    let told_last: Vec<String> = entries(story).into_iter().rev().take(3).collect();
    assert_eq!(told_last, ["reset_repeated", "session_offered", "server_soft_reset"]);
    let offers: Vec<_> = story.packets.iter().filter(|one| one.opcode == SERVER_RESET).collect();
    assert_eq!(offers.iter().map(|one| one.again).collect::<Vec<_>>(), [false, false, true]);
    let unrenewed_of = |story| unrenewed(story).sentence.clone();
    let step = story.steps.len() - 1;
    let said = format!(
        "In step {step} the server offered a new session in the place of this one, and once more. The client did not begin it."
    );
    assert!(unrenewed_of(story).ends_with(&said), "{}", unrenewed_of(story));
    let last = story.steps.last().unwrap();
    assert_eq!(last.title, "New session, offered once more (hard reset)");
    // A client that begins anew is a story of its own.
    let mut packets = offered();
    let at = packets.last().unwrap().0;
    let mut knock = packets[0].2.clone();
    knock[1..9].copy_from_slice(&[5; 8]);
    packets.push((at + SECOND, Side::Client, knock));
    let stories = told(&packets).stories;
    assert_eq!(stories.len(), 2);
    assert!(unrenewed_of(&stories[0]).ends_with("The client began a new session then."));
}

#[test]
fn a_server_that_answers_twice_before_its_number_came_back_offers_no_other_session() {
    let mut packets = Meeting::new(Admit::Yes).run(&[]).packets;
    let answer = position(&packets, SERVER_RESET);
    packets.insert(answer, another_session(&packets[answer]));
    let told = entries(&told(&packets).stories[0]);
    assert!(!told.iter().any(|entry| entry == "session_offered"), "{told:?}");
}

#[test]
fn the_same_is_told_of_a_channel_that_is_encrypted() {
    let (client, server) = ([3u8; 8], [4u8; 8]);
    let stamp = 1_790_000_000u32.to_be_bytes();
    let mut packets: Packets = Vec::new();
    let mut say = |at: u64, from: Side, opcode: u8, key_id: u8, session: [u8; 8]| {
        let number = [0, 0, 0, packets.len() as u8];
        let first = [opcode << 3 | key_id];
        let sealed = [&first[..], &session, &number, &stamp, &[0x5a; 60]].concat();
        packets.push((1_790_000_000 * SECOND + at * SECOND, from, sealed));
    };
    say(0, Side::Client, 7, 0, client);
    for (from, opcode, own) in
        [(Side::Server, SERVER_RESET, server), (Side::Client, 4, client), (Side::Server, 4, server)]
    {
        say(1, from, opcode, 0, own);
    }
    for (from, own) in [(Side::Client, client), (Side::Server, server)] {
        say(2, from, DATA, 0, own);
    }
    for at in [10, 12, 16] {
        say(at, Side::Server, SOFT_RESET, 1, server);
    }
    for at in [70, 72] {
        say(at, Side::Server, SERVER_RESET, 0, [6; 8]);
    }
    let stories = told(&packets);
    let story = &stories.stories[0];
    let told_last = entries(story).split_off(story.steps.len() - 5);
    let repeated = "reset_repeated";
    assert_eq!(told_last, ["server_soft_reset", repeated, repeated, "session_offered", repeated]);
    assert_eq!(unrenewed(story).code, "renewal_unanswered");
}

/// A session whose server asks for new keys, and offers another one in the place of it then.
pub(crate) fn offered_anew() -> Story {
    told(&offered()).stories.remove(0)
}

fn offered() -> Packets {
    let (mut packets, asked) = asked_by(Side::Server);
    let (_, _, offer) = another_session(&packets[position(&packets, SERVER_RESET)]);
    for after in [60, 62] {
        packets.push((asked + after * SECOND, Side::Server, offer.clone()));
    }
    packets
}

/// The packet with another number of its sender's session.
fn another_session((at, from, packet): &(u64, Side, Vec<u8>)) -> (u64, Side, Vec<u8>) {
    let mut packet = packet.clone();
    packet[1..9].copy_from_slice(&[6; 8]);
    (*at, *from, packet)
}

/// A session with data in both directions, up to this side's word that it wants new keys; and when that came.
fn asked_by(side: Side) -> (Packets, u64) {
    let mut packets = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew]).packets;
    let is_word = |packet: &(u64, Side, Vec<u8>)| packet.2[0] >> 3 == SOFT_RESET;
    let ask = packets.iter().find(|one| is_word(one) && one.1 == side).unwrap().clone();
    packets.truncate(position(&packets, SOFT_RESET));
    let at = ask.0;
    packets.push(ask);
    (packets, at)
}

/// A data packet that a side sent.
fn data_of(packets: &Packets, side: Side) -> Vec<u8> {
    let is_data = |one: &&(u64, Side, Vec<u8>)| one.2[0] >> 3 == DATA && one.1 == side;
    packets.iter().find(is_data).unwrap().2.clone()
}

fn position(packets: &Packets, opcode: u8) -> usize {
    packets.iter().position(|(_, _, packet)| packet[0] >> 3 == opcode).unwrap()
}

fn unrenewed(story: &Story) -> &Broken {
    let Ending::Unrenewed(broken) = &story.ending else { panic!("{:?}", story.ending) };
    broken
}

fn told(packets: &Packets) -> Stories {
    let file = Meeting::new(Admit::Yes).pcap_of(packets);
    read(file.as_slice(), Known::default()).unwrap()
}
