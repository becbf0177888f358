//! What is pushed arrives at the stock client and works there.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use interop::{Ping, Stock, World, wait_until};

#[test]
fn routes_name_servers_and_addresses_arrive_at_the_stock_client() {
    let name = "routes_name_servers_and_addresses_arrive_at_the_stock_client";
    let settings = [
        ("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#),
        ("vpn.push.dns", r#"["10.99.0.2", "fd99::2"]"#),
        ("vpn.push.dns_search", r#"["example.net"]"#),
    ];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let log = stock.0.log();
    let pushed = log.lines().find(|line| line.contains("PUSH_REPLY")).expect("a push reply");
    for option in [
        "route 10.99.0.0 255.255.255.0",
        "route-ipv6 fd99::/64",
        "dhcp-option DNS 10.99.0.2",
        "dhcp-option DNS6 fd99::2",
        "dhcp-option DOMAIN",
        "topology subnet",
        "ifconfig 10.71.",
        "ifconfig-ipv6 fd",
        "ping ",
        "ping-restart ",
        "peer-id ",
        "cipher AES-256-GCM",
    ] {
        assert!(pushed.contains(option), "{option} is missing: {pushed}");
    }
    assert!(!log.contains("Options error"), "{log}");
    assert!(!log.contains("WARNING: Received unknown"), "{log}");
    for target in inner_addresses(&world) {
        pings(&world, &alice.host.netns, target);
    }
}

#[test]
fn a_push_that_clients_can_do_nothing_with_stops_no_start_and_is_named() {
    let name = "a_push_that_clients_can_do_nothing_with_stops_no_start_and_is_named";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    // As a former release took it.
    let settings = world.data().join("handfast.toml");
    let text = fs::read_to_string(&settings).expect("the settings");
    let with = r#"routes = ["10.99.0.0/24", "10.71.3.0/24"]"#;
    fs::write(&settings, text.replacen("routes = []", with, 1)).expect("written");
    world.bring_up();
    let wrong = "vpn.push.routes has 10.71.3.0/24, which is inside the tunnel's own network";
    assert!(world.log().contains("left out of what clients are told"), "{}", world.log());
    assert!(world.log().contains(wrong), "{}", world.log());
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let log = stock.0.log();
    assert!(log.contains("route 10.99.0.0 255.255.255.0") && !log.contains("route 10.71.3.0"));
    for (command, finds) in [
        (&["check"][..], true),
        (&["reload"][..], true),
        (&["config", "set", "vpn.ping", "11"][..], false),
        (&["config", "set", "vpn.push.routes", "10.99.0.0/24"][..], false),
        (&["reload"][..], false),
    ] {
        let output = world.try_handfast(command);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(said.contains(wrong), finds, "{command:?}: {said}");
    }
}

#[test]
fn a_push_of_several_messages_arrives_whole_and_without_being_asked_for() {
    let name = "a_push_of_several_messages_arrives_whole_and_without_being_asked_for";
    let routes: Vec<_> = (0..120).map(|n| format!("\"10.100.{n}.0/24\"")).collect();
    let routes = format!(r#"["10.99.0.0/24", "fd99::/64", {}]"#, routes.join(", "));
    let Some(mut world) = World::start(name, &[("vpn.push.routes", &routes)]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let log = stock.0.log();
    let (parts, asked) = (log.matches("'PUSH_REPLY,").count(), log.matches("PUSH_REQUEST").count());
    assert!(parts > 2 && asked == 0, "{parts} parts, asked for {asked} times: {log}");
    let arrived = (0..120).filter(|n| log.contains(&format!("route 10.100.{n}.0 255.255.255.0")));
    assert_eq!(arrived.count(), 120, "{log}");
    for target in inner_addresses(&world) {
        pings(&world, &alice.host.netns, target);
    }
}

#[test]
fn a_redirected_client_reaches_the_internet_through_the_gateway() {
    let name = "a_redirected_client_reaches_the_internet_through_the_gateway";
    let settings = [("vpn.push.redirect_gateway", "true")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let site = world.host();
    let addresses = [IpAddr::from(site.v4[0]), site.v6[0].into()];
    // A new host answers for its IPv6 address only when nobody else claimed it for a second.
    for target in addresses {
        let log = world.file("ping.log");
        Ping::run(&world.gateway.netns, target, 3, Duration::from_secs(1), &log);
    }
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let log = stock.0.log();
    assert!(log.contains("redirect-gateway def1"), "{log}");
    let before = world.sessions()[0]["bytes_in"].as_u64().unwrap_or(0);
    for target in addresses {
        pings(&world, &alice.host.netns, target);
    }
    let through = world.sessions()[0]["bytes_in"].as_u64().unwrap_or(0) - before;
    assert!(through >= 2 * 50 * 84, "only {through} bytes went through the tunnel");
}

#[test]
fn ipv6_does_not_go_beside_a_tunnel_that_carries_everything_unless_it_is_let() {
    let name = "ipv6_does_not_go_beside_a_tunnel_that_carries_everything_unless_it_is_let";
    let settings = [("vpn.push.redirect_gateway", "true")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let (alice, site) = (world.subscriber("alice", "unified"), world.host());
    let target = IpAddr::from(site.v6[0]);
    let goes = |world: &World| {
        let log = world.file("beside.log");
        let interval = Duration::from_millis(200);
        Ping::run(&alice.host.netns, target, 5, interval, &log).received > 0
    };
    assert!(wait_until(Duration::from_secs(10), || goes(&world)));
    for (block, older, beside) in [
        ("true", &[][..], false),
        // As a client before 2.5, which does not know the option.
        ("true", &["--pull-filter", "ignore", "block-ipv6"][..], false),
        ("false", &[][..], true),
    ] {
        world.bring_down();
        let path = world.data().join("handfast.toml");
        let text = std::fs::read_to_string(&path).expect("a configuration");
        let lines = text.lines().filter(|line| !line.starts_with("network6"));
        let lines = lines.map(|line| match line.starts_with("block_ipv6") {
            true => format!("block_ipv6 = {block}\n"),
            false => format!("{line}\n"),
        });
        std::fs::write(&path, lines.collect::<String>()).expect("it is written");
        world.bring_up();
        let profile = alice.profile_to(&world.gateway.v4[0].to_string());
        let mut stock = Stock::start(&alice.host, &profile, older);
        stock.connected();
        assert_eq!(goes(&world), beside, "{block} {older:?}: {}", stock.0.log());
    }
}

#[test]
fn subscribers_reach_each_other_only_where_it_is_allowed() {
    for allowed in [true, false] {
        let name = "subscribers_reach_each_other_only_where_it_is_allowed";
        let value = allowed.to_string();
        let settings =
            [("vpn.client_to_client", value.as_str()), ("vpn.push.routes", r#"["10.99.0.0/24"]"#)];
        let Some(mut world) = World::start(name, &settings) else { return };
        let alice = world.subscriber("alice", "unified");
        let bob = world.subscriber("bob", "unified");
        let mut stocks = [&alice, &bob].map(|one| Stock::start(&one.host, &one.profile(), &[]));
        stocks.iter_mut().for_each(Stock::connected);
        for target in addresses_of(&world, "bob") {
            let log = world.file("ping.log");
            let interval = Duration::from_millis(10);
            let mut report = Ping::run(&alice.host.netns, target, 20, interval, &log);
            if !allowed {
                assert_eq!(report.received, 0, "{target} answers\n{}", world.log());
                report = Ping::run(&alice.host.netns, world.lan.v4[0].into(), 20, interval, &log);
            }
            assert_eq!((report.sent, report.lost()), (20, 0), "{target}\n{}", world.log());
        }
    }
}

#[test]
fn two_devices_of_a_user_are_connected_at_once() {
    let name = "two_devices_of_a_user_are_connected_at_once";
    let settings = [("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let devices =
        [world.subscriber("alice", "unified"), world.subscriber("alice/phone", "unified")];
    let mut stocks =
        [&devices[0], &devices[1]].map(|device| Stock::start(&device.host, &device.profile(), &[]));
    stocks.iter_mut().for_each(Stock::connected);
    assert!(world.sessions_become(2, Duration::from_secs(2)), "{}", world.log());
    let mut taken: Vec<_> = addresses_of(&world, "alice");
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 4, "two addresses each: {taken:?}");
    for device in &devices {
        for target in inner_addresses(&world) {
            pings(&world, &device.host.netns, target);
        }
    }
}

fn inner_addresses(world: &World) -> [IpAddr; 2] {
    [world.lan.v4[0].into(), world.lan.v6[0].into()]
}

fn addresses_of(world: &World, user: &str) -> Vec<IpAddr> {
    let sessions = world.sessions();
    let theirs = sessions.iter().filter(|s| s["device"].to_string().contains(user));
    let listed = theirs.filter_map(|s| s["addresses"].as_array()).flatten();
    listed.filter_map(|address| address.as_str()?.parse().ok()).collect()
}

fn pings(world: &World, netns: &sysio::Netns, target: IpAddr) {
    let log = world.file("ping.log");
    let report = Ping::run(netns, target, 50, Duration::from_millis(10), &log);
    assert_eq!((report.sent, report.lost()), (50, 0), "{target}\n{}", world.log());
}
