//! The data path with each part of the offload left out: slower, and as right. CI looks at a third of them each day.
//!
//! Alone: files go as fast as they can.

use std::net::IpAddr;
use std::time::Duration;

use interop::{FileServer, Own, Stock, Subscriber, World, of_today};
use sysio::lab::Host;

#[test]
fn every_fallback_carries_files_both_ways_between_our_ends() {
    let name = "every_fallback_carries_files_both_ways_between_our_ends";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let alice = world.subscriber("alice", "unified");
    for (parts, said) in of_today(FALLBACKS, 3) {
        restart(&mut world, parts);
        let mut client = Own::start_without(parts, &alice.host, &alice.profile());
        client.connected();
        assert!(world.log().contains(said), "{said}\n{}", world.log());
        carry(&world, &alice, parts);
        client.0.signal("TERM");
        client.0.ends(Duration::from_secs(10));
    }
}

#[test]
fn one_end_without_what_the_other_has_carries_files_both_ways() {
    let name = "one_end_without_what_the_other_has_carries_files_both_ways";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let alice = world.subscriber("alice", "unified");
    for (gateway, parts) in [("", "all"), ("all", "")] {
        restart(&mut world, gateway);
        let mut client = Own::start_without(parts, &alice.host, &alice.profile());
        client.connected();
        carry(&world, &alice, parts);
        client.0.signal("TERM");
        client.0.ends(Duration::from_secs(10));
    }
}

#[test]
fn every_fallback_carries_files_both_ways_to_a_stock_client() {
    let name = "every_fallback_carries_files_both_ways_to_a_stock_client";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let alice = world.subscriber("alice", "unified");
    for (parts, _) in of_today(FALLBACKS, 3) {
        restart(&mut world, parts);
        let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
        stock.connected();
        carry(&world, &alice, parts);
        stock.0.signal("TERM");
        stock.0.ends(Duration::from_secs(5));
    }
}

fn restart(world: &mut World, parts: &'static str) {
    world.bring_down();
    world.without = parts;
    world.bring_up();
}

/// A file from the host behind the gateway to the client and one back, in both families.
fn carry(world: &World, alice: &Subscriber, parts: &str) {
    assert!(world.sessions_become(1, Duration::from_secs(10)));
    for target in [IpAddr::from(world.lan.v4[0]), world.lan.v6[0].into()] {
        carries(&world.lan, target, &alice.host, parts);
    }
    let session = &world.sessions()[0];
    let addresses = session["addresses"].as_array().expect("the client's addresses");
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        let address = address.as_str().and_then(|text| text.parse().ok()).expect("an address");
        carries(&alice.host, address, &world.gateway, parts);
    }
}

fn carries(from: &Host, address: IpAddr, to: &Host, parts: &str) {
    let server = FileServer::start(from, address, 10_000_000).expect("a file server");
    let (sent, received) = server.fetch(to).expect("the file comes");
    assert_eq!(sent, received, "without {parts:?}, from {address}");
}

const SETTINGS: [(&str, &str); 1] = [("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#)];
const FALLBACKS: [(&str, &str); 10] = [
    ("", "tun=tcp+udp gso=true gro=true steering=true"),
    ("steering", "gso=true gro=true steering=false"),
    ("queues", "steering=true queues=1"),
    ("steering,queues", "steering=false queues=1"),
    ("tun-udp", "tun=tcp gso=true gro=true"),
    ("tun", "tun=none gso=true gro=true"),
    ("gso", "gso=false gro=true"),
    ("gro", "gso=true gro=false"),
    ("affinity", "affinity=false"),
    ("all", "tun=none gso=false gro=false"),
];
