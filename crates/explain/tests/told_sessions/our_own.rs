//! A client's own connection, told while it runs: over TCP as over UDP, from a capture of it as from itself, and where
//! nothing could be said at all.

use std::net::SocketAddr;
use std::sync::Arc;

use explain::capture::written::{self, Flow};
use explain::capture::{Known, read};
use explain::live::{Live, Speech};
use explain::story::{Ending, Source, Story};
use explain::{Chunk, KeyLog, Side};

use crate::meeting::{Act, Admit, Meeting};
use crate::{entries, first};

#[test]
fn a_connection_is_told_alike_over_udp_and_tcp_and_from_the_capture_that_was_written_of_it() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Data, Act::Renew, Act::Data, Act::Leave]);
    let whole = meeting.story();
    for (transport, ends) in [("udp", FOUR), ("tcp", FOUR), ("udp", SIX), ("tcp", SIX)] {
        let (live, file) = spoken(&meeting, transport, ends);
        let story = live.story(Speech::OpenVpn, log(&meeting)).unwrap();
        let known = Known { log: Arc::new(log(&meeting)), ..Known::default() };
        let again = first(read(file.as_slice(), known).unwrap());
        assert_eq!(entries(&story), entries(&whole), "{transport}");
        assert_eq!((&story.keys, story.packets.len()), (&whole.keys, whole.packets.len()));
        assert_eq!(entries(&again), entries(&story), "{transport}");
        assert_eq!((&again.keys, &again.ending), (&story.keys, &story.ending));
        assert_eq!((&again.transport, &again.server), (&story.transport, &story.server));
        let frames = |story: &Story| -> Vec<(u32, u32)> {
            let places = story.steps.iter().flat_map(|step| &step.basis);
            places.map(|place| (place.frame, place.length)).collect()
        };
        assert_eq!(frames(&again), frames(&story), "a step rests on the same packets");
    }
}

#[test]
fn a_server_that_hangs_up_over_tcp_without_a_word_is_told_as_that_by_both() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    for (reset, code) in [(false, "connection_closed"), (true, "connection_reset")] {
        let mut flow = Flow::tcp(FOUR.0.parse().unwrap(), FOUR.1.parse().unwrap());
        let (at, from, bytes) = &meeting.packets[0];
        let mut file = [written::head(), flow.beginning(*at).concat()].concat();
        let mut live = Live::new("tcp");
        let bytes = framed(bytes);
        live.push(&Chunk { at: *at, from: *from, frame: 4, offset: 0, bytes: &bytes });
        live.closed(Side::Server, reset);
        file.extend(flow.said(*at, *from, &bytes).unwrap());
        file.extend(flow.ended(*at, Side::Server, reset).unwrap());
        let own = live.story(Speech::OpenVpn, KeyLog::default()).unwrap();
        let again = first(read(file.as_slice(), Known::default()).unwrap());
        for story in [own, again] {
            let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
            assert_eq!((broken.code.as_str(), broken.by), (code, Some(Side::Server)));
            let key = "another tls-auth key, direction or digest";
            assert!(broken.sentence.contains(key), "{broken:?}");
            assert!(broken.mends[0].contains("its direction (1 here, 0 there)"), "{broken:?}");
        }
    }
}

#[test]
fn of_packets_without_a_code_no_other_key_is_said_to_be_why_nobody_answered() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let (at, from, bytes) = &meeting.packets[0];
    // The code and the replay counter stand behind opcode and session id.
    let bare = [&bytes[..9], &bytes[9 + 32 + 8..]].concat();
    let ending = |transport, said: &[u8], closed| {
        let mut live = Live::new(transport);
        for frame in 1..3 {
            live.push(&Chunk { at: *at, from: *from, frame, offset: 0, bytes: said });
        }
        if closed {
            live.closed(Side::Server, false);
        }
        let story = live.story(Speech::OpenVpn, KeyLog::default()).unwrap();
        let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
        format!("{broken:?}")
    };
    let silence = ending("udp", &bare, false);
    let closed = ending("tcp", &framed(&bare), true);
    for told in [silence, closed] {
        assert!(told.contains("wants a tls-auth key, which th"), "{told}");
        assert!(!told.contains("direction") && !told.contains("another tls-auth"), "{told}");
    }
}

#[test]
fn silence_over_tcp_is_not_told_as_blocked_udp() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let (at, from, bytes) = &meeting.packets[0];
    let mut live = Live::new("tcp");
    let bytes = framed(bytes);
    for frame in 1..3 {
        live.push(&Chunk { at: *at, from: *from, frame, offset: 0, bytes: &bytes });
    }
    let story = live.story(Speech::OpenVpn, KeyLog::default()).unwrap();
    let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
    assert_eq!(broken.code, "reset_unanswered");
    assert!(!format!("{broken:?}").contains("UDP"), "{broken:?}");
}

/// A server of which nothing is known but that no way led there.
pub(crate) fn not_reached() -> Story {
    let mut live = Live::new("tcp");
    live.unreached(7, "nobody listens on TCP 192.0.2.1:1194");
    let story = live.story(Speech::OpenVpn, KeyLog::default()).unwrap();
    assert_eq!((story.steps.len(), story.steps[0].source), (1, Source::Judged));
    story
}

type Ends = (&'static str, &'static str);

const FOUR: Ends = ("192.0.2.7:40000", "192.0.2.1:1194");
const SIX: Ends = ("[2001:db8::7]:40000", "[2001:db8::1]:1194");

/// The meeting's packets through a socket, watched, and the capture that is written of it.
fn spoken(meeting: &Meeting, transport: &'static str, (client, server): Ends) -> (Live, Vec<u8>) {
    let ends: [SocketAddr; 2] = [client, server].map(|end| end.parse().unwrap());
    let mut flow = match transport {
        "tcp" => Flow::tcp(ends[0], ends[1]),
        _ => Flow::udp(ends[0], ends[1]),
    };
    let mut live = Live::new(transport);
    live.between(client.to_owned(), server.to_owned());
    let begun = flow.beginning(meeting.packets[0].0);
    let mut frame = begun.len() as u32;
    let mut file = [written::head(), begun.concat()].concat();
    for (at, from, packet) in &meeting.packets {
        let bytes = if transport == "tcp" { framed(packet) } else { packet.clone() };
        // A stream is cut anywhere, and what begins in one part may end in the next.
        let cut = if transport == "tcp" { bytes.len() / 2 } else { 0 };
        for bytes in [&bytes[..cut], &bytes[cut..]].into_iter().filter(|part| !part.is_empty()) {
            frame += 1;
            live.push(&Chunk { at: *at, from: *from, frame, offset: 0, bytes });
            file.extend(flow.said(*at, *from, bytes).unwrap());
        }
    }
    (live, file)
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&(packet.len() as u16).to_be_bytes(), packet].concat()
}

fn log(meeting: &Meeting) -> KeyLog {
    KeyLog::parse(&meeting.log_text()).unwrap()
}
