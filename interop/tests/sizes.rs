//! TCP inside the tunnel announces segments that fit, in both directions.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use interop::{Stock, World, segment_sizes};
use sysio::lab::Host;

/// What the gateway holds stock clients to, whose packets no router may cut.
const UNCUT: u32 = 1400;
/// `mssfix 1492 mtu`: outer headers (28 or 48 bytes), DATA_V2 and AES-GCM (24), inner headers.
const BY_IPV4: [u32; 2] = [1492 - 28 - 24 - 40, 1492 - 28 - 24 - 60];
const BY_IPV6: [u32; 2] = [1492 - 48 - 24 - 40, 1492 - 48 - 24 - 60];

#[test]
fn the_gateway_trims_segments_in_both_directions_without_the_clients_help() {
    let name = "the_gateway_trims_segments_in_both_directions_without_the_clients_help";
    let Some(seen) = segments(name, "1492", &["--mssfix", "0"]) else { return };
    let less = 1492 - UNCUT;
    assert_eq!(seen, [same(BY_IPV4.map(|mss| mss - less)), same(BY_IPV6.map(|mss| mss - less))]);
}

#[test]
fn the_stock_client_trims_to_the_same_sizes() {
    let name = "the_stock_client_trims_to_the_same_sizes";
    let Some(seen) = segments(name, "0", &[]) else { return };
    assert_eq!(seen, [same(BY_IPV4), same(BY_IPV6)]);
}

#[test]
fn another_limit_trims_by_as_much() {
    let name = "another_limit_trims_by_as_much";
    let Some(seen) = segments(name, "1300", &["--mssfix", "0"]) else { return };
    assert_eq!(seen, [same(BY_IPV4.map(|mss| mss - 192)), same(BY_IPV6.map(|mss| mss - 192))]);
}

/// The same at both ends.
fn same(mss: [u32; 2]) -> [(u32, u32); 2] {
    mss.map(|mss| (mss, mss))
}

/// For each underlay, for each family inside: what the client and the host behind took.
fn segments(name: &str, mssfix: &str, more: &[&str]) -> Option<[[(u32, u32); 2]; 2]> {
    let routes = ("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#);
    let mut world = World::start(name, &[routes, ("vpn.mssfix", mssfix)])?;
    let alice = world.subscriber("alice", "unified");
    without_timestamps(&alice.host);
    without_timestamps(&world.lan);
    let underlays: [IpAddr; 2] = [world.gateway.v4[0].into(), world.gateway.v6[0].into()];
    let inner: [IpAddr; 2] = [world.lan.v4[0].into(), world.lan.v6[0].into()];
    Some(underlays.map(|underlay| {
        let profile = alice.profile_to(&underlay.to_string());
        let mut stock = Stock::start(&alice.host, &profile, more);
        stock.connected();
        let seen = inner.map(|target| {
            segment_sizes(&alice.host, &world.lan, target).expect("a connection through the tunnel")
        });
        stock.0.signal("TERM");
        stock.0.ends(Duration::from_secs(5));
        seen
    }))
}

fn without_timestamps(host: &Host) {
    let off = || fs::write("/proc/sys/net/ipv4/tcp_timestamps", "0");
    host.netns.run(off).expect("a thread").expect("TCP timestamps are off");
}
