//! `handfast connect` with a profile that Handfast made.

use std::net::IpAddr;
use std::time::Duration;

use interop::{Own, Ping, World};

#[test]
fn our_client_reaches_the_gateway_and_the_host_behind_it_and_leaves_nothing_behind() {
    let name = "our_client_reaches_the_gateway_and_the_host_behind_it_and_leaves_nothing_behind";
    let settings = [("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let before = routes(&alice.host);
    let mut client = Own::start(&alice.host, &alice.profile());
    client.connected();
    let targets: [IpAddr; 3] =
        ["10.71.0.1".parse().expect("an address"), world.lan.v4[0].into(), world.lan.v6[0].into()];
    for target in targets {
        let log = world.file("ping.log");
        let ping =
            Ping::start(&alice.host.netns, target, 50, Duration::from_millis(10), &log).unwrap();
        let report = ping.finish(Duration::from_secs(10));
        assert_eq!((report.sent, report.lost()), (50, 0), "{target}\n{}", world.log());
    }
    assert_ne!(routes(&alice.host), before);
    client.0.signal("TERM");
    assert!(client.0.ends(Duration::from_secs(10)).is_some_and(|status| status.success()));
    assert_eq!(routes(&alice.host), before);
    let sessions = world.json(&["sessions"]);
    assert_eq!(sessions.as_array().map(Vec::len), Some(0), "{sessions}");
}

fn routes(host: &sysio::lab::Host) -> String {
    let mut all = String::new();
    for family in ["-4", "-6"] {
        let mut ip = std::process::Command::new("ip");
        ip.args([family, "route", "show"]);
        let output = host.netns.output(ip).expect("ip runs");
        all.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    all
}
