//! Our client and the stock `openvpn` as server, in network namespaces.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use client::{ClientError, ErrorKind, Progress, Warning};
use common::world::{SOON, World};
use common::{Running, profile};
use interop::{FileServer, wait_until};

#[test]
fn a_ping_goes_through_and_everything_is_undone() {
    let Some(world) = World::new("ping") else { return };
    let server = world.serve(&world.authority.gateway(), "");
    let before = world.routes();
    let client = world.connect("203.0.113.2 1194");
    assert!(client.connected(), "{}", server.log());
    assert!(world.pings("10.8.0.1"), "{}", server.log());
    assert!(world.pings("fd00:8::1"), "{}", server.log());
    client.stop().unwrap();
    assert_eq!(world.routes(), before);
}

#[test]
fn over_ipv6_underneath_too() {
    let Some(world) = World::new("ipv6") else { return };
    let server = world.serve(&world.authority.gateway(), "");
    let client = world.connect("2001:db8:0:1::2 1194");
    assert!(client.connected(), "{}", server.log());
    assert!(world.pings("10.8.0.1") && world.pings("fd00:8::1"));
    client.stop().unwrap();
}

#[test]
fn over_tcp_files_and_renewed_keys_go_through_and_a_restarted_server_is_found_again() {
    let Some(world) = World::new("tcp") else { return };
    let more = "proto tcp6-server\nreneg-sec 3\n";
    for remote in ["203.0.113.2 1194 tcp-client", "2001:db8:0:1::2 1194 tcp"] {
        let mut server = world.serve(&world.authority.gateway(), more);
        let client = world.connect(remote);
        assert!(client.connected(), "{}", server.log());
        assert!(world.pings("10.8.0.1") && world.pings("fd00:8::1"), "{}", server.log());
        let inside = ["10.8.0.1", "10.8.0.2"].map(|address| address.parse().unwrap());
        for (from, to, at) in
            [(&world.server, &world.host, inside[0]), (&world.host, &world.server, inside[1])]
        {
            let file = FileServer::start(from, at, 20_000_000).unwrap();
            let (sent, received) = file.fetch(to).unwrap();
            assert_eq!(sent, received, "{remote}");
        }
        let renewed = wait_until(SOON, || {
            client.count(|progress| matches!(progress, Progress::Renegotiated)) >= 2
        });
        assert!(renewed && world.pings("10.8.0.1"), "{}", server.log());
        let log = server.log();
        assert!(!log.contains("WARNING: '") && !log.contains("Bad encapsulated"), "{log}");
        server.signal("TERM");
        server.ends(SOON);
        let server = world.serve(&world.authority.gateway(), more);
        let again = wait_until(SOON, || {
            client.count(|progress| matches!(progress, Progress::Connected(_))) == 2
        });
        assert!(again && world.pings("10.8.0.1"), "{}", server.log());
        client.stop().unwrap();
    }
}

#[test]
fn a_redirected_gateway_leaves_the_server_reachable_and_is_undone() {
    let Some(world) = World::new("redirect") else { return };
    let server = world.serve(
        &world.authority.gateway(),
        "push \"redirect-gateway def1 ipv6\"\npush \"route 198.51.100.0 255.255.255.0\"\n",
    );
    let before = world.routes();
    let client = world.connect("203.0.113.2 1194");
    assert!(client.connected(), "{}", server.log());
    assert!(world.pings("10.8.0.1") && world.pings("fd00:8::1"), "{}", server.log());
    assert!(world.says("ip", &["route", "get", "203.0.113.2"]).contains("dev eth0"));
    for elsewhere in ["8.8.8.8", "198.51.100.9", "2a00::1"] {
        assert!(world.says("ip", &["route", "get", elsewhere]).contains("dev tun"), "{elsewhere}");
    }
    client.stop().unwrap();
    assert_eq!(world.routes(), before);
}

#[test]
fn keys_are_renewed_from_either_side_without_losing_a_ping() {
    let Some(world) = World::new("reneg") else { return };
    let server = world.serve(&world.authority.gateway(), "reneg-sec 3\n");
    let client = world.connect_with("203.0.113.2 1194", "reneg-sec 5\n");
    assert!(client.connected(), "{}", server.log());
    let printed = world.says("ping", &["-c", "800", "-i", "0.01", "-q", "10.8.0.1"]);
    assert!(printed.contains(" 0% packet loss"), "{printed}{}", server.log());
    let renewed = client.count(|event| matches!(event, Progress::Renegotiated));
    assert!(renewed >= 1, "renewed {renewed} times\n{}", server.log());
    client.stop().unwrap();
}

#[test]
fn a_server_that_comes_back_is_connected_again_and_the_interface_stays() {
    let Some(world) = World::new("again") else { return };
    let gateway = world.authority.gateway();
    let mut server = world.serve(&gateway, "explicit-exit-notify 1\n");
    let client = world.connect("203.0.113.2 1194");
    assert!(client.connected(), "{}", server.log());
    server.signal("TERM");
    assert!(client.hears(SOON, |event| matches!(event, Progress::Reconnecting { .. })));
    server.ends(SOON);
    let server = world.serve(&gateway, "");
    let again = |event: &Progress| matches!(event, Progress::Connected(c) if c.unchanged);
    assert!(client.hears(Duration::from_secs(90), again), "{}", server.log());
    assert!(world.pings("10.8.0.1"), "{}", server.log());
    client.stop().unwrap();
}

#[test]
fn another_server_of_the_same_ca_is_not_trusted() {
    let Some(world) = World::new("impostor") else { return };
    let _server = world.serve(&world.authority.other_server(), "");
    let mut client = world.connect("203.0.113.2 1194");
    let error = client.result(SOON).expect("an end").unwrap_err();
    assert!(matches!(error, ClientError::ServerNotTrusted(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotTrusted);
}

#[test]
fn tls_1_2_and_the_other_ciphers_work_too() {
    for (more, cipher) in [
        ("tls-version-max 1.2\n", "AES-256-GCM"),
        ("data-ciphers AES-128-GCM\n", "AES-128-GCM"),
        ("data-ciphers CHACHA20-POLY1305\n", "CHACHA20-POLY1305"),
    ] {
        let Some(world) = World::new("ciphers") else { return };
        let server = world.serve(&world.authority.gateway(), more);
        let client = world.connect("203.0.113.2 1194");
        assert!(client.connected(), "{}", server.log());
        let agreed = |event: &Progress| match event {
            Progress::Connected(connected) => {
                connected.cipher.is_some_and(|agreed| agreed.name() == cipher)
            }
            _ => false,
        };
        assert_eq!(client.count(agreed), 1, "{cipher}");
        assert!(world.pings("10.8.0.1"), "{}", server.log());
        client.stop().unwrap();
    }
}

/// A stock server acts upon IV_PROTO: without bit 3 it derives keys by the PRF, without bit 1 it
/// sends and expects data packets of version 1.
#[test]
fn keys_by_the_prf_and_data_of_version_1_agree_with_the_stock_server() {
    for (proto, used) in [("6", "PRF"), ("12", "version 1"), ("4", "both")] {
        let Some(world) = World::new("older") else { return };
        let server = world.serve(&world.authority.gateway(), "");
        let text =
            profile(&["203.0.113.2 1194"], &world.authority.pem(), &world.authority.device());
        let text = format!("reneg-sec 5\n{text}");
        let said = [("IV_PROTO", proto)];
        let client = Running::start_saying(&world.host, world.folder.path(), &text, &said);
        assert!(client.connected(), "{used}\n{}", server.log());
        let printed = world.says("ping", &["-c", "700", "-i", "0.01", "-q", "10.8.0.1"]);
        assert!(printed.contains(" 0% packet loss"), "{used}: {printed}{}", server.log());
        let renewed = client.count(|event| matches!(event, Progress::Renegotiated));
        assert!(renewed >= 1, "{used}\n{}", server.log());
        let log = server.log();
        let pushed = log.lines().find(|line| line.contains("'PUSH_REPLY")).unwrap_or_default();
        println!("{used}: {pushed}");
        let exported = pushed.contains("tls-ekm");
        assert_eq!(exported, proto == "12", "{used}\n{}", server.log());
        client.stop().unwrap();
        // Without bit 7 the goodbye travels in the data channel.
        let heard = wait_until(SOON, || server.log().contains("remote-exit"));
        assert!(heard, "{used}\n{}", server.log());
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up_as_the_profile_says() {
    let Some(world) = World::new("silent") else { return };
    let more = "connect-retry-max 1\nserver-poll-timeout 1\n";
    let mut client = world.connect_with("203.0.113.2 1194", more);
    let error = client.result(SOON).expect("an end").unwrap_err();
    assert!(matches!(error, ClientError::GaveUp { rounds: 1, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn a_port_that_nobody_listens_at_is_noticed_at_once() {
    let Some(world) = World::new("closed") else { return };
    let more = "connect-retry-max 1\nserver-poll-timeout 10\n";
    let mut client = world.connect_with("203.0.113.2 1194", more);
    let error = client.result(Duration::from_secs(5)).expect("an end").unwrap_err();
    assert!(error.to_string().contains("nobody listens at 203.0.113.2:1194"), "{error}");
}

#[test]
fn a_pushed_network_that_this_machine_is_in_is_explained_and_stays_in_reach() {
    let Some(world) = World::new("own-network") else { return };
    // As DHCP clients make it; a route into the tunnel has a better metric.
    world.says("ip", &["route", "add", "203.0.113.16/28", "dev", "eth0", "metric", "100"]);
    world.says("ip", &["route", "del", "203.0.113.16/28", "dev", "eth0", "metric", "0"]);
    let more = "push \"route 203.0.113.16 255.255.255.240\"\n";
    let server = world.serve(&world.authority.gateway(), more);
    let client = world.connect("203.0.113.2 1194");
    assert!(client.connected(), "{}", server.log());
    let own = |told: &Progress| {
        matches!(told, Progress::Warning(Warning::OwnNetwork(network))
            if network.to_string() == "203.0.113.16/28")
    };
    assert_eq!(client.count(own), 1);
    let way = world.says("ip", &["route", "get", "203.0.113.17"]);
    assert!(way.contains("dev eth0"), "{way}");
    client.stop().unwrap();
}

#[test]
fn an_interface_that_was_made_beforehand_serves_again_and_again() {
    let Some(world) = World::new("beforehand") else { return };
    let server = world.serve(&world.authority.gateway(), "push \"route 10.20.0.0 255.255.0.0\"\n");
    world.says("ip", &["tuntap", "add", "tun7", "mode", "tun"]);
    let (link, routes) = (|| world.says("ip", &["-br", "addr", "show", "tun7"]), world.routes());
    for _ in 0..2 {
        let text =
            profile(&["203.0.113.2 1194"], &world.authority.pem(), &world.authority.device());
        let text = text.replace("dev tun\n", "dev tun7\n");
        let client = Running::start(&world.host, world.folder.path(), &text);
        assert!(client.connected(), "{}", server.log());
        assert!(link().contains("10.8.0."), "{}", link());
        client.stop().unwrap();
        assert!(link().contains("tun7") && !link().contains("10.8.0."), "{}", link());
        assert_eq!(world.routes(), routes);
    }
}

#[test]
fn a_refusal_ends_it_with_the_servers_reason() {
    let Some(world) = World::new("refusal") else { return };
    let more = "script-security 2\nclient-connect /bin/false\n";
    let _server = world.serve(&world.authority.gateway(), more);
    let mut client = world.connect("203.0.113.2 1194");
    let error = client.result(SOON).expect("an end").unwrap_err();
    assert!(matches!(error, ClientError::Refused(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[test]
fn a_second_client_with_the_same_certificate_is_refused_and_told_who_has_it() {
    let Some(world) = World::new("same") else { return };
    let server = world.serve(&world.authority.gateway(), "");
    let device = world.authority.device();
    let start = || {
        let text = profile(&["203.0.113.2 1194"], &world.authority.pem(), &device);
        Running::start(&world.host, world.folder.path(), &text)
    };
    let first = start();
    assert!(first.connected(), "{}", server.log());
    let error = start().result(SOON).expect("an end").unwrap_err();
    assert!(matches!(error, ClientError::InUse(_)), "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    assert!(world.pings("10.8.0.1"), "the first goes on");
    first.stop().unwrap();
    let again = start();
    assert!(again.connected(), "{}", server.log());
    again.stop().unwrap();
    let other = world.connect("203.0.113.2 1194");
    assert!(other.connected(), "{}", server.log());
    other.stop().unwrap();
}

#[test]
fn name_servers_are_set_and_put_back() {
    let Some(mut world) = World::new("names") else { return };
    let names = world.folder.write("resolv.conf", "nameserver 192.0.2.53\n");
    world.host.netns.private_resolv_conf(&names).unwrap();
    let more = "push \"dhcp-option DNS 10.8.0.1\"\npush \"dhcp-option DOMAIN corp.example\"\n";
    let server = world.serve(&world.authority.gateway(), more);
    let client = world.connect("203.0.113.2 1194");
    assert!(client.connected(), "{}", server.log());
    let during = std::fs::read_to_string(&names).unwrap();
    assert!(during.contains("nameserver 10.8.0.1") && during.contains("corp.example"), "{during}");
    client.stop().unwrap();
    assert_eq!(std::fs::read_to_string(&names).unwrap(), "nameserver 192.0.2.53\n");
}

#[test]
fn what_a_killed_client_leaves_is_mended_by_the_next_and_sigterm_undoes_all() {
    let Some(world) = World::new("kill") else { return };
    let server = world.serve(&world.authority.gateway(), "push \"redirect-gateway def1\"\n");
    let before = world.routes();
    let mut first = world.run_program("first.log");
    assert!(first.says("connected to", SOON), "{}{}", first.log(), server.log());
    let during = world.routes();
    first.signal("KILL");
    first.ends(SOON);
    let left = world.routes();
    assert!(left != before && left != during && left.contains("203.0.113.2 "), "{left}");
    let mut second = world.run_program("second.log");
    assert!(second.says("connected to", SOON), "{}", second.log());
    assert!(second.log().contains("leftovers are mended"), "{}", second.log());
    second.signal("TERM");
    assert!(second.ends(SOON).is_some_and(|status| status.success()), "{}", second.log());
    assert_eq!(world.routes(), before);
}
