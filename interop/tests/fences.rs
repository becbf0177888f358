//! What a host beside the gateway, without key or certificate, can do to subscribers: nothing.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use interop::{Stock, Subscriber, World};
use sysio::lab::Host;

#[test]
fn a_host_beside_the_gateway_reaches_no_subscriber_and_poses_as_none() {
    let name = "a_host_beside_the_gateway_reaches_no_subscriber_and_poses_as_none";
    let Some(mut world) = World::start(name, &[("vpn.push.routes", ROUTES)]) else { return };
    let (alice, _alice) = connected(&mut world, "alice");
    let (_, _bob) = connected(&mut world, "bob");
    let [alices, bobs] = ["alice", "bob"].map(|user| inner(&world, user));
    for (address, lan) in alices.iter().zip([world.lan.v4[0].into(), world.lan.v6[0].into()]) {
        assert!(answered(&alice.host, &world.lan, lan), "{lan}");
        assert!(!arrives(&alice.host, &world.lan, None, *address), "{address}");
    }
    for rp_filter in ["0", "2"] {
        for interface in ["all", "lan0", "eth0"] {
            let setting = format!("net.ipv4.conf.{interface}.rp_filter={rp_filter}");
            run(&world.gateway, &["sysctl", "-qw", &setting]);
        }
        for (address, posed) in alices.iter().zip(&bobs) {
            let posed_text = posed.to_string();
            let mut words = vec!["ip", "addr", "replace", &posed_text, "dev", "lo"];
            // Of use at once.
            words.extend(posed.is_ipv6().then_some("nodad"));
            run(&world.lan, &words);
            let posing = arrives(&alice.host, &world.lan, Some(*posed), *address);
            assert!(!posing, "rp_filter {rp_filter}, {posed} to {address}");
        }
    }
}

#[test]
fn a_network_that_is_allowed_in_reaches_subscribers_and_no_other_does() {
    let name = "a_network_that_is_allowed_in_reaches_subscribers_and_no_other_does";
    let allowed = r#"["10.99.0.0/24", "fd99::2/128"]"#;
    let settings = [("vpn.push.routes", ROUTES), ("vpn.allow_in", allowed)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let (alice, _alice) = connected(&mut world, "alice");
    run(&world.lan, &["ip", "addr", "add", "fd99::3/64", "dev", "eth0", "nodad"]);
    run(&world.lan, &["ip", "addr", "add", "10.98.0.1/32", "dev", "lo"]);
    run(&world.gateway, &["ip", "route", "add", "10.98.0.1/32", "via", "10.99.0.2"]);
    let others = ["10.98.0.1", "fd99::3"].map(|other| other.parse().expect("an address"));
    let allowed = [world.lan.v4[0].into(), world.lan.v6[0].into()];
    for ((address, from), other) in inner(&world, "alice").into_iter().zip(allowed).zip(others) {
        assert!(arrives(&alice.host, &world.lan, Some(from), address), "{from} to {address}");
        assert!(!arrives(&alice.host, &world.lan, Some(other), address), "{other} to {address}");
    }
}

#[test]
fn a_machine_that_forwarded_nothing_forwards_for_its_tunnel_alone() {
    let name = "a_machine_that_forwarded_nothing_forwards_for_its_tunnel_alone";
    let Some(mut world) = World::start(name, &[("vpn.push.routes", ROUTES)]) else { return };
    let stranger = world.host();
    let target = stranger.v6[0].into();
    // A host that was just made is found after a while.
    assert!((0..10).any(|_| arrives(&stranger, &world.gateway, None, target)));
    assert!(!arrives(&stranger, &world.lan, None, target));
    world.bring_down();
    assert!(!arrives(&stranger, &world.lan, None, target));
    // Whoever let it through before, finds it let through with a gateway too.
    run(&world.gateway, &["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"]);
    assert!(arrives(&stranger, &world.lan, None, target));
    world.bring_up();
    assert!(arrives(&stranger, &world.lan, None, target));
}

const ROUTES: &str = r#"["10.99.0.0/24", "fd99::/64"]"#;

fn connected(world: &mut World, user: &str) -> (Subscriber, Stock) {
    let subscriber = world.subscriber(user, "unified");
    let mut stock = Stock::start(&subscriber.host, &subscriber.profile(), &[]);
    stock.connected();
    (subscriber, stock)
}

/// A user's addresses in the tunnel, IPv4 first.
fn inner(world: &World, user: &str) -> Vec<IpAddr> {
    let sessions = world.sessions();
    let session = sessions.iter().find(|session| session.to_string().contains(user));
    let addresses = session.expect("a session")["addresses"].as_array().expect("addresses").clone();
    addresses.iter().map(|a| a.as_str().expect("text").parse().expect("an address")).collect()
}

/// Whether a datagram to an address of `target` comes there.
fn arrives(target: &Host, from: &Host, source: Option<IpAddr>, to: IpAddr) -> bool {
    let receiver = bound(target, to);
    let sender = bound(from, source.unwrap_or(any(to)));
    for _ in 0..2 {
        // A host that knows no way to it does not reach it either.
        let _ = sender.send_to(b"hello", receiver.local_addr().expect("an address"));
    }
    receiver.recv_from(&mut [0; 8]).is_ok()
}

/// Whether a datagram to an address of `target` comes there and its answer comes back.
fn answered(from: &Host, target: &Host, to: IpAddr) -> bool {
    let (server, client) = (bound(target, to), bound(from, any(to)));
    client.send_to(b"question", server.local_addr().expect("an address")).expect("a way");
    let Ok((_, back)) = server.recv_from(&mut [0; 8]) else { return false };
    server.send_to(b"answer", back).is_ok() && client.recv_from(&mut [0; 8]).is_ok()
}

fn bound(host: &Host, address: IpAddr) -> UdpSocket {
    let bind = || UdpSocket::bind(SocketAddr::new(address, 0));
    let socket = host.netns.run(bind).expect("a thread").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(700))).expect("a limit");
    socket
}

fn any(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { [0; 4].into() } else { [0; 16].into() }
}

fn run(host: &Host, words: &[&str]) {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    let output = host.netns.output(command).expect("the program starts");
    assert!(output.status.success(), "{words:?}: {output:?}");
}
