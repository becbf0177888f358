//! OpenVPN 3, the engine of OpenVPN Connect on phones, Windows and Mac, as a client of ours.

use std::net::SocketAddr;
use std::time::Duration;

use interop::{Delay, OpenVpn3, Ping, World, long};

/// How many renewals, where somebody says so.
fn asked_for() -> Option<u32> {
    std::env::var("HANDFAST_RENEWALS").ok().map(|n| n.parse().expect("a number"))
}

const ROUTES: (&str, &str) = ("vpn.push.routes", r#"["10.99.0.0/24"]"#);

#[test]
fn openvpn_3_connects_and_reaches_the_host_behind_the_gateway() {
    let name = "openvpn_3_connects_and_reaches_the_host_behind_the_gateway";
    let Some(mut world) = World::start(name, &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    let Some(mut client) = OpenVpn3::start(name, &alice.host, &alice.profile()) else { return };
    client.connected();
    let (target, log) = (world.lan.v4[0].into(), world.file("ping.log"));
    let report = Ping::run(&alice.host.netns, target, 20, Duration::from_millis(50), &log);
    assert_eq!((report.sent, report.lost()), (20, 0), "{}", client.0.log());
    assert_eq!(world.sessions().len(), 1);
}

/// It seals with the former key for a minute after each renegotiation, so keys have to live longer than that
/// here; the short form sees one renewal only. `HANDFAST_RENEWALS=20` beside the long form makes as many, in as
/// many times 75 s.
#[test]
fn openvpn_3_at_20_ms_loses_no_ping_to_renegotiations_that_the_gateway_begins() {
    let name = "openvpn_3_at_20_ms_loses_no_ping_to_renegotiations_that_the_gateway_begins";
    let (every, renewals) = if long() { (75, asked_for().unwrap_or(3)) } else { (15, 1) };
    let (seconds, at_least) = (every * renewals + every / 2, f64::from(renewals));
    let every = &every.to_string();
    let Some(mut world) = World::start(name, &[ROUTES, ("vpn.reneg_sec", every)]) else { return };
    let alice = world.subscriber("alice", "unified");
    let way = world.host();
    let gateway = SocketAddr::new(world.gateway.v4[0].into(), 1194);
    let _delay = Delay::start(&way, gateway, Duration::from_millis(20)).expect("a longer way");
    let profile = alice.profile_to(&way.v4[0].to_string());
    let Some(mut client) = OpenVpn3::start(name, &alice.host, &profile) else { return };
    client.connected();
    let (target, log) = (world.lan.v4[0].into(), world.file("ping.log"));
    let interval = Duration::from_millis(20);
    let report = Ping::run(&alice.host.netns, target, seconds * 50, interval, &log);
    let renewed = world.figure("handfast_renegotiations_total");
    println!("FIGURE {renewed} renegotiations, {} pings, {} lost", report.sent, report.lost());
    let said = || format!("{}\n{}", client.0.log(), world.log());
    assert_eq!((report.sent, report.lost()), (seconds * 50, 0), "{}", said());
    assert!(renewed >= at_least, "{renewed} renegotiations\n{}", said());
    assert_eq!(client.said("Client INFO: Connected"), 1, "{}", said());
    assert_eq!(world.sessions().len(), 1, "{}", said());
}
