//! Which certificate is ordered next, and what is said of those that are not there.

use acme::AcmeError;
use front::{CertificateSource, KeyKind};

use super::*;

#[test]
fn the_one_that_never_failed_comes_first_and_no_one_before_the_ca_may_be_asked() {
    let settings = settings(&["one.test", "two.test"]);
    let mut held = held(&settings);
    assert_eq!(next(&held, &settings), ("one.test".to_owned(), at(0)));
    let one = wanted(&settings.server[0], "").remove(0);
    let refused = AcmeError::Refused { said: "no".to_owned() };
    held.all.get_mut(&one).unwrap().pace.failed(&refused, at(100));
    assert_eq!(next(&held, &settings), ("two.test".to_owned(), at(0)));
    held.ca.failed(&AcmeError::Busy { said: "later".to_owned(), until: None }, at(100));
    assert_eq!(next(&held, &settings).1, at(130), "the CA is not ready");
}

#[test]
fn those_that_fail_take_turns_and_both_kinds_of_key_share_a_pace() {
    let mut settings = settings(&["one.test", "two.test"]);
    settings.server[0].key_types = vec![KeyKind::P256, KeyKind::Rsa];
    let mut held = held(&settings);
    let one = wanted(&settings.server[0], "").remove(0);
    held.all.get_mut(&one).unwrap().asked = Some(at(50));
    let busy = AcmeError::Busy { said: "later".to_owned(), until: None };
    held.all.get_mut(&one).unwrap().pace.failed(&busy, at(50));
    held.ca.failed(&busy, at(50));
    held.share_pace(&one);
    assert_eq!(next(&held, &settings).0, "two.test", "it was never asked for");
    let rsa = wanted(&settings.server[0], "").remove(1);
    assert_eq!(held.all[&rsa].pace, held.all[&one].pace);
}

#[test]
fn another_ca_is_asked_for_another_certificate() {
    let settings = settings(&["one.test"]);
    let (staging, real) = (wanted(&settings.server[0], "a"), wanted(&settings.server[0], "b"));
    assert_ne!(staging, real);
}

#[test]
fn whoever_has_not_agreed_hears_it_of_each_and_no_longer_once_that_is_done() {
    let settings = settings(&["one.test", "two.test"]);
    let mut held = held(&settings);
    held.agree(false);
    let said = |held: &Held| {
        let lacking = held.all.values().filter_map(State::lacking);
        lacking.map(|lacking| lacking.what).collect::<Vec<_>>()
    };
    assert_eq!(said(&held), ["nobody has agreed to the CA's terms of service"; 2]);
    held.agree(true);
    assert_eq!(said(&held), ["the CA is asked for it at this moment"; 2]);
}

#[test]
fn servers_of_one_name_and_both_kinds_of_key_have_a_certificate_of_each_kind() {
    let mut settings = settings(&["one.test", "one.test"]);
    for server in &mut settings.server {
        server.key_types = vec![KeyKind::P256, KeyKind::Rsa];
    }
    assert_eq!(held(&settings).all.len(), 2);
    settings.server[0].passthrough = true;
    assert_eq!(wanted(&settings.server[0], ""), []);
}

fn next(held: &Held, settings: &Settings) -> (String, Timestamp) {
    let (wanted, at) = held.next(settings, at(100)).expect("one is due");
    (wanted.names[0].clone(), at)
}

fn held(settings: &Settings) -> Held {
    let all = settings.server.iter().flat_map(|server| wanted(server, ""));
    Held { all: all.map(|one| (one, State::default())).collect(), ..Held::default() }
}

fn settings(names: &[&str]) -> Settings {
    let server = |name: &&str| {
        let backend = "tcp:127.0.0.1:7".parse().unwrap();
        let mut server = VirtualServer::new(name.parse().unwrap(), backend);
        server.certificate = CertificateSource::Acme;
        server
    };
    Settings { server: names.iter().map(server).collect(), ..Settings::default() }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_secs(seconds)
}
