//! Keys are renewed under traffic, begun by either side, and no packet is lost.

use std::net::IpAddr;
use std::time::Duration;

use interop::{FileServer, Own, Ping, Stock, World, long};

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

/// As fast as the tunnel goes, for a minute in the long run; the key of every dropped packet would be
/// counted by the gateway, or by our client, whose log then says so.
#[test]
fn keys_renewed_every_five_seconds_under_full_load_drop_nothing_at_the_gateway() {
    let name = "keys_renewed_every_five_seconds_under_full_load_drop_nothing_at_the_gateway";
    let Some(mut world) = World::start(name, &[ROUTES, ("vpn.reneg_sec", "5")]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut client = Own::start(&alice.host, &alice.profile());
    client.connected();
    let (lasting, at_least) = if long() { (60, 10.0) } else { (12, 2.0) };
    let (began, mut bytes) = (std::time::Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(lasting) {
        let server = FileServer::start(&world.lan, world.lan.v4[0].into(), 200_000_000);
        let (sent, received) =
            server.expect("a file server").fetch(&alice.host).expect("the file comes");
        assert_eq!(sent, received);
        bytes += received.bytes;
    }
    let rate = bytes as f64 * 8e-9 / began.elapsed().as_secs_f64();
    let renewed = world.figure("handfast_renegotiations_total");
    println!("{renewed} renegotiations under {rate:.1} Gbit/s");
    assert!(renewed >= at_least, "{renewed} renegotiations\n{}", world.log());
    for cause in ["unknown_key", "no_seal_key", "key_used_up", "forged"] {
        assert_eq!(world.counted(cause), 0, "{cause}");
    }
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
