//! Certificates on a disk that is full, and on one that turns read-only under the gateway: what is acknowledged stays,
//! of what is refused nothing is to be seen anywhere, and a revocation holds meanwhile.
//!
//! The gateway's data folder is on a disk of its own of 24 MiB; what commands write is elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use interop::{Broken, Stock, Subscriber, World, wait_until};

#[test]
fn on_a_full_disk_nothing_is_issued_and_nothing_of_it_is_to_be_seen() {
    let name = "on_a_full_disk_nothing_is_issued_and_nothing_of_it_is_to_be_seen";
    let Some(world) = World::start_on_disk(name, SIZE) else { return };
    refused_whole(world, Broken::Full);
}

#[test]
fn on_a_disk_that_became_read_only_nothing_is_issued_and_nothing_of_it_is_to_be_seen() {
    let name = "on_a_disk_that_became_read_only_nothing_is_issued_and_nothing_is_to_be_seen";
    let Some(world) = World::start_on_failing_disk(name, SIZE) else { return };
    refused_whole(world, Broken::ReadOnly);
}

/// Until the disk is full, and a kill -9 at that moment.
#[test]
fn every_certificate_that_was_acknowledged_before_the_disk_was_full_is_there_and_no_other() {
    let name =
        "every_certificate_that_was_acknowledged_before_the_disk_was_full_is_there_and_no_other";
    let Some(mut world) = World::start_on_disk(name, SIZE) else { return };
    world.disk().fill().expect("filled");
    let filling =
        fs::File::options().write(true).open(world.data().join("filling")).expect("there");
    let room = filling.metadata().expect("its size").len() - ROOM;
    filling.set_len(room).expect("some room is left");
    let out = world.file("certs");
    let issued = |number: usize| {
        let name = format!("host{number}.example.org");
        world
            .try_handfast(&issue(&name, &out.display().to_string()))
            .status
            .success()
            .then_some(name)
    };
    let acknowledged: BTreeSet<_> = (0..2000).map_while(issued).collect();
    assert!(acknowledged.len() < 2000, "the disk takes everything");
    println!("FIGURE {} certificates were acknowledged on the way", acknowledged.len());
    assert!(!acknowledged.is_empty(), "there was room for some");
    assert_eq!(named(&world), acknowledged);
    world.up.take().expect("it runs").signal("KILL");
    world.bring_up();
    assert_eq!(named(&world), acknowledged);
    let files = |name: &String| ["crt", "key"].map(|kind| format!("{name}.{kind}"));
    assert_eq!(files_in(&out), acknowledged.iter().flat_map(files).collect());
    world.disk().empty().expect("emptied");
    records_are_whole(&world);
}

fn refused_whole(mut world: World, broken: Broken) {
    let alice = world.subscriber("alice", "split");
    for order in [["user", "add", "bob"], ["user", "add", "carol"]] {
        world.handfast(&order);
    }
    let kept = world.file("kept").display().to_string();
    world.handfast(&issue("www.example.org", &kept));
    let csr = csr(&world);
    let before = state(&world);

    broken.begins(&world);
    let before = match broken {
        // What filled it were users.
        Broken::Full => state(&world),
        Broken::ReadOnly => before,
    };
    let orders = orders(&world, &csr);
    for (order, _) in &orders {
        refused(&world, order);
    }
    assert_eq!(state(&world), before, "nothing has happened");
    for (order, out) in &orders {
        assert_eq!(out.as_ref().map(files_in).unwrap_or_default(), BTreeSet::new(), "{order:?}");
    }
    connects(&world, &alice, "the disk took no certificate");
    revoked_from_memory(&mut world, &alice, broken);

    let issued = |mut state: State| {
        state.revoked = before.revoked.clone();
        state
    };
    assert_eq!(issued(state(&world)), before, "nor does a restart find anything half-done");
    for (order, _) in &orders {
        let order: Vec<_> = order.iter().map(String::as_str).collect();
        world.handfast(&order);
    }
    let done = state(&world);
    assert_eq!(done.certificates.len(), before.certificates.len() + orders.len());
    world.up.take().expect("it runs").signal("KILL");
    world.bring_up();
    assert_eq!(state(&world), done, "what was acknowledged stays");
    records_are_whole(&world);
}

/// Rows and log say the same.
fn records_are_whole(world: &World) {
    let said = world.try_handfast(&["check", "--whole"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let good = |line: &str| line.starts_with("good") && line.contains("records");
    assert!(said.lines().any(good), "{said}");
}

/// She is out at once, for OCSP too; and for good, once it is written.
fn revoked_from_memory(world: &mut World, alice: &Subscriber, broken: Broken) {
    let revoke = ["device", "revoke", "alice/default"];
    let output = world.try_handfast(&revoke);
    assert_eq!(output.status.code(), Some(NOT_ON_DISK), "{output:?}");
    stays_out(world, alice);
    assert_eq!(asked(world, alice), Some(REVOKED), "OCSP says so");
    if broken == Broken::Full {
        world.disk().empty().expect("emptied");
        let written = || world.json(&["status"])["not_on_disk"] == 0;
        assert!(wait_until(Duration::from_secs(10), written), "{}", world.log());
        world.disk().fill().expect("filled");
    }
    broken.ends(world);
    if broken == Broken::ReadOnly {
        world.handfast(&revoke);
    }
    stays_out(world, alice);
    assert_eq!(asked(world, alice), Some(REVOKED));
}

/// Everything that gives a certificate, each with the folder that it writes to.
fn orders(world: &World, csr: &str) -> Vec<(Vec<String>, Option<PathBuf>)> {
    let out = |name: &str| world.file(name);
    let text = |path: &PathBuf| path.display().to_string();
    let (first, again, bob, carol) = (out("first"), out("again"), out("bob"), out("carol"));
    let words = |order: &[&str]| order.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![
        (words(&issue("db.example.org", &text(&first))), Some(first)),
        (words(&["cert", "renew", "www.example.org", "--out", &text(&again)]), Some(again)),
        (words(&["profile", "bob", "--os", "linux", "--out", &text(&bob)]), Some(bob)),
        (words(&["device", "add", "bob/laptop", "--csr", csr]), None),
        (words(&["profile", "carol", "--os", "linux", "--out", &text(&carol)]), Some(carol)),
    ]
}

fn issue<'a>(name: &'a str, out: &'a str) -> [&'a str; 5] {
    ["cert", "issue", name, "--out", out]
}

/// What there is to be seen of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    /// By name or device.
    certificates: BTreeSet<String>,
    devices: BTreeSet<String>,
    revoked: BTreeSet<String>,
}

fn state(world: &World) -> State {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let all = |value: serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let devices = all(world.json(&["device", "list"]));
    let mut certificates: BTreeSet<_> =
        devices.iter().filter_map(|device| device["serial"].as_str().map(str::to_owned)).collect();
    for name in named(world) {
        let shown = world.json(&["cert", "show", &name]);
        certificates.extend(all(shown["certificates"].clone()).iter().map(|c| text(&c["serial"])));
    }
    let crl = world.json(&["crl", "show"]);
    State {
        certificates,
        devices: devices.iter().map(|device| text(&device["id"])).collect(),
        revoked: all(crl["entries"].clone()).iter().map(ToString::to_string).collect(),
    }
}

/// The names that have certificates.
fn named(world: &World) -> BTreeSet<String> {
    let list = world.json(&["cert", "list"]);
    let names = list.as_array().cloned().unwrap_or_default();
    names.iter().filter_map(|name| name["name"].as_str().map(str::to_owned)).collect()
}

fn files_in(folder: &PathBuf) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn refused(world: &World, order: &[String]) {
    let order: Vec<_> = order.iter().map(String::as_str).collect();
    let output = world.try_handfast(&order);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    println!("{order:?}: {}", said.lines().next().unwrap_or_default());
    assert!(!output.status.success(), "{said}");
}

fn connects(world: &World, who: &Subscriber, what: &str) {
    let mut stock = Stock::start(&who.host, &who.profile(), &[]);
    let up = stock.0.says("Initialization Sequence Completed", Duration::from_secs(20));
    assert!(up, "{what}: {}\n{}", stock.0.log(), world.log());
    stock.0.signal("TERM");
    assert!(stock.0.ends(Duration::from_secs(10)).is_some(), "{}", stock.0.log());
}

fn stays_out(world: &World, who: &Subscriber) {
    let mut stock = Stock::start(&who.host, &who.profile(), &["--auth-retry", "nointeract"]);
    let up = stock.0.says("Initialization Sequence Completed", Duration::from_secs(3));
    assert!(!up, "{}\n{}", stock.0.log(), world.log());
}

/// What `ocsp ask` ends with, about her certificate.
fn asked(world: &World, who: &Subscriber) -> Option<i32> {
    let certificate = who.folder.join("vpn.crt").display().to_string();
    world.try_handfast(&["ocsp", "ask", &certificate]).status.code()
}

fn csr(world: &World) -> String {
    let (csr, key) = (world.file("laptop.csr"), world.file("laptop.key"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    openssl.args(["-subj", "/CN=laptop", "-keyout"]).arg(&key).arg("-out").arg(&csr);
    let made = openssl.output().expect("openssl starts");
    assert!(made.status.success(), "{made:?}");
    csr.display().to_string()
}

const SIZE: u64 = 24 << 20;
/// For some certificates.
const ROOM: u64 = 256 << 10;
/// In force, and not on the disk.
const NOT_ON_DISK: i32 = 14;
const REVOKED: i32 = 11;
