//! The CA is replaced under stock clients: four kinds of them connect anew at every step, with a restart at each.
//!
//! ```text
//!    stock clients (old or new profile, old or new certificate) ── router ── gateway
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use interop::{Own, Stock, Subscriber, World};

#[test]
fn four_kinds_of_stock_clients_connect_at_every_step_of_a_rollover() {
    let name = "four_kinds_of_stock_clients_connect_at_every_step_of_a_rollover";
    let fast = [("ca.key_type", "\"p256\""), ("device.key_type", "\"p256\"")];
    let Some(mut world) = World::start(name, &fast) else { return };
    let alice = world.subscriber("alice", "split");
    let old = Kind::of(&alice);
    connects(&alice, &old, "before");

    world.handfast(&["ca", "rollover", "start"]);
    let status = world.json(&["ca", "rollover", "status"]);
    assert_eq!(status["behind"][0]["name"], "alice/default", "{status}");
    let bob = world.subscriber("bob", "split");
    let new = Kind::of(&bob);
    assert_ne!(fs::read(&old.profile).expect("read"), fs::read(&new.profile).expect("read"));
    let kinds = [
        ("old profile, old certificate", &alice, old.clone()),
        ("new profile, old certificate", &alice, old.with_profile(&new, "new-old.conf")),
        ("old profile, new certificate", &bob, new.with_profile(&old, "old-new.conf")),
        ("new profile, new certificate", &bob, new.clone()),
    ];
    for restart in [false, true] {
        again(&mut world, restart);
        for (what, who, kind) in &kinds {
            connects(who, kind, what);
        }
    }
    for profile in [&old.profile, &new.profile] {
        let who = if profile.starts_with(&alice.folder) { &alice } else { &bob };
        let mut own = Own::start(&who.host, profile);
        own.connected();
        own.0.signal("TERM");
        assert!(own.0.ends(Duration::from_secs(10)).is_some(), "{}", own.0.log());
    }
    openssl_agrees(&world, &old, &new);

    let early = world.try_handfast(&["ca", "rollover", "finish"]);
    assert_eq!(early.status.code(), Some(4), "alice has not moved");
    let out = alice.folder.with_file_name("alice-moved").display().to_string();
    let renew = ["profile", "alice", "--renew", "--out", &out, "--os", "linux", "--form", "split"];
    world.handfast(&renew);
    let alice = Subscriber { folder: PathBuf::from(out), ..alice };
    connects(&alice, &Kind::of(&alice), "moved");
    world.handfast(&["ca", "rollover", "finish"]);
    let moved = Kind::of(&alice);
    for restart in [false, true] {
        again(&mut world, restart);
        connects(&alice, &moved, "new profile, after the end");
        // Who has the former CA alone still takes the gateway for what it is.
        let former = moved.with_profile(&old, "old-moved.conf");
        connects(&alice, &former, "old profile, after the end");
    }
}

/// A profile with certificate and key beside it.
#[derive(Clone)]
struct Kind {
    profile: PathBuf,
}

impl Kind {
    fn of(who: &Subscriber) -> Self {
        Self { profile: who.profile() }
    }

    /// This certificate with what another profile trusts.
    fn with_profile(&self, other: &Self, name: &str) -> Self {
        let profile = self.profile.with_file_name(name);
        let text = fs::read_to_string(&other.profile).expect("a profile");
        fs::write(&profile, text).expect("a profile is written");
        Self { profile }
    }
}

fn connects(who: &Subscriber, kind: &Kind, what: &str) {
    println!("{what}");
    let mut stock = Stock::start(&who.host, &kind.profile, &[]);
    stock.connected();
    stock.0.signal("TERM");
    assert!(stock.0.ends(Duration::from_secs(10)).is_some(), "{}", stock.0.log());
}

fn again(world: &mut World, restart: bool) {
    if restart {
        world.bring_down();
        world.bring_up();
    }
}

/// Both generations, each leaf by either root, with every list in the chain.
fn openssl_agrees(world: &World, old: &Kind, new: &Kind) {
    let crls = world.file("both.crl");
    fs::write(&crls, world.handfast(&["crl", "show", "--pem"])).expect("written");
    let roots = world.file("roots.pem");
    fs::write(&roots, inline(&new.profile, "ca")).expect("written");
    for leaf in [old, new] {
        let leaf = leaf.profile.with_file_name("vpn.crt");
        let said = verify(&roots, &crls, &leaf);
        assert!(said.contains("OK"), "{}: {said}", leaf.display());
    }
}

fn inline(profile: &Path, tag: &str) -> String {
    let text = fs::read_to_string(profile).expect("a profile");
    let (_, rest) = text.split_once(&format!("<{tag}>\n")).expect("it is inside");
    rest.split_once(&format!("</{tag}>")).expect("it ends").0.to_owned()
}

fn verify(roots: &Path, crls: &Path, leaf: &Path) -> String {
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-crl_check_all", "-CAfile"])
        .arg(roots)
        .arg("-CRLfile")
        .args([crls, leaf])
        .output()
        .expect("openssl runs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
