//! A revocation closes the session at once and the door for good, and openssl sees it.

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interop::{Ping, PingReport, Stock, Subscriber, World, wait_until};

/// The most that may lie between an order and the last answer.
const AT_ONCE: f64 = 1.0;

#[test]
fn a_revoked_device_is_out_within_a_second_and_stays_out() {
    let name = "a_revoked_device_is_out_within_a_second_and_stays_out";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "split");
    let bob = world.subscriber("bob", "split");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &["--auth-retry", "nointeract"]);
    stock.connected();
    let order = ["device", "revoke", "alice/default", "--reason", "key-compromise"];
    let (ordered, report) = order_under_ping(&world, &alice, &order);
    let event = world.json(&["events"]);
    let revoked = event
        .as_array()
        .and_then(|all| all.iter().find(|event| event["what"] == "certificate_revoked").cloned());
    let revoked = revoked.unwrap_or_else(|| panic!("no event of a revocation: {event}"));
    let last = report.last_answer.expect("it answered before");
    println!("FIGURE from the order to the last answer: {:.0} ms", (last - ordered) * 1000.0);
    println!("FIGURE the commit's time stamp is {}", revoked["at"]);
    // The commit lies behind the order, so this bounds what is asked for from above.
    assert!(last - ordered < AT_ONCE, "{ordered} {last}\n{}", world.log());
    assert!(report.lost() > 0, "the session went on");

    let refused = || world.counted("revoked") >= 2;
    assert!(wait_until(Duration::from_secs(20), refused), "{}", world.log());
    let status = world.json(&["status"]);
    let entry = &status["last_refusals"][0];
    assert_eq!(entry["reason"], "revoked", "{status}");
    assert!(entry["sentence"].as_str().unwrap_or("").contains("was revoked"), "{entry}");
    let log = world.log();
    assert!(log.contains("disconnected: the peer's certificate was revoked"), "{log}");
    assert!(log.contains("refused: the peer's certificate was revoked"), "{log}");
    assert_eq!(world.json(&["sessions"]).as_array().map(Vec::len), Some(0));

    openssl_sees_it(&world, &alice, &bob);
    let mut other = Stock::start(&bob.host, &bob.profile(), &[]);
    other.connected();
}

#[test]
fn a_disabled_user_is_out_within_a_second_and_comes_back_when_enabled() {
    let name = "a_disabled_user_is_out_within_a_second_and_comes_back_when_enabled";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let (ordered, report) = order_under_ping(&world, &alice, &["user", "disable", "alice"]);
    let last = report.last_answer.expect("it answered before");
    println!("FIGURE from the order to the last answer: {:.0} ms", (last - ordered) * 1000.0);
    assert!(last - ordered < AT_ONCE, "{ordered} {last}\n{}", world.log());
    assert!(world.log().contains("disconnected: the peer's user is disabled"), "{}", world.log());
    drop(stock);

    let before = world.counted("user_disabled");
    let refused = Stock::start(&alice.host, &alice.profile(), &[]);
    let counted = || world.counted("user_disabled") > before;
    assert!(wait_until(Duration::from_secs(10), counted), "{}", world.log());
    assert!(!refused.0.log().contains("Initialization Sequence Completed"));
    drop(refused);

    world.handfast(&["user", "enable", "alice"]);
    let mut back = Stock::start(&alice.host, &alice.profile(), &[]);
    back.connected();
}

/// Gives an order half a second into a ping every 10 ms. When it was given, and what came back.
fn order_under_ping(world: &World, who: &Subscriber, order: &[&str]) -> (f64, PingReport) {
    let inside: IpAddr = "10.71.0.1".parse().expect("an address");
    let log = world.file("ping.log");
    let interval = Duration::from_millis(10);
    let ping = Ping::start(&who.host.netns, inside, 1000, interval, &log).expect("ping starts");
    std::thread::sleep(Duration::from_millis(500));
    let ordered = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    world.handfast(order);
    std::thread::sleep(Duration::from_millis(2500));
    (ordered, ping.stop())
}

fn openssl_sees_it(world: &World, revoked: &Subscriber, good: &Subscriber) {
    let (ca, crl) = (world.file("ca.pem"), world.file("crl.pem"));
    let pem = world.handfast(&["crl", "show", "--pem"]);
    fs::write(&crl, &pem).expect("written");
    world.handfast(&["ca", "export", "--out", &ca.display().to_string()]);
    let (ca, crl) = (ca.display().to_string(), crl.display().to_string());
    let listing = openssl(&["crl", "-in", &crl, "-CAfile", &ca, "-noout", "-text"]);
    assert!(listing.contains("verify OK"), "{listing}");
    let certificate = |who: &Subscriber| who.folder.join("vpn.crt").display().to_string();
    let serial = openssl(&["x509", "-in", &certificate(revoked), "-noout", "-serial"]);
    let serial = serial.trim().trim_start_matches("serial=");
    assert!(listing.contains(serial), "{serial} is not in {listing}");
    let verify = |who| {
        let leaf = certificate(who);
        openssl(&["verify", "-x509_strict", "-crl_check", "-CAfile", &ca, "-CRLfile", &crl, &leaf])
    };
    assert!(verify(good).contains(": OK"), "{}", verify(good));
    assert!(verify(revoked).contains("certificate revoked"), "{}", verify(revoked));
}

/// What openssl says, on both outputs.
fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().expect("openssl runs");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}
