//! The gateway's own certificates renew themselves under a stock client's traffic, which sees each new one.
//!
//! They live for a minute here; for ten with `HANDFAST_LONG=1`.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use interop::{Ping, Stock, World, long};

#[test]
fn a_certificate_of_minutes_is_renewed_under_traffic_and_outlived_by_the_session() {
    let name = "a_certificate_of_minutes_is_renewed_under_traffic_and_outlived_by_the_session";
    let minutes = if long() { 10 } else { 1 };
    let life = format!("\"{minutes}m\"");
    let settings = [("ca.gateway_validity", life.as_str()), ("ca.key_type", "\"p256\"")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let seen = world.file("seen");
    let script = world.file("note");
    // Which certificate the client is shown, at each handshake.
    let note =
        format!("#!/bin/sh\n[ $1 = 0 ] && echo $tls_serial_hex_0 >>{}\ntrue\n", seen.display());
    fs::write(&script, note).expect("a script");
    let noting = format!("/bin/sh {}", script.display());
    let more = ["--script-security", "2", "--tls-verify", &noting, "--reneg-sec", "8"];
    let mut stock = Stock::start(&alice.host, &alice.profile(), &more);
    stock.connected();

    // Until the first one is over.
    let pings = (minutes * 60 + 2) * 10;
    let inside: IpAddr = "10.71.0.1".parse().expect("an address");
    let (log, each) = (world.file("ping.log"), Duration::from_millis(100));
    // The first may come before its tunnel is there.
    Ping::run(&alice.host.netns, inside, 3, each, &log);
    let report = Ping::run(&alice.host.netns, inside, pings, each, &log);
    assert_eq!((report.sent, report.lost()), (pings, 0), "{}\n{}", stock.0.log(), world.log());
    assert_eq!(stock.said("Initialization Sequence Completed"), 1, "{}", stock.0.log());
    let seen = fs::read_to_string(&seen).expect("it was noted");
    let serials: BTreeSet<_> = seen.lines().collect();
    let renewals = world.log().matches("the gateway's own certificates were renewed").count();
    println!(
        "FIGURE life {minutes} min: {renewals} renewals, {} certificates in {} handshakes, {} pings, {} lost",
        serials.len(),
        seen.lines().count(),
        report.sent,
        report.lost()
    );
    assert!(
        renewals >= 1 && serials.len() > renewals,
        "{renewals} renewals: {seen}\n{}",
        world.log()
    );

    let bob = world.subscriber("bob", "unified");
    Stock::start(&bob.host, &bob.profile(), &[]).connected();
}
