//! Keys are renewed under pings, begun by either side, and none is lost.

use std::net::IpAddr;
use std::time::Duration;

use interop::{Ping, Stock, World, long};

const ROUTES: (&str, &str) = ("vpn.push.routes", r#"["10.99.0.0/24"]"#);

#[test]
fn renegotiations_that_the_client_begins_lose_no_ping() {
    let name = "renegotiations_that_the_client_begins_lose_no_ping";
    renewed_under_pings(name, &[ROUTES], &["--reneg-sec", "5"]);
}

#[test]
fn renegotiations_that_the_gateway_begins_lose_no_ping() {
    let name = "renegotiations_that_the_gateway_begins_lose_no_ping";
    renewed_under_pings(name, &[ROUTES, ("vpn.reneg_sec", "5")], &[]);
}

#[test]
fn renegotiations_begun_by_both_sides_at_once_lose_no_ping() {
    let name = "renegotiations_begun_by_both_sides_at_once_lose_no_ping";
    renewed_under_pings(name, &[ROUTES, ("vpn.reneg_sec", "5")], &["--reneg-sec", "5"]);
}

#[test]
fn renegotiations_in_tls_1_2_lose_no_ping() {
    let name = "renegotiations_in_tls_1_2_lose_no_ping";
    let settings = [ROUTES, ("vpn.reneg_sec", "5")];
    renewed_under_pings(name, &settings, &["--tls-version-max", "1.2"]);
}

fn renewed_under_pings(name: &str, settings: &[(&str, &str)], more: &[&str]) {
    let Some(mut world) = World::start(name, settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), more);
    stock.connected();
    let (seconds, at_least) = if long() { (60, 10) } else { (16, 2) };
    let target: IpAddr = world.lan.v4[0].into();
    let log = world.file("ping.log");
    let interval = Duration::from_millis(10);
    let report = Ping::run(&alice.host.netns, target, seconds * 100, interval, &log);
    let renewed = world.figure("handfast_renegotiations_total");
    let seen = stock.said("Control Channel: TLS");
    println!("{renewed} renegotiations, {} pings, {} lost", report.sent, report.lost());
    assert_eq!((report.sent, report.lost()), (seconds * 100, 0), "{}", stock.0.log());
    assert!(renewed >= f64::from(at_least), "{renewed} renegotiations\n{}", world.log());
    assert!(seen > at_least as usize, "{seen} keys at the client\n{}", stock.0.log());
    assert_eq!(stock.said("Initialization Sequence Completed"), 1, "{}", stock.0.log());
}
