//! The fences around a tunnel, with a veth in the place of the TUN. Needs root and nft; says why if
//! it skips.
//!
//! ```text
//!   subscriber            gateway              outside (its route to 10.71/16, fd71::/64: gateway)
//!   hf1 .2 --10.71.0.0/16-- .1 hf0  eth0 .1 --192.0.2.0/24-- .9 eth1
//!          --fd71::/64-----         eth2 .1 --198.51.100.0/24-- .9 eth3   beyond
//! ```

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use support::{ip, netns, run};
use sysio::netlink::{IpFamily, LinkChange, Netlink};
use sysio::{
    FirewallError, FirewallHold, FirewallRules, FirewallTable, Netns, Network, TUNNEL_GROUP,
};

#[tokio::test]
async fn only_answers_come_in_and_nobody_outside_poses_as_a_subscriber() {
    let Some(world) = World::new().await else { return };
    // Without a table, on a machine that forwards, everything goes.
    for inner in INNER {
        assert!(world.arrives(Packet { from: &world.outside, source: None, to: inner }), "{inner}");
    }
    let Some(_held) = world.hold(&rules()) else { return };
    for inner in INNER {
        assert!(
            !world.arrives(Packet { from: &world.outside, source: None, to: inner }),
            "{inner}"
        );
    }
    for (outer, inner) in OUTER.into_iter().zip(INNER) {
        assert!(answered(&world.subscriber, &world.outside, outer), "{outer}");
        assert!(answered(&world.subscriber, &world.gateway, own_of(inner)), "{inner}");
        // What is the gateway's inside is nobody's outside; its address outside is everybody's.
        assert!(!answered(&world.outside, &world.gateway, own_of(inner)), "{inner}");
    }
    assert!(answered(&world.outside, &world.gateway, "192.0.2.1"));
}

#[tokio::test]
async fn an_inner_address_is_refused_on_every_other_interface_whatever_rp_filter_says() {
    let Some(world) = World::new().await else { return };
    // Whoever may begin flows by its own address may not do so by somebody else's.
    let everybody = vec![Network::ALL_V4, Network::ALL_V6];
    let posed = [("10.71.0.9", INNER[0]), ("fd71::9", INNER[1])];
    for (source, _) in posed {
        ip(&world.outside, &format!("addr add {source} dev lo"));
    }
    for rp_filter in ["0", "2"] {
        for interface in ["all", "eth0"] {
            let setting = format!("net.ipv4.conf.{interface}.rp_filter={rp_filter}");
            run(&world.gateway, &format!("sysctl -qw {setting}"));
        }
        for (source, to) in posed {
            let posing = Packet { from: &world.outside, source: Some(source), to };
            assert!(world.arrives(posing), "rp_filter {rp_filter} {source}");
            let rules = FirewallRules { allow_in: everybody.clone(), ..rules() };
            let Some(held) = world.hold(&rules) else { return };
            assert!(!world.arrives(posing), "rp_filter {rp_filter} {source}");
            let open = Packet { source: None, ..posing };
            assert!(world.arrives(open), "rp_filter {rp_filter} {source}");
            world.gateway.run(|| drop(held)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_network_that_may_begin_is_let_in_and_its_neighbours_are_not() {
    let Some(world) = World::new().await else { return };
    let allow_in = ["192.0.2.9", "2001:db8::9"].map(|a| Network::host(a.parse().unwrap()));
    let rules = FirewallRules { allow_in: allow_in.into(), ..rules() };
    let Some(_held) = world.hold(&rules) else { return };
    for inner in INNER {
        assert!(world.arrives(Packet { from: &world.outside, source: None, to: inner }), "{inner}");
        assert!(answered(&world.outside, &world.gateway, own_of(inner)), "{inner}");
        assert!(!world.arrives(Packet { from: &world.beyond, source: None, to: inner }), "{inner}");
        assert!(!answered(&world.beyond, &world.gateway, own_of(inner)), "{inner}");
    }
}

#[tokio::test]
async fn between_other_interfaces_a_family_is_forwarded_only_if_it_was_before() {
    let Some(world) = World::new().await else { return };
    for (tunnels_only, passes) in [
        (vec![], [true, true]),
        (vec![IpFamily::V4], [false, true]),
        (vec![IpFamily::V6], [true, false]),
        (vec![IpFamily::V4, IpFamily::V6], [false, false]),
    ] {
        let rules = FirewallRules { tunnels_only, ..rules() };
        let Some(held) = world.hold(&rules) else { return };
        for (to, passes) in ["198.51.100.9", "2001:db8:1::9"].into_iter().zip(passes) {
            let target = &world.beyond;
            assert_eq!(arrives_at(target, &world.outside, None, to), passes, "{to} {rules:?}");
        }
        assert!(answered(&world.subscriber, &world.outside, OUTER[0]), "{rules:?}");
        world.gateway.run(|| drop(held)).unwrap();
    }
}

#[tokio::test]
async fn a_second_gateways_tunnel_passes_the_first_ones_table_and_not_its_own() {
    let Some(world) = World::new().await else { return };
    let (families, hf9) = (vec![IpFamily::V4, IpFamily::V6], "hf9".to_owned());
    // The veth is the second gateway's tunnel here, and the first one's is elsewhere.
    let first = FirewallRules { tun: hf9, inner: vec![], own: vec![], ..rules() };
    let first = FirewallRules { tunnels_only: families.clone(), ..first };
    let second = FirewallRules { tunnels_only: families, ..rules() };
    let Some(_first) = world.hold(&first) else { return };
    let Some(_second) = world.hold(&second) else { return };
    for (outer, inner) in OUTER.into_iter().zip(INNER) {
        assert!(answered(&world.subscriber, &world.outside, outer), "{outer}");
        assert!(
            !world.arrives(Packet { from: &world.outside, source: None, to: inner }),
            "{inner}"
        );
    }
}

/// The subscriber's addresses.
const INNER: [&str; 2] = ["10.71.0.2", "fd71::2"];
/// Those of the host outside.
const OUTER: [&str; 2] = ["192.0.2.9", "2001:db8::9"];

fn own_of(inner: &str) -> &'static str {
    if inner.contains(':') { "fd71::1" } else { "10.71.0.1" }
}

fn rules() -> FirewallRules {
    let network = |address: &str, bits| Network::new(address.parse().unwrap(), bits).unwrap();
    FirewallRules {
        tun: "hf0".to_owned(),
        inner: vec![network("10.71.0.0", 16), network("fd71::", 64)],
        own: vec!["10.71.0.1".parse().unwrap(), "fd71::1".parse().unwrap()],
        allow_in: Vec::new(),
        client_to_client: false,
        masquerade: true,
        tunnels_only: Vec::new(),
    }
}

struct World {
    subscriber: Netns,
    gateway: Netns,
    outside: Netns,
    beyond: Netns,
}

/// A datagram to the subscriber.
#[derive(Clone, Copy)]
struct Packet<'a> {
    from: &'a Netns,
    source: Option<&'a str>,
    to: &'a str,
}

impl World {
    /// A gateway that forwards both families, and hosts that know their way through it.
    async fn new() -> Option<Self> {
        let world =
            Self { subscriber: netns()?, gateway: netns()?, outside: netns()?, beyond: netns()? };
        for netns in [&world.subscriber, &world.gateway, &world.outside, &world.beyond] {
            // Neighbours are found at once where nobody looks for a second one of the same address.
            for interface in ["all", "default"] {
                run(netns, &format!("sysctl -qw net.ipv6.conf.{interface}.accept_dad=0"));
            }
        }
        cable(&world.gateway, "hf0", &world.subscriber, "hf1").await;
        cable(&world.gateway, "eth0", &world.outside, "eth1").await;
        cable(&world.gateway, "eth2", &world.beyond, "eth3").await;
        for (netns, name, addresses) in [
            (&world.subscriber, "hf1", ["10.71.0.2/16", "fd71::2/64"]),
            (&world.gateway, "hf0", ["10.71.0.1/16", "fd71::1/64"]),
            (&world.gateway, "eth0", ["192.0.2.1/24", "2001:db8::1/64"]),
            (&world.outside, "eth1", ["192.0.2.9/24", "2001:db8::9/64"]),
            (&world.gateway, "eth2", ["198.51.100.1/24", "2001:db8:1::1/64"]),
            (&world.beyond, "eth3", ["198.51.100.9/24", "2001:db8:1::9/64"]),
        ] {
            ip(netns, &format!("addr add {} dev {name}", addresses[0]));
            ip(netns, &format!("addr add {} dev {name} nodad", addresses[1]));
        }
        for (netns, gateways) in [
            (&world.subscriber, ["10.71.0.1", "fd71::1"]),
            (&world.outside, ["192.0.2.1", "2001:db8::1"]),
            (&world.beyond, ["198.51.100.1", "2001:db8:1::1"]),
        ] {
            for gateway in gateways {
                ip(netns, &format!("route add default via {gateway}"));
            }
        }
        for setting in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
            run(&world.gateway, &format!("sysctl -qw {setting}=1"));
        }
        let netlink = Netlink::open_in(&world.gateway).unwrap();
        let tunnel = LinkChange { group: Some(TUNNEL_GROUP), ..LinkChange::default() };
        netlink.link_set(netlink.link_index("hf0").await.unwrap(), tunnel).await.unwrap();
        Some(world)
    }

    /// `None` and a printed reason where nft is missing.
    fn hold(&self, rules: &FirewallRules) -> Option<FirewallHold> {
        let table = FirewallTable::of_interface(&rules.tun);
        match self.gateway.run(|| table.hold(rules)).unwrap() {
            Err(error @ FirewallError::NotInstalled) => {
                println!("SKIP fences: {error}");
                None
            }
            held => Some(held.unwrap()),
        }
    }

    fn arrives(&self, packet: Packet<'_>) -> bool {
        arrives_at(&self.subscriber, packet.from, packet.source, packet.to)
    }
}

/// Whether a datagram to an address of `target` comes there.
fn arrives_at(target: &Netns, from: &Netns, source: Option<&str>, to: &str) -> bool {
    let bind = |address: &str| {
        UdpSocket::bind(SocketAddr::new(address.parse::<IpAddr>().unwrap(), 0)).unwrap()
    };
    let receiver = target.run(|| bind(to)).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    let any = if to.contains(':') { "::" } else { "0.0.0.0" };
    let sender = from.run(|| bind(source.unwrap_or(any))).unwrap();
    // The first one may be what a neighbour is looked for with.
    for _ in 0..2 {
        sender.send_to(b"hello", receiver.local_addr().unwrap()).unwrap();
    }
    receiver.recv_from(&mut [0; 8]).is_ok()
}

/// Whether a datagram to an address of `target` comes there and its answer comes back.
fn answered(from: &Netns, target: &Netns, to: &str) -> bool {
    let bind = |address: &str| {
        let socket = UdpSocket::bind(SocketAddr::new(address.parse::<IpAddr>().unwrap(), 0));
        let socket = socket.unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        socket
    };
    let server = target.run(|| bind(to)).unwrap();
    let any = if to.contains(':') { "::" } else { "0.0.0.0" };
    let client = from.run(|| bind(any)).unwrap();
    client.send_to(b"question", server.local_addr().unwrap()).unwrap();
    let Ok((_, back)) = server.recv_from(&mut [0; 8]) else { return false };
    server.send_to(b"answer", back).unwrap();
    client.recv_from(&mut [0; 8]).is_ok()
}

async fn cable(near: &Netns, name: &str, far: &Netns, far_name: &str) {
    let netlink = Netlink::open_in(near).unwrap();
    netlink.veth_add(name, far_name).await.unwrap();
    netlink.link_move(netlink.link_index(far_name).await.unwrap(), far).await.unwrap();
    ip(near, &format!("link set {name} up"));
    ip(far, &format!("link set {far_name} up"));
}
