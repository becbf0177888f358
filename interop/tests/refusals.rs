//! Every refusal has a typed reason of its own in `status --json`, found with the stock client.

mod forged;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use interop::{Stock, Subscriber, World, skip, wait_until};
use pki::Profile;

use forged::{DAY, Forger, Pair, impostor};

/// Short, so that a client that fell silent is noticed soon.
const SETTINGS: [(&str, &str); 1] = [("vpn.hand_window", "5")];

#[test]
fn a_certificate_that_the_gateway_refuses_is_refused_for_its_own_reason() {
    let name = "a_certificate_that_the_gateway_refuses_is_refused_for_its_own_reason";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let ours = Forger::with_the_key_of(&world.data());
    let stranger = Forger::new();
    world.bring_up();
    // Not older than the CA itself.
    let good = (-3000, 30 * DAY);
    let cases: [(&str, Pair); 5] = [
        ("unknown_ca", stranger.issue(device(), good)),
        ("expired", ours.issue(device(), (-3000, -60))),
        ("not_yet_valid", ours.issue(device(), (DAY, 30 * DAY))),
        ("not_in_store", ours.issue(device(), good)),
        ("wrong_usage", ours.issue(Profile::Server { names: vec!["www.example".into()] }, good)),
    ];
    for (reason, pair) in &cases {
        let text = alice.text().with_block("cert", &pair.certificate).with_block("key", &pair.key);
        refused_for(&world, &alice, &text, reason);
    }
    let text = alice.text().without_block("cert").without_block("key");
    let password = world.file("password");
    fs::write(&password, "alice\nsecret\n").expect("written");
    let text = format!("{text}auth-user-pass {}\n", password.display());
    refused_for(&world, &alice, &text, "no_certificate");
    world.handfast(&["device", "revoke", "alice/default"]);
    refused_for(&world, &alice, &alice.text(), "revoked");
}

#[test]
fn a_control_channel_key_that_does_not_fit_is_told_from_a_wrong_direction() {
    let name = "a_control_channel_key_that_does_not_fit_is_told_from_a_wrong_direction";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let alice = world.subscriber("alice", "unified");
    let other = Command::new("openvpn").args(["--genkey", "secret", "/dev/stdout"]).output();
    let other = String::from_utf8_lossy(&other.expect("openvpn runs").stdout).into_owned();
    let wrong_key = alice.text().with_block("tls-auth", &other);
    dropped_for(&world, &alice, &wrong_key, "wrong_tls_auth_key");
    let wrong_direction = alice.text().replace("key-direction 1", "key-direction 0");
    dropped_for(&world, &alice, &wrong_direction, "wrong_key_direction");
    let wrong_digest = alice.text().replace("auth SHA256", "auth SHA512");
    dropped_for(&world, &alice, &wrong_digest, "wrong_auth_digest");
}

#[test]
fn a_client_that_refuses_the_gateway_is_seen_to_fall_silent() {
    let name = "a_client_that_refuses_the_gateway_is_seen_to_fall_silent";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let alice = world.subscriber("alice", "unified");
    let text = alice.text();
    let other_name = text.replace("gateway.handfast.internal", "gateway.example.org");
    fell_silent(&world, &alice, &other_name, "another name", &[]);
    let usage = text.replace("remote-cert-tls server", "remote-cert-tls client");
    fell_silent(&world, &alice, &usage, "another usage", &[]);
    let other_ca = text.with_block("ca", &Forger::new().ca_pem());
    fell_silent(&world, &alice, &other_ca, "another CA", &[]);
    if Command::new("faketime").arg("--version").output().is_err() {
        skip("a_client_whose_clock_is_wrong_is_seen_to_fall_silent", "faketime is not installed");
        return;
    }
    fell_silent(&world, &alice, &text, "a clock that is 20 years ahead", &["-f", "+20y"]);
}

#[test]
fn another_server_of_the_same_ca_is_refused_by_the_stock_client() {
    let name = "another_server_of_the_same_ca_is_refused_by_the_stock_client";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let server = impostor(&world, &alice);
    let mut client = Stock::start(&alice.host, &alice.profile(), &[]);
    let told = client.0.says("VERIFY X509NAME ERROR", Duration::from_secs(20));
    assert!(told, "{}\n{}", client.0.log(), server.log());
    assert!(!client.0.log().contains("Initialization Sequence Completed"));
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let name = "a_request_that_its_key_did_not_sign_is_refused";
    let Some(world) = World::start(name, &[]) else { return };
    world.handfast(&["user", "add", "alice"]);
    let good = world.file("good.csr");
    let path = good.display().to_string();
    let key = world.file("csr.key").display().to_string();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"]);
    let output = openssl.args(["-keyout", &key, "-out", &path]).output().expect("openssl runs");
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&good).expect("a request");
    // The signature comes last; so this touches nothing but it.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line = lines.len() - 4;
    let other = if lines[line].starts_with('A') { "B" } else { "A" };
    lines[line].replace_range(0..1, other);
    let bad = world.file("bad.csr");
    fs::write(&bad, lines.join("\n")).expect("written");
    let refused =
        world.try_handfast(&["device", "add", "alice/bad", "--csr", &bad.display().to_string()]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("sign"), "{said}");
    world.handfast(&["device", "add", "alice/good", "--csr", &path]);
}

/// The stock client with this profile is refused for `reason`, and for no other.
fn refused_for(world: &World, who: &Subscriber, profile: &str, reason: &str) {
    let before = refusals(world);
    let stock = start(who, profile, reason, &[]);
    let counted =
        || refusals(world).iter().any(|(code, _)| code == reason && grew(&before, world, code));
    let seen = wait_until(Duration::from_secs(15), counted);
    assert!(seen, "{reason}\n{}\n{}", stock.0.log(), world.log());
    for (code, count) in refusals(world) {
        assert!(code == reason || !grew(&before, world, &code), "{reason}, but {code}: {count}");
    }
    assert!(!stock.0.log().contains("Initialization Sequence Completed"), "{}", stock.0.log());
    let status = world.json(&["status"]);
    assert_eq!(status["last_refusals"][0]["reason"], reason);
    println!("FIGURE {reason}: {}", status["last_refusals"][0]["sentence"]);
}

/// The stock client's control packets are dropped for `cause`, and for no other of the three.
fn dropped_for(world: &World, who: &Subscriber, profile: &str, cause: &str) {
    let causes = ["wrong_tls_auth_key", "wrong_key_direction", "wrong_auth_digest"];
    let before = causes.map(|cause| world.counted(cause));
    let stock = start(who, profile, cause, &[]);
    let index = causes.iter().position(|c| *c == cause).expect("a known cause");
    let counted = || world.counted(cause) > before[index];
    assert!(wait_until(Duration::from_secs(15), counted), "{cause}\n{}", stock.0.log());
    drop(stock);
    let source = &world.json(&["status"])["drop_sources"][cause];
    assert!(source.as_str().is_some_and(|source| source.contains(':')), "{cause}: {source}");
    for (at, other) in causes.iter().enumerate().filter(|(at, _)| *at != index) {
        assert_eq!(world.counted(other), before[at], "{cause}, but {other}");
    }
}

fn fell_silent(world: &World, who: &Subscriber, profile: &str, why: &str, faketime: &[&str]) {
    let reason = "silent_after_our_certificate";
    let before = world.counted(reason);
    let stock = start(who, profile, &why.replace(' ', "-"), faketime);
    let counted = || world.counted(reason) > before;
    let seen = wait_until(Duration::from_secs(20), counted);
    assert!(seen, "{why}\n{}\n{}", stock.0.log(), world.log());
    assert!(!stock.0.log().contains("Initialization Sequence Completed"), "{}", stock.0.log());
    let status = world.json(&["status"]);
    let last = &status["last_refusals"][0];
    assert_eq!(last["reason"], reason, "{why}");
    let sentence = last["sentence"].as_str().unwrap_or("");
    for cause in ["CA", "name", "usage", "clock"] {
        assert!(sentence.contains(cause), "{sentence}");
    }
}

fn start(who: &Subscriber, profile: &str, name: &str, faketime: &[&str]) -> Stock {
    let path = write(&who.folder, name, profile);
    if faketime.is_empty() {
        return Stock::start(&who.host, &path, &[]);
    }
    Stock::start_as(under_another_clock(faketime), &who.host, &path, &[])
}

/// The stock client with what `faketime` would start it with. Behind `faketime` itself it would be a
/// child that outlives it.
fn under_another_clock(faketime: &[&str]) -> Command {
    let output = Command::new("faketime").args(faketime).arg("env").output();
    let environment = output.expect("faketime runs").stdout;
    let environment = String::from_utf8_lossy(&environment);
    let mut command = Command::new("openvpn");
    for name in ["LD_PRELOAD", "FAKETIME"] {
        let value = environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        command.env(name, value.expect("faketime sets it"));
    }
    command
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(format!("{name}.conf"));
    fs::write(&path, text).expect("a profile is written");
    path
}

fn refusals(world: &World) -> Vec<(String, u64)> {
    let status = world.json(&["status"]);
    let table = status["refusals"].as_object().cloned().unwrap_or_default();
    table.into_iter().map(|(code, count)| (code, count.as_u64().unwrap_or(0))).collect()
}

fn grew(before: &[(String, u64)], world: &World, code: &str) -> bool {
    let was = before.iter().find(|(c, _)| c == code).map_or(0, |(_, count)| *count);
    refusals(world).iter().any(|(c, count)| c == code && *count > was)
}

fn device() -> Profile {
    Profile::Device { user: "alice".into(), device: "default".into() }
}

/// A profile as text, and its inline blocks.
trait Blocks {
    fn block(&self, name: &str) -> String;
    fn without_block(&self, name: &str) -> String;
    fn with_block(&self, name: &str, body: &str) -> String;
}

impl Blocks for String {
    fn block(&self, name: &str) -> String {
        let (open, close) = (format!("<{name}>"), format!("</{name}>\n"));
        let start = self.find(&open).expect("the block begins");
        let end = self.find(&close).expect("the block ends") + close.len();
        self[start..end].to_owned()
    }

    fn without_block(&self, name: &str) -> String {
        self.replace(&self.block(name), "")
    }

    fn with_block(&self, name: &str, body: &str) -> String {
        format!("{}<{name}>\n{}\n</{name}>\n", self.without_block(name), body.trim())
    }
}

trait Text {
    fn text(&self) -> String;
}

impl Text for Subscriber {
    fn text(&self) -> String {
        fs::read_to_string(self.profile()).expect("a profile")
    }
}
