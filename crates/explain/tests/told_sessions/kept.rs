//! What a gateway keeps of its own handshakes and tells of them, held against what a capture with a key log tells of the
//! same session.

use std::time::{Duration, Instant};

use explain::kept::{
    Kept, Lack, MOST_KEPT, Meeting as AtTheGateway, Outcome, Trace, Verdict as Ruling,
};
use explain::story::{
    Chapter, Ending, Field, Inquiry, Judgement, Means, Protocol, Stories, Story, VERSION,
};
use explain::{KeyLog, Side, catalogue, render};
use wire::control::ControlPacket;
use wire::static_key::KeyDirection;
use wire::{KeyId, MessageId, Opcode, SessionId};

use crate::entries;
use crate::meeting::{Act, Admit, Meeting, remote, wrap};

#[test]
fn a_gateway_tells_by_itself_what_a_capture_with_a_key_log_tells_from_the_cookie_on() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let kept = meeting.kept_good();
    let (own, seen) = (meeting.as_the_gateway_tells_it(Ok(&kept)), meeting.story());
    let (first, rest) = entries(&own).split_first().map(|(a, b)| (a.clone(), b.to_vec())).unwrap();
    assert_eq!(first, "not_kept", "of a stranger nothing is kept");
    assert_eq!(rest, entries(&seen)[2..], "behind the two resets");
    let values = |story: &Story, skip: usize| {
        let steps = story.steps.iter().skip(skip);
        let fields = steps.flat_map(|step| step.fields.clone());
        // What a gateway has checked itself is not calculated again: HMACs and signatures.
        let others = ["wrapping", "digest", "key_direction_of_the_sender", "proof_is_right"];
        fields.filter(|field| !others.contains(&&*field.name)).collect::<Vec<_>>()
    };
    assert_eq!(values(&own, 1), values(&seen, 2));
    assert_eq!(own.certificates.len(), seen.certificates.len());
    assert_eq!(own.ending, Ending::Done);
    assert!(kept.size() < MOST_KEPT, "{} bytes", kept.size());
    let records = |answer: &&Inquiry| answer.means == Means::Records;
    let theirs = own.certificates.iter().find(|shown| shown.shown_by == Side::Client).unwrap();
    assert!(theirs.inquiries.iter().find(records).is_some_and(|one| one.answer == "good"));
}

#[test]
fn a_gateway_names_itself_where_it_refuses_and_the_step_that_it_refused_at() {
    let meeting = Meeting::new(Admit::No).run(&[]);
    let story = meeting.as_the_gateway_tells_it(Ok(&meeting.kept()));
    let Ending::Broken(broken) = &story.ending else { panic!("{:?}", story.ending) };
    assert_eq!((broken.code.as_str(), broken.by), ("device_disabled", Some(Side::Server)));
    assert_eq!(story.steps[broken.at_step.unwrap() as usize - 1].entry, "client_key_message");
    assert_eq!(story.title, "An OpenVPN session with TLS 1.3 inside, refused: device disabled");
    assert!(story.missing.contains(&"push_reply".to_owned()), "{:?}", story.missing);
}

#[test]
fn a_gateway_tells_the_last_renewal_behind_the_first_handshake() {
    let meeting = Meeting::new(Admit::Yes).run(&[Act::Renew]);
    let seen = meeting.story();
    let renewal =
        |packet: &(u64, Side, Vec<u8>)| packet.2[0] >> 3 == Opcode::CONTROL_SOFT_RESET_V1.0;
    let begins = meeting.packets.iter().position(renewal).unwrap();
    let first = meeting.trace_until(begins);
    let second = KeyId::FIRST.next();
    let trace = meeting.fill(first.renewal(second, 1), &meeting.packets[begins..]);
    let log = || KeyLog::parse(&meeting.log_text()).unwrap();
    let kept = first.keep_good(log()).renewed(trace.keep_good(log()));
    assert!(kept.size() <= MOST_KEPT, "{}", kept.size());
    let own = meeting.as_the_gateway_tells_it(Ok(&kept));
    assert_eq!(entries(&own)[1..], entries(&seen)[2..], "behind the knock");
    let numbers = |story: &Story, skip: usize| {
        story.steps.iter().skip(skip).map(|step| step.handshake).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&own, 1), numbers(&seen, 2));
    assert_eq!(own.title, "An OpenVPN session with TLS 1.3 inside, renewed once");
    // What was asked about a certificate stands in the one box that it has, and a number is of one packet.
    let frames = |renewal: u32| {
        let steps = own.steps.iter().filter(move |step| step.handshake == renewal);
        steps.flat_map(|step| &step.basis).map(|place| place.frame)
    };
    assert!(frames(0).max() < frames(1).min(), "{:?}", frames(1).min());
    let theirs = own.certificates.iter().filter(|one| one.shown_by == Side::Client);
    assert!(theirs.clone().count() > 1);
    assert!(theirs.clone().all(|one| one.inquiries[0].means == Means::Records));
    let page =
        render::html(&Stories { version: VERSION, stories: vec![own], left_out: Vec::new() });
    assert_eq!(page.matches("<div class=\"box\">").count(), 2, "one of each side");
}

/// An optimised build says what it costs (`--release -- --nocapture`); this one, that it is a part only.
#[test]
#[expect(clippy::disallowed_methods, reason = "it measures how long something takes here")]
fn to_watch_and_read_a_handshake_costs_a_small_part_of_it() {
    let rounds = 40u32;
    let (mut shaken, mut held, mut read) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        let meeting = Meeting::new(Admit::Yes);
        let begun = Instant::now();
        let meeting = meeting.run(&[]);
        shaken += begun.elapsed();
        let log = meeting.log_text();
        let begun = Instant::now();
        let trace = meeting.trace_of(1);
        held += begun.elapsed();
        let begun = Instant::now();
        let kept = trace.keep_good(KeyLog::parse(&log).unwrap());
        read += begun.elapsed();
        assert!(kept.size() > 0);
    }
    println!(
        "a handshake, both ends: {:?}; what one end holds of it: {:?}; to read that: {:?}",
        shaken / rounds,
        held / rounds,
        read / rounds
    );
    // One end has half of the work. To hold is what every handshake costs, to read what one does that is kept.
    let (to_hold, to_keep) = if cfg!(debug_assertions) { (10, 1) } else { (50, 8) };
    assert!(held * to_hold < shaken, "{held:?} of {shaken:?}");
    assert!((held + read) * to_keep < shaken, "{held:?} and {read:?} of {shaken:?}");
}

#[test]
fn of_a_client_that_falls_silent_is_told_whether_what_was_said_to_it_has_come() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let told = |kept: &Kept, by: Option<Side>| {
        let silent = Ruling {
            code: "silent".to_owned(),
            by,
            after: &[],
            sentence: String::new(),
            mends: Vec::new(),
        };
        let us = Judgement { by: "us".to_owned(), sentence: "it is over".to_owned() };
        let at = AtTheGateway {
            judgements: vec![us],
            outcome: Outcome::Over(silent),
            ..meeting.at_the_gateway(Ok(kept))
        };
        at.story().judgements.pop().unwrap().sentence
    };
    let first = meeting.accepted.unwrap().2;
    let server = |packet: &(u64, Side, Vec<u8>)| packet.1 == Side::Server;
    let answer = first + meeting.packets[first..].iter().position(server).unwrap();
    let cut = meeting.trace_until(answer + 1).keep(KeyLog::default());
    assert!(told(&cut, None).contains("whether the others came is not known"));
    assert!(told(&meeting.kept(), None).starts_with("the client confirmed each packet"));
    assert_eq!(
        told(&meeting.kept(), Some(Side::Server)),
        "it is over",
        "who refuses is not silent"
    );
}

#[test]
fn what_a_gateway_did_not_keep_is_a_gap_that_says_why() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let why = |story: &Story| {
        let gaps = story.steps.iter().filter(|step| step.entry == "not_kept");
        gaps.map(|step| step.fields[0].value.clone()).collect::<Vec<_>>()
    };
    for lack in [Lack::Off, Lack::OnlyFailures, Lack::NotThere] {
        let story = meeting.as_the_gateway_tells_it(Err(lack));
        assert_eq!((why(&story), story.steps.len()), (vec![lack.sentence().to_owned()], 1));
    }
    let endless = meeting.trace_of(40);
    let kept = endless.keep(KeyLog::default());
    assert!(kept.size() <= MOST_KEPT);
    let told = why(&meeting.as_the_gateway_tells_it(Ok(&kept)));
    assert_eq!(told.last().map(String::as_str), Some(Lack::TooLong.sentence()));
}

#[test]
fn a_renewal_of_which_nothing_is_kept_is_a_gap_behind_that_of_the_first_handshake() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let told = |lack| {
        let at_the_gateway = meeting.at_the_gateway(Err(lack));
        let renewed = Some(at_the_gateway.at + 8_600_000);
        let story = AtTheGateway { renewed, ..at_the_gateway }.story();
        let gaps = story.steps.iter().map(|step| {
            assert!(step.entry == "not_kept" && step.unmeasured, "{step:?}");
            (step.chapter, step.fields[0].value.clone())
        });
        gaps.collect::<Vec<_>>()
    };
    let why = |lack: Lack| lack.sentence().to_owned();
    let (first, later) = (Chapter::Knock, Chapter::Keys);
    let since = [(first, why(Lack::Before)), (later, why(Lack::RenewedBefore))];
    assert_eq!(told(Lack::Before), since);
    for lack in [Lack::Off, Lack::OnlyFailures] {
        assert_eq!(told(lack), [(first, why(lack)), (later, why(lack))]);
    }
}

#[test]
fn who_ends_a_handshake_a_thousand_times_has_it_calculated_once_and_is_not_read_to_the_end() {
    let random = [7; 32];
    let hello = handshake(1, &[&[3, 3][..], &random, &[0, 0, 2, 0x13, 1, 1, 0, 0, 0]].concat());
    // What it makes the server say, so that there are keys to calculate with.
    let version = [0, 43, 0, 2, 3, 4];
    let chosen = [&[3, 3][..], &random, &[0, 0x13, 1, 0, 0, 6], &version].concat();
    let flood = [handshake(2, &chosen), handshake(20, &[]).repeat(3_000)].concat();
    let (client, server) = (SessionId::new([1; 8]).unwrap(), SessionId::new([2; 8]).unwrap());
    let mut trace = Trace::begin(client, server, 0);
    for (number, said) in (1..).zip([hello, flood]) {
        let length = u16::try_from(said.len()).unwrap().to_be_bytes();
        let record = [&[22, 3, 3][..], &length, &said].concat();
        let (opcode, id) = (Opcode::CONTROL_V1, MessageId(number));
        let packet = ControlPacket::message(opcode, KeyId::FIRST, client, id, record);
        trace.heard(u64::from(number), &packet, None);
    }
    let mut log = KeyLog::default();
    for label in ["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"] {
        log.add(label, &random, &[9; 32]);
    }
    let story = Meeting::new(Admit::No).as_the_gateway_tells_it(Ok(&trace.keep(log)));
    let ends = story.steps.iter().filter(|step| step.entry == "client_finished");
    let calculated = |fields: &[Field]| fields.iter().any(|one| one.name == "proof_is_right");
    let (calculated, others): (Vec<_>, Vec<_>) = ends.partition(|step| calculated(&step.fields));
    assert_eq!(calculated.len(), 1, "and {} are not", others.len());
    assert!((50..100).contains(&others.len()), "{} others", others.len());
    assert!(entries(&story).contains(&"unreadable".to_owned()), "{:?}", entries(&story));
}

#[test]
fn what_a_gateway_keeps_holds_no_secret() {
    let meeting = Meeting::new(Admit::Yes).run(&[]);
    let kept = meeting.kept();
    let story = meeting.as_the_gateway_tells_it(Ok(&kept));
    let stories = Stories { version: VERSION, stories: vec![story], left_out: Vec::new() };
    let log = meeting.log_text();
    let secrets = log.lines().map(|line| line.split(' ').nth(2).unwrap());
    for output in [render::json(&stories), render::html(&stories), format!("{kept:?}")] {
        let lower = output.to_lowercase();
        assert!(secrets.clone().all(|secret| !lower.contains(secret)));
        assert!(["s3cret-pass", "t0ken-of-the-session"].iter().all(|one| !output.contains(one)));
    }
    assert!(secrets.count() >= 4, "so that there is something to find");
}

/// One message of TLS.
fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

impl Meeting {
    /// What a gateway holds while it shakes hands: what came and left since the cookie came back.
    fn trace_of(&self, times: usize) -> Trace {
        let first = self.accepted.expect("the cookie came back").2;
        let packets = std::iter::repeat_n(&self.packets[first..], times);
        let packets: Vec<_> = packets.flatten().cloned().collect();
        self.fill(self.trace_until(0), &packets)
    }

    /// Of the packets up to this one, but for those that came before the cookie.
    fn trace_until(&self, to: usize) -> Trace {
        let (client, server, first) = self.accepted.expect("the cookie came back");
        let overhead = wrap(KeyDirection::Normal).overhead();
        let packets = self.packets.get(first..to).unwrap_or_default();
        self.fill(Trace::begin(client, server, overhead), packets)
    }

    fn fill(&self, mut trace: Trace, packets: &[(u64, Side, Vec<u8>)]) -> Trace {
        let wrap = wrap(KeyDirection::Normal);
        for (at, from, bytes) in packets {
            match from {
                Side::Server => trace.said(*at, bytes),
                Side::Client => {
                    let Ok(opened) = wrap.open(bytes) else { continue };
                    let stamp = opened.stamp().map(|stamp| (stamp.id, stamp.time));
                    trace.heard(*at, opened.packet(), stamp);
                }
            }
        }
        trace
    }

    pub(crate) fn kept(&self) -> Kept {
        self.trace_of(1).keep(KeyLog::parse(&self.log_text()).unwrap())
    }

    pub(crate) fn kept_good(&self) -> Kept {
        self.trace_of(1).keep_good(KeyLog::parse(&self.log_text()).unwrap())
    }

    pub(crate) fn as_the_gateway_tells_it(&self, kept: Result<&Kept, Lack>) -> Story {
        self.at_the_gateway(kept).story()
    }

    pub(crate) fn at_the_gateway<'a>(&self, kept: Result<&'a Kept, Lack>) -> AtTheGateway<'a> {
        let ruling = Ruling {
            code: "device_disabled".to_owned(),
            by: Some(Side::Server),
            after: &[catalogue::Kind::ClientKeyMessage],
            sentence: "the peer's device is disabled".to_owned(),
            mends: Vec::new(),
        };
        let records = Inquiry {
            signed_by: Some("the gateway".to_owned()),
            ..Inquiry::new(Means::Records, "good", "The gateway's records have it.")
        };
        AtTheGateway {
            protocol: Protocol::OpenVpn,
            transport: "udp",
            client: remote().to_string(),
            server: "192.0.2.1:1194".to_owned(),
            at: self.now.wall.as_micros() as u64,
            renewed: None,
            kept,
            judgements: Vec::new(),
            records: Some(records),
            keys: Vec::new(),
            outcome: match self.admit {
                Admit::Yes => Outcome::Open,
                Admit::No => Outcome::Over(ruling),
            },
        }
    }
}
