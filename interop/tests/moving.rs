//! A client whose address or port changes under way, and one that comes back from the same place.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use interop::{Ping, PingReport, Stock, Subscriber, World, wait_until};
use sysio::lab::Host;

const ROUTES: (&str, &str) = ("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#);

#[test]
fn a_session_follows_its_client_to_another_address() {
    let name = "a_session_follows_its_client_to_another_address";
    let Some(mut world) = World::start(name, &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    let address = world.gateway.v4[0].to_string();
    let octets = alice.host.v4[0].octets();
    let [own, other, router] =
        [octets[3], octets[3] + 1, octets[3] - 1].map(|last| format!("203.0.113.{last}"));
    let moved = |world: &World| source(world).starts_with(&format!("{other}:"));
    let report = while_moving(&mut world, &alice, &address, &moved, |host| {
        must(host, "ip", &["address", "add", &format!("{other}/28"), "dev", "eth0"]);
        must(host, "ip", &["route", "change", "default", "via", &router, "src", &other]);
        must(host, "ip", &["address", "del", &format!("{own}/28"), "dev", "eth0"]);
        // The kernel takes the routes of a subnet away with its first address.
        let _ = ran(host, "ip", &["address", "add", &format!("{other}/28"), "dev", "eth0"]);
        let _ = ran(host, "ip", &["route", "replace", "default", "via", &router, "src", &other]);
    });
    println!("to another address: {} pings, {} lost", report.sent, report.lost());
}

#[test]
fn a_session_follows_its_client_to_another_port() {
    let name = "a_session_follows_its_client_to_another_port";
    let Some(mut world) = World::start(name, &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    let address = world.gateway.v4[0].to_string();
    let moved = |world: &World| source(world).ends_with(":45000");
    let report = while_moving(&mut world, &alice, &address, &moved, |host| {
        let hook = "{ type nat hook postrouting priority 100 ; }";
        let to = format!("{}:45000", host.v4[0]);
        must(host, "nft", &["add table ip moving"]);
        must(host, "nft", &[&format!("add chain ip moving out {hook}")]);
        must(host, "nft", &[&format!("add rule ip moving out udp dport 1194 snat to {to}")]);
    });
    println!("to another port: {} pings, {} lost", report.sent, report.lost());
}

#[test]
fn a_session_follows_its_client_to_another_ipv6_address() {
    let name = "a_session_follows_its_client_to_another_ipv6_address";
    let Some(mut world) = World::start(name, &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    let address = world.gateway.v6[0].to_string();
    let own = alice.host.v6[0].to_string();
    let prefix = own.strip_suffix("::2").expect("the lab's addresses").to_owned();
    let (other, router) = (format!("{prefix}::9"), format!("{prefix}::1"));
    let moved = |world: &World| source(world).contains(&other);
    let report = while_moving(&mut world, &alice, &address, &moved, |host| {
        must(host, "ip", &["address", "add", &format!("{other}/64"), "dev", "eth0", "nodad"]);
        must(host, "ip", &["-6", "route", "replace", "default", "via", &router, "src", &other]);
        must(host, "ip", &["address", "del", &format!("{own}/64"), "dev", "eth0"]);
    });
    println!("to another IPv6 address: {} pings, {} lost", report.sent, report.lost());
}

#[test]
fn a_client_that_comes_back_from_the_same_address_and_port_takes_its_own_place() {
    let name = "a_client_that_comes_back_from_the_same_address_and_port_takes_its_own_place";
    let Some(mut world) = World::start(name, &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    let profile = bound(&alice);
    let mut first = Stock::start(&alice.host, &profile, &["--lport", "5000"]);
    first.connected();
    let place = source(&world);
    assert!(place.ends_with(":5000"), "{place}");
    first.0.signal("KILL");
    first.0.ends(Duration::from_secs(5));
    let mut second = Stock::start(&alice.host, &profile, &["--lport", "5000"]);
    second.connected();
    assert_eq!(source(&world), place);
    assert_eq!(world.sessions().len(), 1);
    let log = world.file("ping.log");
    let target = world.lan.v4[0].into();
    let report = Ping::run(&alice.host.netns, target, 100, Duration::from_millis(10), &log);
    assert_eq!((report.sent, report.lost()), (100, 0), "{}", world.log());
}

/// Pings through the tunnel while the underlay changes, then a renegotiation in the new place.
fn while_moving(
    world: &mut World,
    alice: &Subscriber,
    address: &str,
    moved: &dyn Fn(&World) -> bool,
    change: impl Fn(&Host),
) -> PingReport {
    let profile = alice.profile_to(address);
    let mut stock = Stock::start(&alice.host, &profile, &["--reneg-sec", "6"]);
    stock.connected();
    assert!(!moved(world));
    let log = world.file("ping.log");
    let target: IpAddr = world.lan.v4[0].into();
    let interval = Duration::from_millis(20);
    let ping = Ping::start(&alice.host.netns, target, 500, interval, &log).expect("ping");
    std::thread::sleep(Duration::from_secs(1));
    change(&alice.host);
    let followed = wait_until(Duration::from_secs(3), || moved(world));
    assert!(followed, "still {}\n{}\n{}", source(world), world.log(), stock.0.log());
    let report = ping.finish(Duration::from_secs(20));
    let (once, renewed) =
        (stock.said("Initialization Sequence Completed"), stock.said("Control Channel: TLS"));
    assert_eq!(once, 1, "it connected anew\n{}", stock.0.log());
    assert!(renewed >= 2, "no renegotiation in the new place\n{}", stock.0.log());
    // What was on the way to the old place is lost.
    assert!(report.sent == 500 && report.lost() <= 2, "{report:?}\n{}", world.log());
    report
}

fn source(world: &World) -> String {
    let sessions = world.sessions();
    sessions.first().and_then(|s| s["source"].as_str()).unwrap_or_default().to_owned()
}

/// Its profile without `nobind`, which a local port excludes.
fn bound(alice: &Subscriber) -> PathBuf {
    let text = fs::read_to_string(alice.profile()).expect("a profile");
    let path = alice.folder.join("bound.conf");
    fs::write(&path, text.replace("\nnobind\n", "\n")).expect("a profile is written");
    path
}

fn must(host: &Host, program: &str, arguments: &[&str]) {
    if let Err(said) = ran(host, program, arguments) {
        panic!("{program} {arguments:?}: {said}");
    }
}

fn ran(host: &Host, program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = host.netns.output(command).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}
