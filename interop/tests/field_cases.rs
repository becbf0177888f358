//! Situations from the reports of people who run VPNs, in forms that no other test here has.
//!
//! ```text
//!    stock client, ours ── router ── gateway (two addresses of each kind)
//! ```
//! docs/field-cases.md says which test has which situation.

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use interop::{Own, Stock, Subscriber, World, wait_until};
use sysio::lab::Host;

#[test]
fn a_first_server_that_is_silent_is_left_within_twenty_seconds_by_both_clients() {
    let name = "a_first_server_that_is_silent_is_left_within_twenty_seconds_by_both_clients";
    let Some(mut world) = World::start(name, &[]) else { return };
    let [v4, v6] = [world.gateway.v4[0].to_string(), world.gateway.v6[0].to_string()];
    let other = world.gateway.v4[1].to_string();
    for (silent, names) in [(&v4, [&v4, &other]), (&v6, [&v6, &other])] {
        world.handfast(&["config", "set", "public.names", names[0], names[1]]);
        world.handfast(&["reload"]);
        let [alice, bob] = ["alice", "bob"].map(|user| {
            world.subscriber(&format!("{user}/for-{}", silent.replace(':', "-")), "unified")
        });
        silence(&world.gateway, silent);
        let begun = Instant::now();
        let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
        let mut own = Own::start(&bob.host, &bob.profile());
        stock.connected();
        own.connected();
        println!("FIGURE past {silent}: both up after {:.1?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", stock.0.log());
    }
}

#[test]
fn check_status_and_metrics_name_the_device_that_two_machines_use_in_turn() {
    let name = "check_status_and_metrics_name_the_device_that_two_machines_use_in_turn";
    let settings = [("vpn.ping", "1"), ("vpn.ping_restart", "2")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let copy = Subscriber { host: world.host(), folder: alice.folder.clone() };
    let profiles = [alice.profile(), alice.profile_with_servers("")];
    let hosts = [&alice.host, &copy.host];
    let clients: Vec<_> = hosts
        .iter()
        .zip(&profiles)
        .map(|(host, profile)| Stock::start(host, profile, &["--auth-retry", "nointeract"]))
        .collect();
    let named = || {
        let check = world.try_handfast(&["check"]);
        let check = String::from_utf8_lossy(&check.stdout).into_owned();
        let line = check.lines().find(|line| line.contains("alice/default was replaced by itself"));
        line.map(str::to_owned)
    };
    assert!(wait_until(Duration::from_secs(60), || named().is_some()), "{}", world.log());
    let line = named().expect("a finding");
    for host in hosts {
        assert!(line.contains(&host.v4[0].to_string()), "both sources are named: {line}");
    }
    let status = world.handfast(&["status"]);
    assert!(status.contains("replaced"), "{status}");
    let metrics = world.handfast(&["status", "--prometheus"]);
    let counted = metrics.lines().find(|line| line.contains("reason=\"replaced\""));
    assert!(counted.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
    drop(clients);
}

#[test]
fn a_client_that_is_started_before_the_network_is_up_connects_once_it_is() {
    let name = "a_client_that_is_started_before_the_network_is_up_connects_once_it_is";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let router = alice.host.v4[0].octets();
    let router = format!("203.0.113.{}", router[3] - 1);
    run(&alice.host, &["ip", "link", "set", "eth0", "down"]);
    let mut own = Own::start(&alice.host, &alice.profile());
    std::thread::sleep(Duration::from_secs(5));
    assert!(!own.0.log().contains("connected to"), "{}", own.0.log());
    run(&alice.host, &["ip", "link", "set", "eth0", "up"]);
    run(&alice.host, &["ip", "route", "add", "default", "via", &router]);
    let begun = Instant::now();
    own.connected();
    println!("FIGURE up {:.1?} after the network", begun.elapsed());
}

/// One tunnel of two has its server's first address silent: the second is tried past the tunnel.
#[test]
fn under_redirected_traffic_the_second_server_is_reached_past_the_tunnel() {
    let name = "under_redirected_traffic_the_second_server_is_reached_past_the_tunnel";
    let settings =
        [("vpn.push.redirect_gateway", "true"), ("vpn.ping", "1"), ("vpn.ping_restart", "3")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let [first, second] = [world.gateway.v4[0].to_string(), world.gateway.v4[1].to_string()];
    let servers = format!("remote {first} 1194 udp\nremote {second} 1194 udp");
    let mut own = Own::start(&alice.host, &alice.profile_with_servers(&servers));
    own.connected();
    silence(&world.gateway, &first);
    let to_second = format!("connected to {second}");
    assert!(own.0.says(&to_second, Duration::from_secs(30)), "{}", own.0.log());
}

/// Whatever the gateway is sent at this address, and answers from it, is lost.
fn silence(host: &Host, address: &str) {
    let family = match address.parse::<IpAddr>().expect("an address") {
        IpAddr::V4(_) => "ip",
        IpAddr::V6(_) => "ip6",
    };
    let hook = |name: &str| format!("{{ type filter hook {name} priority 0; }}");
    let rules = format!(
        "add table inet dark; add chain inet dark i {}; add chain inet dark o {}; \
         add rule inet dark i {family} daddr {address} udp dport 1194 drop; \
         add rule inet dark o {family} saddr {address} udp sport 1194 drop",
        hook("input"),
        hook("output")
    );
    run(host, &["nft", &rules]);
}

fn run(host: &Host, line: &[&str]) {
    let mut command = Command::new(line[0]);
    command.args(&line[1..]);
    let output = host.netns.output(command).expect("it starts");
    assert!(output.status.success(), "{line:?}: {output:?}");
}

/// A profile of somebody's, changed.
trait Changed {
    /// A copy in a folder of its own, with these lines for its servers, or with its own where there are none.
    fn profile_with_servers(&self, servers: &str) -> std::path::PathBuf;
}

impl Changed for Subscriber {
    fn profile_with_servers(&self, servers: &str) -> std::path::PathBuf {
        let text = fs::read_to_string(self.profile()).expect("a profile");
        let own: Vec<_> = text.lines().filter(|line| line.starts_with("remote ")).collect();
        let servers = if servers.is_empty() { own.join("\n") } else { servers.to_owned() };
        let copy = self.profile_with(&servers);
        let folder = self.folder.with_extension("copy");
        fs::create_dir_all(&folder).expect("a folder");
        let place = folder.join("copy.conf");
        fs::rename(copy, &place).expect("it moves");
        place
    }
}
