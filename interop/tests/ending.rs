//! How sessions end: silence, goodbye, a kick; and what the stock client does then.

use std::time::Duration;

use interop::{Ping, Stock, World, wait_until};

const ROUTES: (&str, &str) = ("vpn.push.routes", r#"["10.99.0.0/24"]"#);

#[test]
fn a_client_that_was_killed_is_forgotten_after_ping_restart() {
    let name = "a_client_that_was_killed_is_forgotten_after_ping_restart";
    let settings = [ROUTES, ("vpn.ping", "1"), ("vpn.ping_restart", "3")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    // Pings alone keep it: nothing else is sent for twice the time.
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(world.sessions().len(), 1, "{}", world.log());
    assert_eq!(stock.said("Initialization Sequence Completed"), 1, "{}", stock.0.log());
    stock.0.signal("KILL");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.sessions().len(), 1, "ended too early\n{}", world.log());
    assert!(world.sessions_become(0, Duration::from_secs(6)), "{}", world.log());
}

#[test]
fn a_client_that_says_goodbye_is_gone_at_once() {
    let name = "a_client_that_says_goodbye_is_gone_at_once";
    let Some(mut world) = World::start(name, &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    assert!(world.sessions_become(1, Duration::from_secs(2)));
    stock.0.signal("TERM");
    assert!(world.sessions_become(0, Duration::from_secs(1)), "{}", world.log());
}

#[test]
fn a_kicked_client_comes_back() {
    let name = "a_kicked_client_comes_back";
    let Some(mut world) = World::start(name, &[ROUTES]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let first = world.sessions()[0]["id"].clone();
    world.handfast(&["kick", "alice"]);
    assert!(world.sessions().iter().all(|s| s["id"] != first), "{}", world.log());
    let back = wait_until(Duration::from_secs(20), || {
        stock.said("Initialization Sequence Completed") == 2
    });
    assert!(back, "{}\n{}", stock.0.log(), world.log());
    let log = world.file("ping.log");
    let target = world.lan.v4[0].into();
    let report = Ping::run(&alice.host.netns, target, 50, Duration::from_millis(10), &log);
    assert_eq!((report.sent, report.lost()), (50, 0), "{}", world.log());
}
