//! Our client on a machine whose world changes: networks, name servers, the server's address, signals.
//! The server is the stock `openvpn`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use client::{ConnectSettings, Profile, Progress, Warning};
use clock::{Clock, SystemClock};
use common::profile;
use common::world::{SOON, World};
use interop::wait_until;
use sysio::Netns;
use sysio::lab::Host;
use sysio::netlink::{LinkChange, Netlink};

#[test]
fn a_session_goes_on_when_the_default_route_moves_to_another_network() {
    for (name, push) in [("moves", ""), ("moves-all", "push \"redirect-gateway def1\"\n")] {
        let Some(mut world) = World::new(name) else { return };
        let server = world.serve(&world.authority.gateway(), push);
        second_uplink(&mut world);
        let client = world.connect("203.0.113.2 1194");
        assert!(client.connected(), "{}", server.log());
        assert!(world.pings("10.8.0.1"), "{}", server.log());
        world.says("ip", &["route", "replace", "default", "via", "192.168.77.1"]);
        let gap = world.answered_after("10.8.0.1", SOON);
        println!("{name}: answered {gap:?} after the route moved");
        assert!(client.hears(SOON, moved_by("up2")));
        assert!(world.pings("10.8.0.1"), "{}", server.log());
        // The former network goes away for good: nothing depends on it any more.
        world.says("ip", &["link", "set", "eth0", "down"]);
        let gap_after = world.answered_after("10.8.0.1", SOON);
        assert!(gap < MOVES && gap_after < MOVES, "{gap:?}, {gap_after:?}");
        assert_eq!(client.count(is_connected), 1, "the session is the same");
        client.stop().unwrap();
        assert!(!world.routes().contains("203.0.113.2 "), "{}", world.routes());
    }
}

#[test]
fn a_session_goes_on_from_another_address_of_the_same_network() {
    let Some(world) = World::new("renumbered") else { return };
    let server = world.serve(&world.authority.gateway(), "");
    for (remote, inside) in [("203.0.113.2 1194", "-4"), ("2001:db8:0:1::2 1194", "-6")] {
        let client = world.connect(remote);
        assert!(client.connected(), "{}", server.log());
        let address = used_address(&world, remote);
        let spare = if inside == "-4" { "203.0.113.30/28" } else { "2001:db8:0:2::30/64" };
        world.says("ip", &["addr", "add", spare, "dev", "eth0", "nodad"]);
        world.says("sysctl", &["-w", "net.ipv4.conf.all.promote_secondaries=1"]);
        world.says("sysctl", &["-w", "net.ipv4.conf.eth0.promote_secondaries=1"]);
        world.says("ip", &["addr", "del", &address, "dev", "eth0"]);
        let gap = world.answered_after("10.8.0.1", SOON);
        println!("{remote}: answered {gap:?} after {address} was gone");
        assert!(gap < MOVES, "{gap:?}");
        assert!(client.hears(SOON, moved_by("eth0")));
        assert_eq!(client.count(is_connected), 1, "the session is the same");
        client.stop().unwrap();
    }
}

#[test]
fn over_tcp_a_new_connection_is_made_at_once_when_the_network_changes() {
    let Some(mut world) = World::new("moves-tcp") else { return };
    let server = world.serve(&world.authority.gateway(), "proto tcp6-server\n");
    second_uplink(&mut world);
    let client = world.connect("203.0.113.2 1194 tcp");
    assert!(client.connected(), "{}", server.log());
    world.says("ip", &["route", "replace", "default", "via", "192.168.77.1"]);
    world.says("ip", &["link", "set", "eth0", "down"]);
    let again = wait_until(SOON, || client.count(is_connected) == 2);
    assert!(again && world.pings("10.8.0.1"), "{}", server.log());
    client.stop().unwrap();
}

#[test]
fn after_a_time_without_network_it_is_back_within_5_s_of_the_links_return() {
    for (name, push) in [("link-down", ""), ("link-down-all", "push \"redirect-gateway def1\"\n")] {
        let Some(world) = World::new(name) else { return };
        let server = world.serve(&world.authority.gateway(), push);
        let client = world.connect("203.0.113.2 1194");
        assert!(client.connected(), "{}", server.log());
        let addresses = ["203.0.113.18/28", "203.0.113.19/28"];
        world.says("ip", &["addr", "flush", "dev", "eth0"]);
        world.says("ip", &["link", "set", "eth0", "down"]);
        // Longer than the session lives (10 s), and than pauses take to grow.
        let over = |progress: &Progress| matches!(progress, Progress::Reconnecting { .. });
        assert!(client.hears(Duration::from_secs(30), over));
        sleep(Duration::from_secs(12));
        world.says("ip", &["link", "set", "eth0", "up"]);
        addresses.iter().for_each(|address| {
            world.says("ip", &["addr", "add", address, "dev", "eth0"]);
        });
        world.says("ip", &["route", "add", "default", "via", "203.0.113.17"]);
        let gap = world.answered_after("10.8.0.1", Duration::from_secs(30));
        println!("{name}: answered {gap:?} after the network's return");
        assert!(gap < BACK, "{gap:?}");
        client.stop().unwrap();
    }
}

#[test]
fn after_a_silent_network_in_between_it_is_back_within_5_s_too() {
    let Some(world) = World::new("silent-between") else { return };
    let server = world.serve(&world.authority.gateway(), "");
    let client = world.connect("203.0.113.2 1194");
    assert!(client.connected(), "{}", server.log());
    cut_off(&world.server, "203.0.113.2");
    let over = |progress: &Progress| matches!(progress, Progress::Reconnecting { .. });
    assert!(client.hears(Duration::from_secs(30), over));
    sleep(Duration::from_secs(30));
    nft(&world.server, "delete table inet cut");
    let gap = world.answered_after("10.8.0.1", Duration::from_secs(60));
    println!("answered {gap:?} after packets came through again");
    // A try may have begun just before: its wait and one pause.
    assert!(gap < BACK + Duration::from_secs(1), "{gap:?}");
    client.stop().unwrap();
}

#[test]
fn a_server_that_moves_is_found_by_the_former_name_servers_past_the_tunnel() {
    for (name, push) in [("ddns", ""), ("ddns-all", "push \"redirect-gateway def1\"\n")] {
        let Some(mut world) = World::new(name) else { return };
        let names = world.folder.write("resolv.conf", "nameserver 203.0.113.2\n");
        world.host.netns.private_resolv_conf(&names).unwrap();
        let zone = Zone::serve(&world.server, [203, 0, 113, 2]);
        // Nobody answers names inside the tunnel.
        let more = format!("push \"dhcp-option DNS 10.8.0.77\"\n{push}");
        let server = world.serve(&world.authority.gateway(), &more);
        let client = world.connect("vpn.example.test 1194");
        assert!(client.connected(), "{}", server.log());
        assert!(fs::read_to_string(&names).unwrap().contains("10.8.0.77"));
        zone.moved.store(true, Ordering::Relaxed);
        cut_off(&world.server, "203.0.113.2");
        let elsewhere = |progress: &Progress| matches!(progress, Progress::Connected(to) if to.server.to_string() == "203.0.113.3:1194");
        let found = client.hears(Duration::from_secs(30), elsewhere);
        assert!(found && world.pings("10.8.0.1"), "{}", server.log());
        client.stop().unwrap();
        assert_eq!(fs::read_to_string(&names).unwrap(), "nameserver 203.0.113.2\n");
    }
}

#[test]
fn name_servers_that_another_program_overwrites_are_set_again_and_its_own_come_back() {
    let Some(mut world) = World::new("dhcp") else { return };
    let names = world.folder.write("resolv.conf", "nameserver 192.0.2.53\n");
    world.host.netns.private_resolv_conf(&names).unwrap();
    let server = world.serve(&world.authority.gateway(), "push \"dhcp-option DNS 10.8.0.1\"\n");
    let client = world.connect("203.0.113.2 1194");
    assert!(client.connected(), "{}", server.log());
    for lease in ["nameserver 192.0.2.98\n", "nameserver 192.0.2.99\n"] {
        fs::write(&names, lease).unwrap();
        let set = wait_until(SOON, || fs::read_to_string(&names).unwrap().contains("10.8.0.1"));
        assert!(set, "{}", fs::read_to_string(&names).unwrap());
    }
    assert!(client.hears(SOON, |p| matches!(p, Progress::Warning(Warning::NamesSetAgain))));
    client.stop().unwrap();
    assert_eq!(fs::read_to_string(&names).unwrap(), "nameserver 192.0.2.99\n");
}

#[test]
fn a_second_tunnels_name_servers_are_set_when_the_first_ends() {
    let Some(mut world) = World::new("two-tunnels") else { return };
    let names = world.folder.write("resolv.conf", "nameserver 192.0.2.53\n");
    world.host.netns.private_resolv_conf(&names).unwrap();
    let more = "push \"dhcp-option DNS 10.8.0.1\"\nduplicate-cn\n";
    let server = world.serve(&world.authority.gateway(), more);
    let first = world.connect("203.0.113.2 1194");
    assert!(first.connected(), "{}", server.log());
    let second = world.connect("203.0.113.2 1194");
    assert!(second.connected(), "{}", server.log());
    assert!(second.hears(SOON, |p| matches!(p, Progress::Warning(Warning::NamesTaken))));
    let during = fs::read_to_string(&names).unwrap();
    assert!(during.contains("for tun0"), "{during}");
    first.stop().unwrap();
    let set = wait_until(SOON, || fs::read_to_string(&names).unwrap().contains("for tun1"));
    assert!(set, "{}", fs::read_to_string(&names).unwrap());
    second.stop().unwrap();
    assert_eq!(fs::read_to_string(&names).unwrap(), "nameserver 192.0.2.53\n");
}

#[test]
fn sigusr1_connects_anew_and_no_signal_that_can_be_outlived_ends_it() {
    let Some(world) = World::new("signals") else { return };
    let server = world.serve(&world.authority.gateway(), "push \"redirect-gateway def1\"\n");
    let mut client = world.run_program("client.log");
    assert!(client.says("connected to", SOON), "{}{}", client.log(), server.log());
    for signal in ["ALRM", "IO", "PROF", "VTALRM", "PIPE", "WINCH", "URG", "PWR", "RTMIN", "XFSZ"] {
        client.signal(signal);
    }
    sleep(Duration::from_millis(500));
    client.signal("USR1");
    let again = wait_until(SOON, || client.log().matches("connected to").count() == 2);
    assert!(again, "{}", client.log());
    assert!(world.pings("10.8.0.1"), "{}", server.log());
    client.signal("USR2");
    assert!(client.says("statistics: connected", SOON), "{}", client.log());
    client.signal("TERM");
    assert!(client.ends(SOON).is_some_and(|status| status.success()), "{}", client.log());
}

#[test]
fn every_signal_that_ends_it_leaves_routes_and_name_servers_as_before() {
    let Some(mut world) = World::new("ends") else { return };
    let names = world.folder.write("resolv.conf", "nameserver 192.0.2.53\n");
    world.host.netns.private_resolv_conf(&names).unwrap();
    let more = "push \"redirect-gateway def1\"\npush \"dhcp-option DNS 10.8.0.1\"\n";
    let server = world.serve(&world.authority.gateway(), more);
    let before = world.routes();
    for signal in ["HUP", "QUIT", "INT", "TERM"] {
        let mut client = world.run_program(&format!("{signal}.log"));
        assert!(client.says("connected to", SOON), "{}{}", client.log(), server.log());
        assert!(fs::read_to_string(&names).unwrap().contains("10.8.0.1"));
        client.signal(signal);
        assert!(client.ends(SOON).is_some_and(|status| status.success()), "{}", client.log());
        assert_eq!(world.routes(), before, "{signal}");
        assert_eq!(fs::read_to_string(&names).unwrap(), "nameserver 192.0.2.53\n", "{signal}");
    }
}

#[test]
fn a_hangup_that_was_ignored_when_it_began_does_not_end_it() {
    let Some(world) = World::new("nohup") else { return };
    let server = world.serve(&world.authority.gateway(), "");
    let mut client = world.run_program_by(&["nohup"], "client.log");
    assert!(client.says("connected to", SOON), "{}{}", client.log(), server.log());
    client.signal("HUP");
    assert!(client.ends(Duration::from_secs(2)).is_none(), "{}", client.log());
    client.signal("TERM");
    assert!(client.ends(SOON).is_some_and(|status| status.success()), "{}", client.log());
}

#[test]
fn a_client_that_panics_or_is_dropped_leaves_nothing_behind() {
    let Some(mut world) = World::new("undone") else { return };
    let names = world.folder.write("resolv.conf", "nameserver 192.0.2.53\n");
    world.host.netns.private_resolv_conf(&names).unwrap();
    let more = "push \"redirect-gateway def1\"\npush \"dhcp-option DNS 10.8.0.1\"\n\
                push \"route 198.51.100.0 255.255.255.0 net_gateway\"\n";
    let server = world.serve(&world.authority.gateway(), more);
    let before = world.routes();
    for panics in [true, false] {
        let during = run_until_connected(&world, panics);
        assert!(during.0.contains("198.51.100.0/24 via"), "{}{}", during.0, server.log());
        assert!(during.1.contains("10.8.0.1"), "{}", during.1);
        let gone = wait_until(SOON, || world.routes() == before);
        assert!(gone, "panics: {panics}\n{}", world.routes());
        assert_eq!(fs::read_to_string(&names).unwrap(), "nameserver 192.0.2.53\n");
        let state = fs::read_dir(world.folder.path().join("state")).unwrap();
        let records = state.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            !name.as_encoded_bytes().starts_with(b".")
        });
        assert_eq!(records.count(), 0, "nothing is left on record");
    }
}

#[test]
fn without_ipv6_inside_redirected_traffic_leaves_none_beside_the_tunnel() {
    for (name, push) in [("six", ""), ("six-asked", "push \"block-ipv6\"\n")] {
        let Some(world) = World::new(name) else { return };
        let more = format!("push \"redirect-gateway def1\"\n{push}");
        let server = world.serve_v4(&world.authority.gateway(), &more);
        let before = world.routes();
        // Over IPv6 underneath, too: the way to the server stays open.
        for remote in ["203.0.113.2 1194", "2001:db8:0:1::2 1194"] {
            let client = world.connect(remote);
            assert!(client.connected(), "{}", server.log());
            for elsewhere in ["2a00::1", "fd12::1", "2001:db8:0:1::3"] {
                let route = world.says("ip", &["-6", "route", "get", elsewhere]);
                assert!(route.contains("dev tun"), "{elsewhere}: {route}");
            }
            let beside = ["-6", "-c", "2", "-i", "0.2", "-W", "1", "2001:db8:0:1::3"];
            assert!(world.says("ping", &beside).contains(" 100% packet loss"));
            assert!(world.pings("10.8.0.1"), "{}", server.log());
            client.stop().unwrap();
            assert_eq!(world.routes(), before);
        }
        let client = world.connect_with("203.0.113.2 1194", "pull-filter ignore block-ipv6\n");
        assert!(client.connected(), "{}", server.log());
        let route = world.says("ip", &["-6", "route", "get", "2a00::1"]);
        assert!(route.contains("dev eth0"), "the profile lets it pass: {route}");
        client.stop().unwrap();
    }
}

/// The routes and name servers while a client was connected that ended without being asked to.
fn run_until_connected(world: &World, panics: bool) -> (String, String) {
    let remote = ["203.0.113.2 1194"];
    let text = profile(&remote, &world.authority.pem(), &world.authority.device());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let file = world.folder.path().join("test.ovpn");
    let profile = Profile::parse(&file, text.as_bytes(), &*clock).unwrap();
    let mut settings = ConnectSettings::new(profile, clock);
    settings.state = world.folder.path().join("state");
    settings.dns_backup = world.folder.path().join("resolv.conf.backup");
    let connected = Arc::new(AtomicBool::new(false));
    let go_on = Arc::new(AtomicBool::new(false));
    let (tell, told) = (Arc::clone(&connected), Arc::clone(&go_on));
    let inside = move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        let hear = move |event: Progress| {
            if is_connected(&event) {
                tell.store(true, Ordering::Relaxed);
                if panics {
                    wait_until(SOON, || told.load(Ordering::Relaxed));
                    panic!("as the test wants it");
                }
            }
        };
        let run = client::run(settings, hear, std::future::pending(), client::Asks::never());
        let limit = Duration::from_secs(if panics { 60 } else { 6 });
        runtime.block_on(async {
            // A task of its own, so that a panic in it is one of a running program.
            let _ = tokio::time::timeout(limit, run).await;
        });
    };
    let thread = world.host.netns.spawn_thread("client", inside).unwrap();
    assert!(wait_until(SOON, || connected.load(Ordering::Relaxed)));
    let during = world.routes();
    let names = fs::read_to_string(world.folder.path().join("resolv.conf")).unwrap();
    go_on.store(true, Ordering::Relaxed);
    assert_eq!(thread.join().is_err(), panics);
    (during, names)
}

/// A second way from the client's host to the world: another router, with NAT, by `up2`.
fn second_uplink(world: &mut World) {
    let gateway = world.lab.host(1).unwrap();
    connect_hosts(&world.host.netns, &gateway.netns);
    for command in [
        &["sysctl", "-w", "net.ipv4.ip_forward=1"][..],
        &[
            "nft",
            "add table ip n; add chain ip n p { type nat hook postrouting priority 100; }; \
                  add rule ip n p oifname eth0 masquerade",
        ],
    ] {
        output(&gateway.netns, command);
    }
    // It lives as long as the test's process.
    std::mem::forget(gateway);
}

fn connect_hosts(host: &Netns, gateway: &Netns) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (near, far) = (Netlink::open_in(host).unwrap(), Netlink::open_in(gateway).unwrap());
        near.veth_add("up2", "up2-far").await.unwrap();
        let index = near.link_index("up2-far").await.unwrap();
        near.link_move(index, gateway).await.unwrap();
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        for (netlink, name, address) in
            [(&near, "up2", "192.168.77.2"), (&far, "up2-far", "192.168.77.1")]
        {
            let index = netlink.link_index(name).await.unwrap();
            netlink.address_add(index, address.parse().unwrap(), 24).await.unwrap();
            netlink.link_set(index, up).await.unwrap();
        }
    });
}

fn used_address(world: &World, remote: &str) -> String {
    let server = remote.split(' ').next().unwrap();
    let family = if server.contains(':') { "-6" } else { "-4" };
    let route = world.says("ip", &[family, "route", "get", server]);
    let address = route.split(" src ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    format!("{}/{}", address, if family == "-4" { 28 } else { 64 })
}

/// Cuts a host's VPN server off, in both directions, as far as `address` is concerned.
fn cut_off(host: &Host, address: &str) {
    let to = format!("ip daddr {address} udp dport 1194 drop");
    let from = format!("ip saddr {address} udp sport 1194 drop");
    let hook = |name: &str| format!("{{ type filter hook {name} priority 0; }}");
    nft(
        host,
        &format!(
            "add table inet cut; add chain inet cut i {}; add rule inet cut i {to}; \
             add chain inet cut o {}; add rule inet cut o {from}",
            hook("input"),
            hook("output")
        ),
    );
}

fn nft(host: &Host, rules: &str) {
    output(&host.netns, &["nft", rules]);
}

fn output(netns: &Netns, command: &[&str]) {
    let mut run = Command::new(command[0]);
    run.args(&command[1..]).current_dir(Path::new("/"));
    let output = netns.output(run).unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// A name server that knows vpn.example.test at 203.0.113.2, and later at 203.0.113.3.
struct Zone {
    moved: Arc<AtomicBool>,
}

impl Zone {
    fn serve(host: &Host, at: [u8; 4]) -> Self {
        let moved = Arc::new(AtomicBool::new(false));
        let socket =
            host.netns.run(|| UdpSocket::bind((std::net::Ipv4Addr::from(at), 53))).unwrap();
        let (socket, has_moved) = (socket.unwrap(), Arc::clone(&moved));
        std::thread::spawn(move || {
            let mut message = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut message) {
                let last = if has_moved.load(Ordering::Relaxed) { 3 } else { 2 };
                let _ = socket.send_to(&answer(&message[..length], last), from);
            }
        });
        Self { moved }
    }
}

/// The question with an address behind it, if it is one for an IPv4 address.
fn answer(question: &[u8], last: u8) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let is_v4 = question[end - 4..end - 2] == [0, 1];
    let mut answer = question[..end].to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[6..12].copy_from_slice(&[0, is_v4.into(), 0, 0, 0, 0]);
    if is_v4 {
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 203, 0, 113, last]);
    }
    answer
}

fn is_connected(progress: &Progress) -> bool {
    matches!(progress, Progress::Connected(_))
}

fn moved_by(name: &'static str) -> impl Fn(&Progress) -> bool {
    move |progress| matches!(progress, Progress::Moved { interface } if interface == name)
}

/// A session follows the machine's network within this.
const MOVES: Duration = Duration::from_secs(2);
/// A connection is back within this after the network is.
const BACK: Duration = Duration::from_secs(5);
