//! Handshakes that broke: who ended it, why, and what mends it.

use std::fs;
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{Keys, Known, read};
use explain::story::Ending;

use crate::recordings::{folder, given_key, tell};

#[test]
fn the_cases_that_end_in_silence_name_cause_and_mend() {
    let ending = |recording: &str, keys: Keys| {
        let stories = tell(&folder().join(recording), keys);
        match stories.stories[0].ending.clone() {
            Ending::Broken(broken) => broken,
            other => panic!("{recording}: {other:?}"),
        }
    };
    let wrong = "openvpn-udp-sha256-wrong-key.pcap";
    let blind = ending(wrong, Keys::default());
    assert_eq!((blind.code.as_str(), blind.by), ("reset_unanswered", None));
    assert!(blind.mends.iter().any(|mend| mend.contains("tls-auth key")), "{:?}", blind.mends);
    assert_eq!(ending(wrong, given_key()).code, "wrong_tls_auth");
    let blocked = ending("openvpn-udp-sha256-blocked.pcap", given_key());
    assert_eq!(blocked.code, "reset_unanswered");
    // Its code fits the given key, which says nothing of the server's.
    assert!(blocked.sentence.contains("another tls-auth key than the one given"), "{blocked:?}");
    for cause in ["blocks UDP", "the tls-auth key, its direction", "direction (1 here, 0 there)"] {
        assert!(blocked.mends[0].contains(cause), "{cause}: {blocked:?}");
    }
    let direction = tell(&folder().join("openvpn-udp-sha256-wrong-direction.pcap"), given_key());
    let first = &direction.stories[0].steps[0];
    let sent =
        first.fields.iter().find(|field| field.name == "key_direction_of_the_sender").unwrap();
    assert_eq!(sent.value, "0", "a client has direction 1");
    let Ending::Broken(broken) = &direction.stories[0].ending else {
        panic!("{:?}", direction.stories[0].ending)
    };
    assert_eq!(broken.code, "wrong_key_direction");
}

#[test]
fn the_side_that_refused_is_the_one_that_is_named() {
    for (recording, code, by) in [
        ("tls1_3-p256-unknown-ca.pcap", "alert_unknown_ca", "client"),
        ("tls1_3-p256-required.pcap", "alert_certificate_required", "server"),
        ("p256-expired-server.pcap", "alert_certificate_expired", "client"),
        ("p256-expired-client.pcap", "alert_certificate_expired", "server"),
        ("p256-over-server.pcap", "alert_certificate_expired", "client"),
        ("p256-over-client.pcap", "alert_certificate_expired", "server"),
        ("p256-clock-ahead.pcap", "alert_certificate_expired", "client"),
        ("p256-wrong-name.pcap", "alert_bad_certificate", "client"),
        ("p256-revoked-server.pcap", "alert_certificate_revoked", "client"),
        ("p256-revoked-client.pcap", "alert_certificate_revoked", "server"),
        ("p256-no-version.pcap", "alert_protocol_version", "server"),
        ("p256-no-cipher.pcap", "alert_handshake_failure", "server"),
        ("p256-no-protocol.pcap", "alert_no_application_protocol", "server"),
    ] {
        let stories = tell(&folder().join(recording), Keys::default());
        let Ending::Broken(broken) = &stories.stories[0].ending else { panic!("{recording}") };
        assert_eq!((broken.code.as_str(), broken.by.unwrap().word()), (code, by), "{recording}");
        assert!(!broken.mends.is_empty());
    }
}

#[test]
fn what_was_recorded_is_held_against_the_usual_reason_of_an_alert() {
    let broken = |recording: &str| {
        let story = tell(&folder().join(recording), Keys::default()).stories.remove(0);
        let Ending::Broken(broken) = story.ending else { panic!("{recording}") };
        broken
    };
    let name = broken("p256-wrong-name.pcap");
    let cause = "Most likely the client insists on another name than it sends (as by verify-x509-name), and that one does not stand in the certificate, which is for www.recorded.example";
    assert!(name.mends[0].starts_with(cause), "{name:?}");
    let clock = broken("p256-clock-ahead.pcap");
    let valid = "by the clock of the machine that recorded this it was valid.";
    assert!(clock.sentence.ends_with(valid), "{clock:?}");
    assert!(clock.mends[0].starts_with("Compare `date -u` on the client, which"), "{clock:?}");
    assert!(broken("p256-expired-client.pcap").mends[0].contains("on the server, which refused"));
    // One whose time is over by both clocks is no matter of clocks.
    let over = broken("p256-over-server.pcap");
    assert!(over.sentence.starts_with("The server's certificate has expired, by the"), "{over:?}");
    assert!(over.mends[0].starts_with("Renew the server's certificate"), "{over:?}");
    let over = broken("p256-over-client.pcap");
    assert!(over.mends[0].starts_with("Give the client a new certificate"), "{over:?}");
    let cipher = broken("p256-no-cipher.pcap");
    assert!(!cipher.sentence.contains("wants a certificate"), "none was asked for: {cipher:?}");
    let story = tell(&folder().join("p256-no-cipher.pcap"), Keys::default()).stories.remove(0);
    assert_eq!(story.missing[0], "server_hello_old", "the client offers nothing newer");
    // In the clear anybody could have sent it; under a key of TLS only the other end.
    let clear = |broken: &explain::story::Broken| {
        broken.mends.iter().any(|mend| mend.starts_with("It came in the clear"))
    };
    assert!(clear(&name) && clear(&clock) && clear(&cipher));
    assert!(!clear(&broken("p256-revoked-client.pcap")));
}

#[test]
fn a_name_that_the_certificate_has_not_is_said_to_be_the_reason() {
    let mut bytes = fs::read(folder().join("p256-wrong-name.pcap")).unwrap();
    let (name, other) = (b"www.recorded.example", b"web.recorded.example");
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(other);
    let log = fs::read_to_string(folder().join("p256-wrong-name.keys")).unwrap();
    let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), keys: Keys::default() };
    let story = read(bytes.as_slice(), known).unwrap().stories.remove(0);
    let Ending::Broken(broken) = story.ending else { panic!("{:?}", story.ending) };
    assert!(broken.mends[0].contains("does not stand in the certificate"), "{broken:?}");
}
