//! Packets over TCP: stock and our own client at our gateway.

use std::io::Write;
use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use interop::{FileServer, Own, Ping, Stock, Subscriber, World, long, wait_until};

const BOTH: (&str, &str) = ("vpn.listen", r#"["udp:[::]:1194", "tcp:[::]:1194"]"#);
const ROUTES: (&str, &str) = ("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#);

/// Alone: files go as fast as they can.
#[test]
fn a_stock_client_loses_no_ping_and_no_byte_over_tcp_by_either_ip_version() {
    let name = "a_stock_client_loses_no_ping_and_no_byte_over_tcp_by_either_ip_version";
    let Some(mut world) = World::start(name, &[BOTH, ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    for address in [world.gateway.v4[1].to_string(), world.gateway.v6[0].to_string()] {
        let mut client = Stock::start(&alice.host, &alice.profile_over_tcp(&address), &[]);
        client.connected();
        carries(&world, &alice, &address);
        let log = client.0.log();
        assert!(!log.contains("WARNING"), "{log}");
        client.0.signal("TERM");
        client.0.ends(Duration::from_secs(5));
        // Nothing but the end of the connection says that it left.
        assert!(world.sessions_become(0, Duration::from_secs(1)), "{}", world.log());
        let reasons = [r#"reason="tcp_closed_by_peer""#, r#"reason="tcp_broken""#];
        assert!(reasons.iter().any(|reason| world.log().contains(reason)), "{}", world.log());
    }
}

/// Alone: files go as fast as they can.
#[test]
fn our_client_loses_no_ping_and_no_byte_over_tcp_by_either_ip_version() {
    let name = "our_client_loses_no_ping_and_no_byte_over_tcp_by_either_ip_version";
    let Some(mut world) = World::start(name, &[BOTH, ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    for address in [world.gateway.v4[0].to_string(), world.gateway.v6[1].to_string()] {
        let mut client = Own::start(&alice.host, &alice.profile_over_tcp(&address));
        client.connected();
        carries(&world, &alice, &address);
        assert!(!client.0.log().contains("warning"), "{}", client.0.log());
        client.0.signal("TERM");
        assert!(client.0.ends(Duration::from_secs(5)).is_some_and(|status| status.success()));
        assert!(world.sessions_become(0, Duration::from_secs(1)), "{}", world.log());
        assert!(world.log().contains("disconnected: the peer left"), "{}", world.log());
    }
}

#[test]
fn keys_are_renewed_over_tcp_and_no_ping_is_lost() {
    let name = "keys_are_renewed_over_tcp_and_no_ping_is_lost";
    let Some(mut world) = World::start(name, &[BOTH, ROUTES, ("vpn.reneg_sec", "5")]) else {
        return;
    };
    let address = world.gateway.v4[0].to_string();
    let (alice, bob) = (world.subscriber("alice", "unified"), world.subscriber("bob", "unified"));
    let profile = alice.profile_over_tcp(&address);
    let mut stock = Stock::start(&alice.host, &profile, &["--reneg-sec", "5"]);
    let mut own = Own::start(&bob.host, &bob.profile_over_tcp(&address));
    stock.connected();
    own.connected();
    let (seconds, at_least) = if long() { (60, 20) } else { (16, 4) };
    let pings = [&alice, &bob].map(|who| {
        let log = who.folder.join("ping.log");
        let interval = Duration::from_millis(10);
        let target = world.lan.v4[0].into();
        Ping::start(&who.host.netns, target, seconds * 100, interval, &log).expect("ping starts")
    });
    for ping in pings {
        let report = ping.finish(Duration::from_secs(u64::from(seconds) * 3 + 10));
        assert_eq!((report.sent, report.lost()), (seconds * 100, 0), "{}", world.log());
    }
    let renewed = world.figure("handfast_renegotiations_total");
    assert!(renewed >= f64::from(at_least), "{renewed} renegotiations\n{}", world.log());
    assert_eq!(stock.said("Initialization Sequence Completed"), 1, "{}", stock.0.log());
}

#[test]
fn a_revocation_closes_the_tcp_connection_within_a_second() {
    let name = "a_revocation_closes_the_tcp_connection_within_a_second";
    let Some(mut world) = World::start(name, &[BOTH]) else { return };
    let address = world.gateway.v4[0].to_string();
    let (alice, bob) = (world.subscriber("alice", "unified"), world.subscriber("bob", "unified"));
    let profile = alice.profile_over_tcp(&address);
    let more = ["--auth-retry", "nointeract", "--connect-retry", "30"];
    let mut stock = Stock::start(&alice.host, &profile, &more);
    stock.connected();
    // This one reads nothing more and acknowledges nothing.
    let mut stopped = Own::start(&bob.host, &bob.profile_over_tcp(&address));
    stopped.connected();
    stopped.0.signal("STOP");
    assert_eq!(connections(&world), 2);
    for device in ["alice/default", "bob/default"] {
        world.handfast(&["device", "revoke", device, "--reason", "key-compromise"]);
        let ordered = Instant::now();
        let left = if device.starts_with("alice") { 1 } else { 0 };
        let closed = wait_until(Duration::from_secs(5), || connections(&world) == left);
        assert!(closed, "{}", world.log());
        println!("FIGURE {device} is closed after {:?}", ordered.elapsed());
        assert!(ordered.elapsed() < Duration::from_millis(1800), "{}", world.log());
    }
    assert_eq!(stock.said("AUTH_FAILED"), 1, "{}", stock.0.log());
    assert!(world.log().contains("disconnected: the peer's certificate was revoked"));
}

#[test]
fn where_no_udp_goes_through_the_profile_leads_over_tcp() {
    let name = "where_no_udp_goes_through_the_profile_leads_over_tcp";
    let Some(mut world) = World::start(name, &[BOTH]) else { return };
    let (alice, bob) = (world.subscriber("alice", "unified"), world.subscriber("bob", "unified"));
    let text = std::fs::read_to_string(alice.profile()).expect("a profile");
    let order: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("remote ")).collect();
    let address = world.gateway.v4[0];
    let named = ["udp", "tcp-client"].map(|proto| format!("{address} 1194 {proto}"));
    assert_eq!(order, named);
    let mut over_udp = Stock::start(&alice.host, &alice.profile(), &[]);
    over_udp.connected();
    assert_eq!(world.sessions()[0]["transport"], "udp");
    drop(over_udp);

    let rules = "add table inet block; add chain inet block in { type filter hook input priority 0; }; \
                 add rule inet block in udp dport 1194 drop";
    let mut nft = Command::new("nft");
    nft.arg(rules);
    let blocked = world.gateway.netns.output(nft).expect("nft runs");
    assert!(blocked.status.success(), "{}", String::from_utf8_lossy(&blocked.stderr));
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    let mut own = Own::start(&bob.host, &bob.profile());
    stock.connected();
    own.connected();
    for who in [&alice, &bob] {
        ping(&world, who, "10.71.0.1".parse().expect("an address"));
    }
    let of = |user: &str| {
        let sessions = world.sessions();
        let found = sessions.iter().rfind(|s| s["device"].to_string().contains(user)).cloned();
        found.map(|session| session["transport"].clone())
    };
    assert_eq!((of("alice"), of("bob")), (Some("tcp".into()), Some("tcp".into())));
}

#[test]
fn after_a_restart_of_the_gateway_its_clients_come_back_over_tcp() {
    let name = "after_a_restart_of_the_gateway_its_clients_come_back_over_tcp";
    let Some(mut world) = World::start(name, &[BOTH]) else { return };
    let address = world.gateway.v4[0].to_string();
    let (alice, bob) = (world.subscriber("alice", "unified"), world.subscriber("bob", "unified"));
    let mut stock = Stock::start(&alice.host, &alice.profile_over_tcp(&address), &[]);
    let mut own = Own::start(&bob.host, &bob.profile_over_tcp(&address));
    stock.connected();
    own.connected();
    for kill in [false, true] {
        match world.up.take() {
            Some(mut up) if kill => {
                up.signal("KILL");
                up.ends(Duration::from_secs(5));
            }
            up => {
                world.up = up;
                world.bring_down();
            }
        }
        world.bring_up();
        assert!(world.sessions_become(2, Duration::from_secs(30)), "{}", world.log());
        for who in [&alice, &bob] {
            ping(&world, who, "10.71.0.1".parse().expect("an address"));
        }
    }
}

/// Alone: a stranger floods.
#[test]
fn strangers_over_tcp_cost_a_subscriber_no_ping() {
    let name = "strangers_over_tcp_cost_a_subscriber_no_ping";
    let Some(mut world) = World::start(name, &[BOTH]) else { return };
    let address = world.gateway.v4[0].to_string();
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile_over_tcp(&address), &[]);
    stock.connected();
    let flooder = world.host();
    let (seconds, interval) = (if long() { 30 } else { 5 }, Duration::from_millis(10));
    let log = world.file("ping.log");
    let inside = "10.71.0.1".parse().expect("an address");
    let ping = Ping::start(&alice.host.netns, inside, seconds * 100, interval, &log);
    let ping = ping.expect("ping starts");
    let flood = || {
        let target = (world.gateway.v4[0], 1194);
        let until = Instant::now() + Duration::from_secs(seconds.into());
        let lines: [&[u8]; 5] =
            [&[0, 0], b"GET / HTTP/1.1\r\n\r\n", &[0, 54, 0x38], &[0, 2, 0x48, 0], &[]];
        let (mut kept, mut made) = (Vec::new(), 0);
        while Instant::now() < until {
            let Ok(mut stranger) = TcpStream::connect(target) else { continue };
            // It may be closed already.
            let _ = stranger.write_all(lines[made % lines.len()]);
            made += 1;
            kept.push(stranger);
            if kept.len() >= 700 {
                kept.drain(..350);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        made
    };
    let made = flooder.netns.run(flood).expect("a namespace");
    let report = ping.finish(Duration::from_secs(u64::from(seconds) * 3 + 10));
    assert_eq!((report.sent, report.lost()), (seconds * 100, 0), "{}", world.log());
    let codes = ["tcp_empty_frame", "tcp_long_frame", "tcp_early_data", "tcp_evicted"];
    let counted = codes.map(|code| world.counted(code));
    println!("FIGURE {made} connections of a stranger: {codes:?} {counted:?}, no ping lost");
    assert!(counted.iter().all(|count| *count > 10), "{counted:?}\n{}", world.json(&["status"]));
    assert_eq!(stock.said("Initialization Sequence Completed"), 1, "{}", stock.0.log());
}

/// Pings, and a file in each direction.
fn carries(world: &World, who: &Subscriber, by: &str) {
    ping(world, who, world.lan.v4[0].into());
    ping(world, who, world.lan.v6[0].into());
    let size = if long() { 200_000_000 } else { 20_000_000 };
    let sessions = world.sessions();
    assert_eq!(sessions[0]["transport"], "tcp", "{sessions:?}");
    let local = sessions[0]["local"].as_str().unwrap_or_default();
    assert!(local.contains(by) && local.ends_with(":1194"), "{sessions:?}");
    let inner: IpAddr =
        sessions[0]["addresses"][0].as_str().and_then(|a| a.parse().ok()).expect("an address");
    let down = FileServer::start(&world.lan, world.lan.v4[0].into(), size).expect("a server");
    let (sent, received) = down.fetch(&who.host).expect("the file comes");
    assert_eq!(sent, received, "down by {by}");
    let up = FileServer::start(&who.host, inner, size).expect("a server");
    let (sent, received) = up.fetch(&world.gateway).expect("the file comes");
    assert_eq!(sent, received, "up by {by}");
    println!("by {by}: {} bytes each way, {}", sent.bytes, sent.sha256);
}

fn ping(world: &World, who: &Subscriber, target: IpAddr) {
    let log = who.folder.join("ping.log");
    let report = Ping::run(&who.host.netns, target, 50, Duration::from_millis(10), &log);
    assert_eq!((report.sent, report.lost()), (50, 0), "{target}\n{}", world.log());
}

/// Established TCP connections of the gateway's port.
fn connections(world: &World) -> usize {
    let table = |name: &str| {
        let mut cat = Command::new("cat");
        cat.arg(Path::new("/proc/net").join(name));
        let output = world.gateway.netns.output(cat).expect("cat runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let of_port = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.get(1).is_some_and(|local| local.ends_with(":04AA")) && fields.get(3) == Some(&"01")
    };
    [table("tcp"), table("tcp6")].iter().map(|t| t.lines().filter(of_port).count()).sum()
}
