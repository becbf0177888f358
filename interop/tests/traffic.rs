//! Pings and a file through the tunnel, by each address of the gateway and with each form of profile. CI looks at half
//! of the addresses with one form each day, and at the others with the other.
//!
//! Alone: files go as fast as they can.

use std::net::IpAddr;
use std::time::Duration;

use interop::{FileServer, Ping, Stock, World, long, of_today};

#[test]
fn the_unified_profile_loses_no_ping_and_no_byte_by_any_address_of_the_gateway() {
    by_every_address(
        "the_unified_profile_loses_no_ping_and_no_byte_by_any_address_of_the_gateway",
        "unified",
        0,
    );
}

#[test]
fn the_split_profile_loses_no_ping_and_no_byte_by_any_address_of_the_gateway() {
    by_every_address(
        "the_split_profile_loses_no_ping_and_no_byte_by_any_address_of_the_gateway",
        "split",
        1,
    );
}

fn by_every_address(name: &str, form: &str, first: usize) {
    let settings = [("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", form);
    let v4 = world.gateway.v4.iter().copied().map(IpAddr::from);
    let addresses: Vec<_> = v4.chain(world.gateway.v6.iter().copied().map(IpAddr::from)).collect();
    assert_eq!(addresses.len(), 4);
    let mut numbered: Vec<_> = addresses.into_iter().enumerate().collect();
    numbered.rotate_left(first);
    for (number, address) in of_today(numbered, 2) {
        let profile = alice.profile_to(&address.to_string());
        let mut stock = Stock::start(&alice.host, &profile, &[]);
        stock.connected();
        let session = &world.sessions()[0];
        let local = session["local"].as_str().expect("the address it reached");
        assert!(local.contains(&address.to_string()), "{session}");
        let inner: [IpAddr; 2] = [world.lan.v4[0].into(), world.lan.v6[0].into()];
        let target = inner[number % 2];
        let log = world.file("ping.log");
        let report = Ping::run(&alice.host.netns, target, 1000, Duration::from_millis(2), &log);
        assert_eq!((report.sent, report.lost()), (1000, 0), "by {address}\n{}", world.log());
        let size = if long() { 200_000_000 } else { 20_000_000 };
        let server = FileServer::start(&world.lan, target, size).expect("a file server");
        let (sent, received) = server.fetch(&alice.host).expect("the file comes");
        assert_eq!(sent, received, "by {address}");
        println!("by {address}: 1000 pings, 0 lost; {} bytes, {}", sent.bytes, sent.sha256);
        stock.0.signal("TERM");
        stock.0.ends(Duration::from_secs(5));
    }
}
