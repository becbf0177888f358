//! What the running gateway tells of its own handshakes: refused clients, open sessions, packets that it dropped. The
//! client is the stock one, so that nothing but the gateway could have kept anything.
//!
//! With `EXPLAIN_RECORD=1` it writes the stories that only a gateway can tell, and their pages in docs/handshakes; without
//! it, what the gateway tells is held against them, word by word.

mod forged;
mod told;

use std::fs;
use std::process::Command;
use std::time::Duration;

use interop::{Stock, Subscriber, World, wait_until};
use pki::Profile;
use serde_json::Value;

use forged::{DAY, Forger};
use told::{broke_by, certificate_of, entries, mended_by, recorded, told};

/// Short, so that a client that fell silent is noticed soon.
const SETTINGS: [(&str, &str); 1] = [("vpn.hand_window", "5")];

#[test]
fn a_revoked_device_is_told_in_every_format_and_the_log_says_who_asked() {
    let name = "a_revoked_device_is_told_in_every_format_and_the_log_says_who_asked";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let alice = world.subscriber("alice", "unified");
    let nobody = world.try_handfast(&["explain", "failure"]);
    assert_eq!(nobody.status.code(), Some(3), "{nobody:?}");
    world.handfast(&["device", "revoke", "alice/default"]);
    refused(&world, &alice, &alice.text(), "revoked");
    let story = told(&world, &["failure"]);
    broke_by(&story, "revoked", "server");
    let entries = entries(&story);
    let wanted = ["not_kept", "cookie_returned", "client_hello", "server_hello"];
    let certified = ["server_certificate", "client_certificate", "client_certificate_verify"];
    for entry in wanted.iter().chain(&certified).chain(&["alert"]) {
        assert!(entries.contains(&(*entry).to_owned()), "{entry} is missing: {entries:?}");
    }
    let at = story["ending"]["at_step"].as_u64().expect("a step") as usize;
    assert!(entries[at - 1].starts_with("client_certificate"), "{}", entries[at - 1]);
    let theirs = certificate_of(&story, "client");
    let records = theirs["inquiries"].as_array().expect("a list");
    let records = records.iter().find(|one| one["means"] == "records").expect("ours");
    assert_eq!(records["answer"], "revoked");
    assert!(records["revoked_at"].is_u64(), "since when: {records}");
    mended_by(&story, "`handfast profile alice/default --renew`");
    let said = world.handfast(&["explain", "failure", "revoked", "--format", "json"]);
    assert!(!said.contains("unspecified"), "{said}");
    let status = world.json(&["status"]);
    let entry = &status["last_refusals"][0];
    assert_eq!(story["ending"]["sentence"], entry["sentence"], "the same words as in status");
    noted(&world, &entry["number"]);
    let term = world.handfast(&["explain", "failure", &entry["number"].to_string()]);
    assert!(term.contains("the gateway says: refused alice/default: "), "{term}");
    assert!(term.lines().all(|line| line.chars().count() <= 80), "{term}");
    for (format, begins) in
        [("svg", "<svg"), ("html", "<!doctype html>"), ("mermaid", "sequenceDiagram")]
    {
        let page = world.handfast(&["explain", "failure", "revoked", "--format", format]);
        assert!(page.trim_start().to_lowercase().starts_with(&begins.to_lowercase()), "{page}");
    }
    let events = world.json(&["events"]);
    let asked = |event: &&Value| event["what"] == "handshake_explained";
    let last = events.as_array().expect("a list").iter().rfind(asked).expect("an event");
    assert!(last["actor"].to_string().contains('0'), "{last}");
    recorded(&world, "gateway-revoked", &["failure", "revoked"]);
}

#[test]
fn each_of_the_classics_is_told_by_the_gateway_with_its_cause_and_its_mend() {
    let name = "each_of_the_classics_is_told_by_the_gateway_with_its_cause_and_its_mend";
    let settings = [SETTINGS[0], ("vpn.ciphers", "[\"AES-256-GCM\"]")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let (ours, stranger) = (Forger::with_the_key_of(&world.data()), Forger::new());
    world.bring_up();
    let device = || Profile::Device { user: "alice".into(), device: "default".into() };
    let text = alice.text();
    let of = |pair: &forged::Pair| {
        text.clone().with_block("cert", &pair.certificate).with_block("key", &pair.key)
    };
    let expired = of(&ours.issue(device(), (-3000, -60)));
    let other_ca = of(&stranger.issue(device(), (-3000, 30 * DAY)));
    let ahead = of(&ours.issue(device(), (DAY, 30 * DAY)));
    let line = text.lines().find(|line| line.starts_with("data-ciphers ")).expect("its ciphers");
    let no_cipher = text.replace(line, "data-ciphers AES-128-GCM");
    let classics = [
        (
            "expired",
            &expired,
            "server",
            "`handfast profile alice/default --renew`",
            "gateway-expired",
        ),
        ("unknown_ca", &other_ca, "server", "profile of this gateway", "gateway-other-ca"),
        ("not_yet_valid", &ahead, "server", "clock", "gateway-clock"),
        ("no_common_cipher", &no_cipher, "server", "data-ciphers", "gateway-no-cipher"),
    ];
    for (reason, profile, by, mend, page) in classics {
        refused(&world, &alice, profile, reason);
        let story = told(&world, &["failure", reason]);
        broke_by(&story, reason, by);
        mended_by(&story, mend);
        by_whose_clock(&story, reason);
        let server = story["server"].as_str().expect("text");
        assert!(server.ends_with(":1194"), "its port is told as of sessions: {server}");
        if reason == "no_common_cipher" {
            assert_eq!(records_of(&story), "good", "its certificate is not why");
        }
        recorded(&world, page, &["failure", reason]);
    }
    // A client that refuses us falls silent, and an alert of its own is told as its finding.
    let wrong_name = text.replace("gateway.handfast.internal", "gateway.example.org");
    refused(&world, &alice, &wrong_name, "silent_after_our_certificate");
    let story = told(&world, &["failure", "silent_after_our_certificate"]);
    assert!(story["ending"]["by"].is_null(), "nobody said no: {}", story["ending"]);
    for mend in ["verify-x509-name", "another service", "wrong name: issue one"] {
        mended_by(&story, mend);
    }
    recorded(&world, "gateway-wrong-name", &["failure", "silent_after_our_certificate"]);
    world.handfast(&["user", "disable", "alice"]);
    refused(&world, &alice, &text, "user_disabled");
    broke_by(&told(&world, &["failure", "user_disabled"]), "user_disabled", "server");
}

#[test]
fn packets_that_nobody_answers_are_told_by_their_count() {
    let name = "packets_that_nobody_answers_are_told_by_their_count";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let alice = world.subscriber("alice", "unified");
    let other = Command::new("openvpn").args(["--genkey", "secret", "/dev/stdout"]).output();
    let other = String::from_utf8_lossy(&other.expect("openvpn runs").stdout).into_owned();
    let wrong_key = alice.text().with_block("tls-auth", &other);
    let wrong_direction = alice.text().replace("key-direction 1", "key-direction 0");
    for (profile, reason, mend, page) in [
        (wrong_key, "wrong_tls_auth_key", "fetch it again", "gateway-wrong-key"),
        (wrong_direction, "wrong_key_direction", "key-direction 1", "gateway-wrong-direction"),
    ] {
        assert!(!world.try_handfast(&["explain", "failure", reason]).status.success());
        refused(&world, &alice, &profile, reason);
        let story = told(&world, &["failure", reason]);
        broke_by(&story, reason, "server");
        mended_by(&story, mend);
        assert_eq!(entries(&story), ["not_kept"], "nothing is kept of a stranger");
        let source = alice.host.v4[0].to_string();
        assert!(story["judgements"].to_string().contains(&source), "where the last came from");
        recorded(&world, page, &["failure", reason]);
    }
    // Of a client whose packets never arrive nothing is remembered, and it is said what can be asked.
    let none = world.try_handfast(&["explain", "failure"]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(said.contains("handfast explain failure nothing_arrives"), "{said}");
}

#[test]
fn an_open_session_is_told_with_its_keys_as_far_as_the_settings_keep_it() {
    let name = "an_open_session_is_told_with_its_keys_as_far_as_the_settings_keep_it";
    let listen = "[\"udp:[::]:1194\", \"tcp:[::]:1194\"]";
    let settings = [("vpn.reneg_sec", "3600"), ("vpn.listen", listen)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut client = Stock::start(&alice.host, &alice.profile(), &[]);
    client.connected();
    let story = told(&world, &["session", "alice/default"]);
    assert_eq!(entries(&story), ["not_kept"]);
    assert!(story["steps"][0]["fields"][0]["value"].to_string().contains("failures"));
    the_key_is_renewed_within_an_hour(&story);
    drop(client);
    world.handfast(&["config", "set", "explain.keep", "all"]);
    world.handfast(&["reload"]);
    for profile in [alice.profile(), alice.profile_over_tcp(&world.gateway.v4[0].to_string())] {
        let mut client = Stock::start(&alice.host, &profile, &[]);
        client.connected();
        let story = told(&world, &["session", "alice"]);
        let entries = entries(&story);
        for entry in ["client_certificate_verify", "client_key_message", "push_reply"] {
            assert!(entries.contains(&entry.to_owned()), "{entry} is missing: {entries:?}");
        }
        assert!(!entries.contains(&"sealed".to_owned()), "all of it is read: {entries:?}");
        assert_eq!(story["ending"]["how"], "done");
        the_key_is_renewed_within_an_hour(&story);
        let number = world.sessions()[0]["id"].to_string();
        let by_number = told(&world, &["session", &number]);
        assert_eq!(by_number["steps"], story["steps"]);
        if story["transport"] == "udp" {
            recorded(&world, "gateway-session", &["session", "alice"]);
        }
        drop(client);
        // Over TCP it is gone with its client.
        let _ = world.try_handfast(&["kick", "alice"]);
        assert!(world.sessions_become(0, Duration::from_secs(20)), "{}", world.log());
    }
    world.handfast(&["config", "set", "explain.keep", "off"]);
    world.handfast(&["reload"]);
    world.handfast(&["device", "revoke", "alice/default"]);
    refused(&world, &alice, &alice.text(), "revoked");
    let story = told(&world, &["failure"]);
    assert_eq!(entries(&story), ["not_kept"]);
    broke_by(&story, "revoked", "server");
}

#[test]
fn a_renewal_of_a_session_that_was_let_in_before_all_was_kept_is_a_gap_and_no_time_is_cut_off() {
    let name = "a_renewal_of_a_session_that_was_let_in_before_all_was_kept_is_a_gap_and_no_time_is_cut_off";
    let Some(mut world) = World::start(name, &[("vpn.reneg_sec", "5")]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut client = Stock::start(&alice.host, &alice.profile(), &[]);
    client.connected();
    world.handfast(&["config", "set", "explain.keep", "all"]);
    world.handfast(&["reload"]);
    let renewed = || world.sessions()[0]["renegotiated_at"].is_string();
    assert!(wait_until(Duration::from_secs(30), renewed), "{}", world.log());
    let story = told(&world, &["session", "alice"]);
    assert_eq!(entries(&story), ["not_kept", "not_kept"]);
    let why = |step: usize| story["steps"][step]["fields"][0]["value"].to_string();
    assert!(why(0).contains("was over before explain.keep became all"), "{}", why(0));
    assert!(why(1).contains("its keys were renewed"), "{}", why(1));
    let began = story["began"].as_u64().expect("a time");
    assert_ne!(began % 1_000_000, 0, "the moment, and not the second that it is in");
    let keys = story["keys"].as_array().expect("keys");
    let first = keys.iter().find(|key| key["id"] == "data0").expect("the first");
    assert!(first["born"].as_u64() < Some(100_000), "{first}");
}

#[test]
fn a_renewal_of_the_keys_is_told_behind_the_first_handshake() {
    let name = "a_renewal_of_the_keys_is_told_behind_the_first_handshake";
    let settings = [("vpn.reneg_sec", "5"), ("explain.keep", "\"all\"")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut client = Stock::start(&alice.host, &alice.profile(), &[]);
    client.connected();
    let renewed = || {
        let story = told(&world, &["session", "alice"]);
        story["title"].as_str().is_some_and(|title| title.contains("renewed"))
    };
    let seen = wait_until(Duration::from_secs(30), renewed);
    let story = told(&world, &["session", "alice"]);
    assert!(seen, "{:?} {}\n{}", entries(&story), story["keys"], world.log());
    let steps = story["steps"].as_array().expect("steps");
    let of_renewal = |step: &&Value| step["handshake"].as_u64() > Some(0);
    let told: Vec<_> = steps.iter().filter(of_renewal).map(|step| &step["entry"]).collect();
    for entry in ["server_soft_reset", "client_hello", "client_certificate_verify"] {
        assert!(told.iter().any(|told| *told == entry), "{entry} is missing: {told:?}");
    }
    assert!(!told.iter().any(|told| *told == "sealed"), "{told:?}");
    let keys = story["keys"].as_array().expect("keys");
    assert!(keys.iter().any(|key| key["kind"] == "data" && key["plan"]["in_use"] == true));
    recorded(&world, "vpn-renewed", &["session", "alice"]);
}

/// Between nine tenths of an hour and the whole.
fn the_key_is_renewed_within_an_hour(story: &Value) {
    let keys = story["keys"].as_array().expect("a list");
    let key = keys.iter().find(|key| key["kind"] == "data").expect("a data channel key");
    let at = |time: &Value| time.as_u64().expect("a time");
    let minutes = (at(&key["plan"]["renews"]) - at(&key["born"])) / 60_000_000;
    assert!((53..=60).contains(&minutes), "{key}");
    assert_eq!(key["plan"]["in_use"], true);
}

/// The gateway names its own clock where it judged by that, and what it knows of the client's.
fn by_whose_clock(story: &Value, reason: &str) {
    let judged = story["judgements"].to_string();
    let by_time = ["expired", "not_yet_valid"].contains(&reason);
    assert_eq!(judged.contains("its own clock said"), by_time, "{judged}");
    assert_eq!(judged.contains("a clock that agrees with the gateway's"), by_time, "{judged}");
}

/// What the gateway's records say of the client's certificate.
fn records_of(story: &Value) -> &Value {
    let theirs = certificate_of(story, "client")["inquiries"].as_array().expect("a list");
    let ours = theirs.iter().find(|one| one["means"] == "records");
    ours.map_or(&Value::Null, |one| &one["answer"])
}

/// Who looks at the last refusal is noted with its number and with whose it was.
fn noted(world: &World, number: &Value) {
    let events = world.json(&["events"]);
    let asked = |event: &&Value| event["what"] == "handshake_explained";
    let last = events.as_array().expect("a list").iter().rfind(asked).expect("an event");
    assert_eq!(last["subject"], "alice/default", "{last}");
    assert_eq!(last["details"]["subject"], format!("refusal {number}"), "{last}");
}

fn refused(world: &World, who: &Subscriber, profile: &str, reason: &str) {
    let before = world.counted(reason);
    let before_ended = ended(world, reason);
    let path = who.folder.join(format!("{reason}.conf"));
    fs::write(&path, profile).expect("a profile is written");
    let stock = Stock::start(&who.host, &path, &[]);
    let counted = || world.counted(reason) > before || ended(world, reason) > before_ended;
    let seen = wait_until(Duration::from_secs(20), counted);
    assert!(seen, "{reason}\n{}\n{}", stock.0.log(), world.log());
    // What is said last is kept as well.
    std::thread::sleep(Duration::from_millis(300));
}

fn ended(world: &World, reason: &str) -> u64 {
    world.json(&["status"])["endings"][reason].as_u64().unwrap_or(0)
}

trait Text {
    fn text(&self) -> String;
}

impl Text for Subscriber {
    fn text(&self) -> String {
        fs::read_to_string(self.profile()).expect("a profile")
    }
}

/// A profile's inline blocks.
trait Blocks {
    fn with_block(&self, name: &str, body: &str) -> String;
}

impl Blocks for String {
    fn with_block(&self, name: &str, body: &str) -> String {
        let (open, close) = (format!("<{name}>"), format!("</{name}>\n"));
        let start = self.find(&open).expect("the block begins");
        let end = self.find(&close).expect("the block ends") + close.len();
        format!("{}{}<{name}>\n{}\n</{name}>\n", &self[..start], &self[end..], body.trim())
    }
}
