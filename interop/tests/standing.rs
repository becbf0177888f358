//! `handfast connect` and the standing of the server's certificate: by what the gateway staples, by OCSP, by CRL,
//! each with the others off; what is refused; and what each setting does where nobody answers.

mod forged;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use interop::{Own, Subscriber, World, wait_until};
use pki::ocsp::OcspStatus;
use pki::{Profile, Publishing, Revocation, RevocationReason};
use store::Holder;

use forged::{DAY, Forger, posing, raw_responder, record, responder, revoke};

#[test]
fn a_gateway_that_staples_needs_nobody_else() {
    let name = "a_gateway_that_staples_needs_nobody_else";
    let Some(mut world) = World::start(name, &[("publish.listen", "[]")]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut client = Own::start(&alice.host, &alice.profile());
    client.connected();
    assert!(!client.0.log().contains("warning"), "{}", client.0.log());
}

#[test]
fn a_thief_with_a_revoked_certificate_is_refused_by_ocsp_and_by_the_crl() {
    let name = "a_thief_with_a_revoked_certificate_is_refused_by_ocsp_and_by_the_crl";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let forger = Forger::with_the_key_of(&world.data());
    let tag = forger.tag();
    let [crl, ocsp] = ["crl", "ocsp"].map(|what| {
        let separator = if what == "crl" { '.' } else { '/' };
        format!("http://203.0.113.2/ca/{tag}{separator}{what}")
    });
    let naming = |crl_url: Option<&String>, ocsp_url: Option<&String>| {
        let publishing =
            Publishing { crl_url: crl_url.cloned(), ocsp_url: ocsp_url.cloned(), issuer_url: None };
        let pair = forger.issue_naming(gateway(), (-3000, 30 * DAY), publishing);
        record(&world.data(), &pair, Holder::Other("another gateway".into()));
        pair
    };
    let pairs = [naming(None, Some(&ocsp)), naming(Some(&crl), None)];
    world.bring_up();
    let mut servers = Vec::new();
    for (pair, port) in pairs.iter().zip([1197, 1198]) {
        servers.push(posing(&world, &alice, pair, port));
        let mut client = start(&alice, port, &[]);
        client.connected();
        assert!(!client.0.log().contains("revoked"), "{}", client.0.log());
    }
    let kept = fs::read_dir(alice.folder.join("state/.answers")).expect("answers are kept");
    let modes: Vec<u32> =
        kept.map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o777).collect();
    assert_eq!(modes, [0o600, 0o600]);

    world.bring_down();
    revoke(&world, |certificate| certificate.holder == Holder::Other("another gateway".into()));
    world.bring_up();
    // What was learnt before holds for an hour, so that only others ask now.
    fs::remove_dir_all(alice.folder.join("state/.answers")).expect("it is forgotten");
    for port in [1197, 1198] {
        let refused = wait_until(Duration::from_secs(20), || {
            let mut client = start(&alice, port, &[]);
            let end = client.0.ends(Duration::from_secs(10)).and_then(|end| end.code());
            let log = client.0.log();
            assert!(end.is_none() || !log.contains("connected to"), "{log}");
            end == Some(11) && log.contains("the server is not trusted") && log.contains("revoked")
        });
        assert!(refused, "port {port}:\n{}", world.log());
    }
}

#[test]
fn where_nobody_answers_or_what_comes_does_not_count_the_setting_decides() {
    let name = "where_nobody_answers_or_what_comes_does_not_count_the_setting_decides";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let forger = Forger::with_the_key_of(&world.data());
    let publishing = Publishing {
        crl_url: Some("http://203.0.113.2:82/list.crl".into()),
        ocsp_url: Some("http://203.0.113.2:81/ocsp".into()),
        issuer_url: None,
    };
    let pair = forger.issue_naming(gateway(), (-3000, 30 * DAY), publishing);
    record(&world.data(), &pair, Holder::Other("another gateway".into()));
    let _server = posing(&world, &alice, &pair, 1197);

    let unknown = "could not be found out whether the server's certificate was revoked";
    let refuses = |why: &str| {
        let mut client = start(&alice, 1197, &[]);
        assert!(client.0.says(unknown, Duration::from_secs(25)), "{}", client.0.log());
        let log = client.0.log();
        assert!(log.contains(why) && !log.contains("connected to"), "{why}: {log}");
        assert!(!routes(&alice).contains("10.72"), "nothing is set up before");
    };
    refuses("was not reached");
    for (word, warning) in [
        ("--revocation=prefer", "the connection goes on all the same"),
        ("--revocation=off", "nobody looks whether"),
    ] {
        let mut client = start(&alice, 1197, &[word]);
        client.connected();
        assert!(client.0.log().contains(warning), "{}", client.0.log());
    }

    // Somebody on the path answers in the CA's place.
    let stale = forger.crl(-8 * DAY, -DAY, &[]);
    let lists = Forger::new().crl(-60, DAY, &[]);
    let good_by_device =
        forger.ocsp(Profile::Device { user: "mallory".into(), device: "x".into() }, &pair);
    let other = forger.issue(gateway(), (-3000, 30 * DAY));
    let of_another = forger.ocsp(Profile::OcspSigner { name: "OCSP".into() }, &other);
    for (ocsp, crl, reasons) in [
        (good_by_device, stale, ["did not appoint", "was due for renewal"]),
        (of_another, lists, ["about another certificate", "another CA's"]),
    ] {
        let answering = [responder(&world, 81, ocsp), responder(&world, 82, crl)];
        reasons.iter().for_each(|why| refuses(why));
        drop(answering);
    }
    let redirect =
        b"HTTP/1.1 302 Found\r\nlocation: http://203.0.113.2:80/\r\ncontent-length: 0\r\n\r\n";
    let _elsewhere = raw_responder(&world, 81, redirect.to_vec());
    refuses("nobody is followed there");
}

#[test]
fn keys_are_renewed_with_no_certificate_that_is_not_settled_beforehand() {
    let name = "keys_are_renewed_with_no_certificate_that_is_not_settled_beforehand";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let forger = Forger::with_the_key_of(&world.data());
    let ocsp_url = Some("http://203.0.113.2:81/ocsp".into());
    let publishing = Publishing { ocsp_url, ..Publishing::default() };
    let pair = forger.issue_naming(gateway(), (-3000, 30 * DAY), publishing);
    let _server = posing(&world, &alice, &pair, 1197);
    let at = clock::Timestamp::from_unix_secs(1_700_000_000);
    let revoked = OcspStatus::Revoked(Revocation { at, reason: RevocationReason::KeyCompromise });
    let profile = alice.profile_with("remote 203.0.113.2 1197 udp4\nreneg-sec 25");
    // The first answer runs out, with what clocks may differ by, before the renewal; nothing is asked on time
    // until a minute has passed.
    let connected = || {
        let soon_stale = forger.answer(&pair, OcspStatus::Good, -3600 - 285);
        let _responder = responder(&world, 81, soon_stale);
        let mut client = Own::start(&alice.host, &profile);
        client.connected();
        client
    };

    let mut client = connected();
    let fresh = responder(&world, 81, forger.answer(&pair, OcspStatus::Good, 0));
    assert!(client.0.says("by now it is known to hold", WAIT), "{}", client.0.log());
    let again = || client.0.log().matches("connected to").count() == 2;
    assert!(wait_until(WAIT, again) && !client.0.log().contains("renewed\n"), "{}", client.0.log());
    drop((client, fresh));

    fs::remove_dir_all(alice.folder.join("state/.answers")).expect("it is forgotten");
    let mut client = connected();
    let _revoked = responder(&world, 81, forger.answer(&pair, revoked, 0));
    let end = client.0.ends(WAIT).and_then(|end| end.code());
    let log = client.0.log();
    assert_eq!(end, Some(11), "{log}");
    assert!(log.contains("the server is not trusted") && !log.contains("keys renewed"), "{log}");
}

const WAIT: Duration = Duration::from_secs(45);

fn gateway() -> Profile {
    Profile::Gateway { names: vec!["203.0.113.2".into()] }
}

/// Our client, to another server of the gateway's machine.
fn start(alice: &Subscriber, port: u16, arguments: &[&str]) -> Own {
    let profile = alice.profile_with(&format!("remote 203.0.113.2 {port} udp4"));
    Own::start_with(arguments, &alice.host, &profile)
}

fn routes(alice: &Subscriber) -> String {
    let mut command = std::process::Command::new("ip");
    command.args(["-4", "route"]);
    let output = alice.host.netns.output(command).expect("ip runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
