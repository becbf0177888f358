//! What the running gateway tells of sessions that were let in: a look that says goodbye, ends that have a reason, and the
//! lives of keys that are in use. The client is the stock one, apart from the look.

mod told;

use std::fs;
use std::process::Command;
use std::time::Duration;

use interop::{Ping, Stock, Subscriber, World, binary, wait_until};
use serde_json::Value;

use told::{broke_by, entries, mended_by, told};

#[test]
fn a_look_that_says_goodbye_once_it_is_let_in_is_no_refusal() {
    let name = "a_look_that_says_goodbye_once_it_is_let_in_is_no_refusal";
    let Some(mut world) = World::start(name, &[("explain.keep", "\"all\"")]) else { return };
    let alice = world.subscriber("alice", "unified");
    for _ in 0..3 {
        let mut look = Command::new(binary());
        look.args(["explain", "vpn"]).arg(alice.profile());
        let looked = alice.host.netns.output(look).expect("handfast runs");
        assert!(looked.status.success(), "{looked:?}");
    }
    let left = || world.json(&["status"])["endings"]["peer_exit"].as_u64() > Some(0);
    assert!(wait_until(Duration::from_secs(10), left), "{}", world.log());
    let status = world.json(&["status"]);
    assert!(status["refusals"]["peer_exit"].is_null(), "{}", status["refusals"]);
    assert_eq!(status["last_refusals"].as_array().map(Vec::len), Some(0));
    assert!(!world.log().contains("refused"), "{}", world.log());
    let none = world.try_handfast(&["explain", "failure"]);
    assert_eq!(none.status.code(), Some(3), "{none:?}");
}

#[test]
fn an_open_session_that_ends_is_told_with_its_end_as_a_step_of_its_own() {
    let name = "an_open_session_that_ends_is_told_with_its_end_as_a_step_of_its_own";
    let settings = [("vpn.reneg_sec", "5"), ("explain.keep", "\"all\"")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    renewed(&world, &alice, "kicked.log");
    the_keys_lives_are_told(&told(&world, &["session", "alice"]));
    world.handfast(&["kick", "alice"]);
    let kicked = told(&world, &["failure", "kicked"]);
    ended(&kicked, "kicked");
    assert!(world.sessions_become(0, Duration::from_secs(20)), "{}", world.log());
    let none = world.try_handfast(&["explain", "failure"]);
    assert_eq!(none.status.code(), Some(3), "a kick is no refusal: {none:?}");
    renewed(&world, &alice, "revoked.log");
    world.handfast(&["device", "revoke", "alice/default"]);
    ended(&told(&world, &["failure", "revoked"]), "revoked");
    let unknown = world.try_handfast(&["explain", "failure", "nonsense"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("nonsense") && said.contains("kicked, revoked"), "{said}");
    assert!(!said.contains("never reached"), "{said}");
    let of_clients = world.try_handfast(&["explain", "failure", "auth_failed"]);
    let said = String::from_utf8_lossy(&of_clients.stderr).into_owned();
    assert!(said.contains("a client meets") && said.contains("explain vpn"), "{said}");
    number_is_in_the_log(&world, &alice);
}

#[test]
fn a_client_that_was_killed_and_comes_back_is_told_as_the_one_that_replaced_its_former_session() {
    let name = "a_client_that_was_killed_and_comes_back_is_told_as_the_one_that_replaced_its_former_session";
    let Some(mut world) = World::start(name, &[("explain.keep", "\"all\"")]) else { return };
    let alice = world.subscriber("alice", "unified");
    let session = || told(&world, &["session", "alice"]);
    let mut former = Stock::start(&alice.host, &alice.profile(), &[]);
    former.connected();
    let was = session();
    killed(&mut former);
    let mut newer = Stock::start(&alice.host, &alice.profile(), &[]);
    newer.connected();
    assert!(world.sessions_become(1, Duration::from_secs(20)), "{}", world.log());
    let story = told(&world, &["failure", "replaced"]);
    broke_by(&story, "replaced", "server");
    assert_eq!(story["ending"]["how"], "ended");
    assert_eq!(story["client"], was["client"], "the former one");
    let sentence = story["ending"]["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("newer session"), "{sentence}");
    // Its goodbye is lost, and it comes back from the same port.
    let profile = alice.folder.join("port.ovpn");
    let text = fs::read_to_string(alice.profile()).expect("a profile");
    fs::write(&profile, text.replace("\nnobind\n", "\n")).expect("a profile is written");
    killed(&mut newer);
    let mut bound = Stock::start(&alice.host, &profile, &["--lport", "5000"]);
    bound.connected();
    killed(&mut bound);
    let mut again = Stock::start(&alice.host, &profile, &["--lport", "5000"]);
    again.connected();
    let former = told(&world, &["failure", "begun_in_place"]);
    broke_by(&former, "begun_in_place", "server");
    assert_eq!(former["ending"]["how"], "ended", "{former}");
    let newer = told(&world, &["failure"]);
    assert_eq!(newer["ending"]["code"], "begun_in_place", "{newer}");
    for story in [former, newer] {
        let sentence = story["ending"]["sentence"].as_str().expect("a sentence").to_owned();
        assert!(sentence.contains("both end"), "it is said of both: {sentence}");
        mended_by(&story, "killed and started again");
    }
}

/// Its port is free behind that.
fn killed(client: &mut Stock) {
    client.0.signal("KILL");
    assert!(client.0.ends(Duration::from_secs(10)).is_some(), "{}", client.0.log());
}

#[test]
fn a_packet_dropped_inside_an_open_session_is_no_session_that_was_refused() {
    let name = "a_packet_dropped_inside_an_open_session_is_no_session_that_was_refused";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut client = Stock::start(&alice.host, &alice.profile(), &[]);
    client.connected();
    // The client's kernel asks for IPv6 neighbours by itself.
    let dropped = || world.json(&["status"])["drops"]["link_local"].as_u64() > Some(0);
    assert!(wait_until(Duration::from_secs(20), dropped), "{}", world.json(&["status"])["drops"]);
    let story = told(&world, &["failure", "link_local"]);
    assert_eq!(story["ending"]["how"], "dropped", "{story}");
    assert_eq!(entries(&story), ["data_packet_dropped"]);
    assert_eq!(story["missing"].as_array().map(Vec::len), Some(0), "{story}");
    let term = world.handfast(&["explain", "failure", "link_local"]);
    assert!(term.contains("no session was refused") && !term.contains("Knocking"), "{term}");
    assert!(world.sessions_become(1, Duration::from_secs(5)), "it is open");
}

/// A stock client connects and pings until its keys have been renewed; it is gone afterwards, without a goodbye.
fn renewed(world: &World, alice: &Subscriber, log: &str) {
    let mut client = Stock::start(&alice.host, &alice.profile(), &["--ping-restart", "0"]);
    client.connected();
    let (lan, log) = (world.lan.v4[0].into(), alice.folder.join(log));
    let ping = Ping::start(&alice.host.netns, lan, 200, Duration::from_millis(200), &log);
    let in_use = || {
        let story = told(world, &["session", "alice"]);
        later_key(&story).is_some()
    };
    let seen = wait_until(Duration::from_secs(40), in_use);
    assert!(seen, "{}\n{}", told(world, &["session", "alice"])["keys"], world.log());
    ping.expect("ping starts").stop();
    client.0.signal("KILL");
}

fn data_key(story: &Value, id: &str) -> Option<Value> {
    story["keys"].as_array()?.iter().find(|key| key["id"] == id).cloned()
}

/// The first renewed one that both sides have used: a client may leave one out.
fn later_key(story: &Value) -> Option<Value> {
    let renewed = |key: &&Value| key["kind"] == "data" && key["id"] != "data0";
    let both = |key: &&Value| key["uses"].as_array().map(Vec::len) == Some(2);
    story["keys"].as_array()?.iter().filter(renewed).find(both).cloned()
}

fn the_keys_lives_are_told(story: &Value) {
    let at = |time: &Value| time.as_u64().unwrap_or_else(|| panic!("no time in {}", story["keys"]));
    let first = data_key(story, "data0").expect("a key");
    let second = later_key(story).expect("another key");
    let began = |key: &Value, by: &str| {
        let uses = key["uses"].as_array().expect("a list");
        at(&uses.iter().find(|one| one["by"] == by).expect("both")["first"])
    };
    assert!(at(&first["born"]) < at(&second["born"]), "{first} {second}");
    for by in ["client", "server"] {
        assert!(at(&second["born"]) <= began(&second, by), "{second}");
        assert!(began(&first, by) < began(&second, by), "{first} {second}");
    }
    assert!(first["plan"]["seals_until"].is_null(), "it seals no more: {first}");
    assert_eq!(first["plan"]["in_use"], false);
    assert!(at(&first["plan"]["opens_until"]) > began(&second, "server"), "the overlap: {first}");
}

fn ended(story: &Value, reason: &str) {
    broke_by(story, reason, "server");
    assert_eq!(story["ending"]["how"], "ended");
    let entries = entries(story);
    assert_eq!(entries.last().map(String::as_str), Some("session_ended"), "{entries:?}");
    assert!(entries.contains(&"server_soft_reset".to_owned()), "{entries:?}");
    assert_eq!(story["ending"]["at_step"].as_u64(), Some(entries.len() as u64));
    assert_eq!(story["missing"].as_array().map(Vec::len), Some(0), "{}", story["missing"]);
    let title = story["title"].as_str().expect("a title");
    assert!(title.ends_with(&format!("ended: {reason}")), "{title}");
}

/// What the log says of a refusal holds the number by which its story is asked for.
fn number_is_in_the_log(world: &World, alice: &Subscriber) {
    let before = world.counted("revoked");
    let _again = Stock::start(&alice.host, &alice.profile(), &[]);
    let counted = || world.counted("revoked") > before;
    assert!(wait_until(Duration::from_secs(20), counted), "{}", world.log());
    let number = world.json(&["status"])["last_refusals"][0]["number"].to_string();
    let log = world.log();
    let line = log.lines().rfind(|line| line.contains("refused: ")).expect("a line");
    assert!(line.contains(&format!("explain_failure={number}")), "{number}: {line}");
    broke_by(&told(world, &["failure", &number]), "revoked", "server");
}
