//! A stock client with a profile that Handfast made reaches the network behind the gateway.

use std::net::IpAddr;
use std::time::Duration;

use interop::{Ping, Stock, World};

#[test]
fn a_stock_client_reaches_the_gateway_and_the_host_behind_it() {
    let name = "a_stock_client_reaches_the_gateway_and_the_host_behind_it";
    let settings = [("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let targets: [IpAddr; 3] =
        ["10.71.0.1".parse().expect("an address"), world.lan.v4[0].into(), world.lan.v6[0].into()];
    for target in targets {
        let log = world.file("ping.log");
        let ping =
            Ping::start(&alice.host.netns, target, 50, Duration::from_millis(10), &log).unwrap();
        let report = ping.finish(Duration::from_secs(10));
        assert_eq!((report.sent, report.lost()), (50, 0), "{target}\n{}", world.log());
    }
}
