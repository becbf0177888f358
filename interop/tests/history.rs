//! Who was here: each session leaves a record, and a device's last seen is its last session.

use std::thread::sleep;
use std::time::Duration;

use interop::{Ping, Stock, World, wait_until};

#[test]
fn a_device_was_seen_at_the_end_of_its_last_session_and_each_session_is_on_record() {
    let name = "a_device_was_seen_at_the_end_of_its_last_session_and_each_session_is_on_record";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut first = Stock::start(&alice.host, &alice.profile(), &["--auth-retry", "nointeract"]);
    first.connected();
    assert!(wait_until(Duration::from_secs(5), || !seen(&world).is_empty()), "{}", world.log());
    let opened = seen(&world);
    sleep(Duration::from_secs(3));
    let inner = "10.71.0.1".parse().expect("an address");
    Ping::run(&alice.host.netns, inner, 20, Duration::from_millis(20), &world.file("ping.log"));
    let carried = world.sessions()[0]["bytes_in"].clone();
    assert!(carried.as_u64() >= Some(20 * 84), "{carried}");
    first.0.signal("TERM");
    assert!(world.sessions_become(0, Duration::from_secs(10)), "{}", world.log());
    let ended = seen(&world);
    assert!(ended > opened, "last seen {ended} is the first connection, {opened}");

    sleep(Duration::from_secs(2));
    let mut second = Stock::start(&alice.host, &alice.profile(), &[]);
    second.connected();
    let connected = || world.sessions().len() == 1;
    assert!(wait_until(Duration::from_secs(5), connected));
    let sessions = world.json(&["sessions", "--history", "alice"]);
    let sessions = sessions.as_array().expect("a list");
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    assert_eq!(sessions[0]["ended"], serde_json::Value::Null);
    assert_eq!(sessions[1]["ended"], "peer_exit", "{sessions:?}");
    for direction in ["bytes_in", "bytes_out"] {
        assert!(sessions[1][direction].as_u64() >= Some(20 * 84), "{direction}: {sessions:?}");
    }
    let log = world.log();
    let gone = log.lines().find(|line| line.contains("disconnected")).expect("a line");
    assert!(!gone.contains("bytes_in=0 ") && !gone.contains("bytes_out=0 "), "{gone}");
    let past = world.json(&["sessions", "--history", "--address", "10.71.0.2", "--at", &ended]);
    assert_eq!(past.as_array().map(Vec::len), Some(1), "{past}");
    let none = world.json(&["sessions", "--history", "--since", "2099-01-01"]);
    assert_eq!(none.as_array().map(Vec::len), Some(0), "{none}");

    // Killed, the gateway has noted no end; the next one does.
    sleep(Duration::from_secs(11));
    world.up.as_ref().expect("it runs").signal("KILL");
    drop(second);
    world.up = None;
    world.bring_up();
    let sessions = world.json(&["sessions", "--history", "alice/default"]);
    assert_eq!(sessions[0]["ended"], "gateway_ended", "{sessions}");
}

fn seen(world: &World) -> String {
    world.json(&["device", "show", "alice/default"])["last_seen_at"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
