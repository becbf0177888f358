//! Packets over TCP: stock and our own client at our gateway.

use std::net::IpAddr;
use std::time::Duration;

use interop::{Ping, Stock, World};

const BOTH: (&str, &str) = ("vpn.listen", r#"["udp:[::]:1194", "tcp:[::]:1194"]"#);

#[test]
fn a_stock_client_connects_over_tcp() {
    let name = "a_stock_client_connects_over_tcp";
    let Some(mut world) = World::start(name, &[BOTH]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut client =
        Stock::start(&alice.host, &alice.profile_over_tcp(&world.gateway.v4[0].to_string()), &[]);
    client.connected();
    ping(&world, &alice.host.netns, "10.71.0.1".parse().expect("an address"));
    let log = client.0.log();
    assert!(!log.contains("WARNING"), "{log}");
    let sessions = world.sessions();
    assert_eq!(sessions[0]["transport"], "tcp", "{sessions:?}");
}

fn ping(world: &World, from: &sysio::Netns, target: IpAddr) {
    let log = world.file("ping.log");
    let ping = Ping::start(from, target, 50, Duration::from_millis(10), &log).expect("ping starts");
    let report = ping.finish(Duration::from_secs(10));
    assert_eq!((report.sent, report.lost()), (50, 0), "{target}\n{}", world.log());
}
