//! What a gateway keeps of the handshakes at its TLS door, held against what a capture with a key log tells of the same
//! connection.

use explain::kept::{
    Kept, Lack, LiveKey, MOST_KEPT, Meeting as AtTheGateway, Outcome, TlsHandshake,
};
use explain::story::{Chapter, Ending, KeyKind, Protocol, Stories, Story, VERSION};
use explain::{KeyLog, Side, render};

use crate::{entries, first, mail, tcp_pcap};
use explain::capture::{Known, read};

#[test]
fn a_handshake_that_went_well_is_told_as_a_capture_with_its_keys_tells_it() {
    let (said, log) = mail(&[]);
    // Both say something inside TLS at once: the client's comes along with its Finished.
    let (handshake, log) = (&said[..said.len() - 1], without_the_clients_data(&log));
    let kept = of(handshake, true, Some(Lack::Inside)).keep(KeyLog::parse(&log).unwrap()).unwrap();
    assert!(kept.size() < MOST_KEPT, "{} bytes", kept.size());
    let own = story(&kept, Outcome::Open);
    let known =
        Known { log: std::sync::Arc::new(KeyLog::parse(&log).unwrap()), ..Known::default() };
    let seen = first(read(tcp_pcap(handshake).as_slice(), known).unwrap());
    let (last, rest) = entries(&own).split_last().map(|(a, b)| (a.clone(), b.to_vec())).unwrap();
    let is_data = |entry: &String| ["sealed", "application_data"].contains(&entry.as_str());
    let handshake: Vec<_> = entries(&seen).into_iter().filter(|entry| !is_data(entry)).collect();
    assert_eq!((last.as_str(), rest), ("not_kept", handshake), "behind it nothing is read");
    let values = |story: &Story| {
        let fields = story.steps.iter().flat_map(|step| step.fields.clone());
        // What a gateway has checked itself is not calculated again.
        let own = |name: &str| ["proof_is_right", "why", "reason"].contains(&name);
        fields.filter(|field| !own(&field.name)).collect::<Vec<_>>()
    };
    assert_eq!(values(&own), values(&seen));
    assert_eq!(own.certificates.len(), seen.certificates.len());
    // A gap stands in the part that it interrupts, and what means nothing in that of what follows it.
    let last = own.steps.last().unwrap();
    assert_eq!(last.chapter, Chapter::Data);
    let readers = "the client, the gateway, and the service that was asked for";
    assert!(last.readable_by.starts_with(readers), "{}", last.readable_by);
    let page = render::html(&stories(own.clone()));
    assert!(page.contains("counts the bytes") && !page.contains("No data was seen"), "{page}");
    assert_eq!(own.title, "A TLS 1.3 handshake");
    assert_eq!(own.ending, Ending::Done);
}

#[test]
fn the_keys_of_an_open_connection_are_told_as_those_whose_they_are() {
    let (said, log) = mail(&[]);
    let log = without_the_clients_data(&log);
    let kept = |said| {
        let handshake = of(said, true, Some(Lack::Inside));
        handshake.keep(KeyLog::parse(&log).unwrap()).unwrap()
    };
    // The last that the server says are its tickets.
    let (kept, without_tickets) = (kept(&said[..]), kept(&said[..said.len() - 1]));
    let began = 1_790_000_000_000_000;
    let hour = 3_600_000_000;
    let key = |kind, in_use, opens_until, closes| LiveKey {
        kind,
        handshake: 0,
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        made: Some(began),
        complete: None,
        uses: Vec::new(),
        in_use,
        renews: None,
        renews_again: false,
        seals_from: None,
        seals_until: None,
        opens_until,
        in_flight: None,
        closes,
    };
    let keys = vec![
        key(KeyKind::TlsTraffic, true, None, Some(began + 25 * hour)),
        key(KeyKind::Resumption, false, Some(began + 3 * hour), None),
    ];
    let told = AtTheGateway { keys: keys.clone(), ..meeting(Ok(&kept), Outcome::Open) }.story();
    let line = |id: &str| told.keys.iter().find(|key| key.id == id).expect("it is told").clone();
    let ids: Vec<_> = told.keys.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids[2..4], ["tls0-traffic0-client", "tls0-traffic0-server"], "{ids:?}");
    // Behind Finished its sender goes on, whether the gateway opens that or not.
    let before = line("tls0-handshake-client");
    assert_eq!(before.ends, before.uses.iter().map(|one| one.last).max());
    assert_eq!(before.replaced_by.as_deref(), Some("tls0-traffic0-client"));
    for page in [render::html(&stories(told.clone())), render::term(&stories(told), 400)] {
        for said in [
            "whatever the client sends inside this TLS is encrypted with it, and the gateway decrypts that",
            "whatever the gateway sends inside this TLS is encrypted with it, and the client decrypts that",
            "whether a KeyUpdate has changed it since, the gateway does not look for",
            "the lifetime that the ticket names: clients come back with it no later",
            "it ends with the connection, at the latest at +24 h",
            "after the client was let in)",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        for said in ["packets under it", "newer key", "a while yet", "not seen"] {
            let keys = page.split("how long they live").nth(1);
            let keys = keys.or_else(|| page.split("\nKEYS").nth(1)).expect("its keys");
            let keys = keys.to_lowercase();
            let keys = keys.split("who could read").next().unwrap_or_default();
            assert!(!keys.contains(said), "{said}: {keys}");
        }
    }
    // One that was not given is not told, nor where it is not known.
    let at_the_gateway = meeting(Ok(&without_tickets), Outcome::Open);
    let told = AtTheGateway { keys: keys.clone(), ..at_the_gateway }.story();
    let ids: Vec<_> = told.keys.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids[2..], ["tls0-traffic0-client", "tls0-traffic0-server"], "{ids:?}");
    let told = AtTheGateway { keys, ..meeting(Err(Lack::OnlyFailures), Outcome::Open) }.story();
    assert_eq!(told.keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["tls0-traffic"]);
    assert_eq!(told.steps[0].chapter, Chapter::Hello, "TLS has no knock");
}

#[test]
fn what_came_before_tls_is_a_gap_that_names_the_protocol_and_has_none_of_its_words() {
    let (said, log) = mail(&[]);
    let after = TlsHandshake { after: Some("smtp"), ..of(&said, true, Some(Lack::Inside)) };
    let told = story(&after.keep(KeyLog::parse(&log).unwrap()).unwrap(), Outcome::Open);
    assert_eq!(entries(&told)[..2], ["in_the_clear", "client_hello"]);
    assert_eq!(told.steps[0].fields[0].value, "smtp");
    assert_eq!(told.title, "A TLS 1.3 handshake after STARTTLS");
}

#[test]
fn without_its_secrets_the_first_messages_are_told_and_what_follows_is_a_gap() {
    let (said, _) = mail(&[]);
    let kept = of(&said, false, None).keep(KeyLog::default()).unwrap();
    let told = entries(&story(&kept, Outcome::Open));
    assert_eq!(told[..2], ["client_hello", "server_hello"]);
    assert!(told.contains(&"sealed".to_owned()), "{told:?}");
    // Whose TLS ends behind the gateway.
    let first_message = of(&said[..1], true, Some(Lack::PassedOn));
    let kept = first_message.keep(KeyLog::default()).unwrap();
    let told = story(&kept, Outcome::Open);
    assert_eq!(entries(&told), ["client_hello", "not_kept"]);
    assert_eq!(told.steps[1].fields[0].value, Lack::PassedOn.sentence());
}

#[test]
fn half_a_message_is_nothing_and_what_has_no_end_is_kept_as_far_as_there_is_room() {
    let (said, log) = mail(&[]);
    let (side, hello) = &said[0];
    let half = [(*side, hello[..hello.len() - 1].to_vec())];
    assert!(of(&half, false, None).keep(KeyLog::default()).is_none());
    assert!(of(&[], false, None).keep(KeyLog::default()).is_none());
    let nonsense = [(Side::Client, b"GET / HTTP/1.1\r\n".to_vec())];
    let kept = of(&nonsense, false, None).keep(KeyLog::default()).unwrap();
    assert_eq!(entries(&story(&kept, Outcome::Open)), ["unreadable"]);
    let endless: Vec<_> = said.iter().chain(said.iter().cycle().take(4_000)).cloned().collect();
    let endless = TlsHandshake { lacks: true, ..of(&endless, false, None) };
    let kept = endless.keep(KeyLog::parse(&log).unwrap()).unwrap();
    assert!(kept.size() <= MOST_KEPT, "{} bytes", kept.size());
    let told = story(&kept, Outcome::Open);
    let last = told.steps.last().unwrap();
    assert_eq!(last.fields[0].value, Lack::TooLong.sentence());
}

#[test]
fn no_secret_is_left_of_it() {
    let (said, log) = mail(&[]);
    let kept = of(&said, true, None).keep(KeyLog::parse(&log).unwrap()).unwrap();
    let told = story(&kept, Outcome::Open);
    let stories = Stories { version: VERSION, stories: vec![told], left_out: Vec::new() };
    let secrets: Vec<_> = log.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    for output in [render::json(&stories), render::html(&stories), format!("{kept:?}")] {
        assert!(secrets.iter().all(|secret| !output.to_lowercase().contains(secret)));
    }
    assert!(secrets.len() >= 4, "so that there is something to find");
}

/// As the door takes it.
fn without_the_clients_data(log: &str) -> String {
    let of_data = ["EXPORTER_SECRET", "CLIENT_TRAFFIC_SECRET_0"];
    let lines = log.lines().filter(|line| !of_data.iter().any(|label| line.starts_with(label)));
    lines.map(|line| format!("{line}\n")).collect()
}

fn of(said: &[(Side, Vec<u8>)], went_well: bool, rest: Option<Lack>) -> TlsHandshake<'_> {
    let at = |number: u64| 1_790_000_000_000_000 + number * 10_000;
    let pieces = (1..).zip(said).map(|(number, (by, bytes))| (at(number), *by, &bytes[..]));
    TlsHandshake { pieces: pieces.collect(), after: None, went_well, lacks: false, rest }
}

fn stories(story: Story) -> Stories {
    Stories { version: VERSION, stories: vec![story], left_out: Vec::new() }
}

/// An open connection.
pub(crate) fn open(kept: &Kept) -> Story {
    story(kept, Outcome::Open)
}

fn story(kept: &Kept, outcome: Outcome) -> Story {
    meeting(Ok(kept), outcome).story()
}

fn meeting(kept: Result<&Kept, Lack>, outcome: Outcome) -> AtTheGateway<'_> {
    AtTheGateway {
        protocol: Protocol::Tls,
        transport: "tcp",
        client: "192.0.2.7:40000".to_owned(),
        server: "192.0.2.1:443".to_owned(),
        at: 0,
        renewed: None,
        kept,
        judgements: Vec::new(),
        records: None,
        keys: Vec::new(),
        outcome,
    }
}
