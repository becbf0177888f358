//! The recipe for clients that ask nobody: a file of CRLs that a timer keeps fresh, by the script that comes with
//! Handfast and by the command, each with the stock client beside a thief who has a revoked certificate.

mod forged;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use interop::{Program, Stock, Subscriber, World, binary};
use pki::Profile;
use store::Holder;

use forged::{DAY, Forger, posing, record, responder, revoke};

#[test]
fn a_stock_client_with_the_file_refuses_a_revoked_gateway_and_no_worse_list_gets_into_it() {
    let name =
        "a_stock_client_with_the_file_refuses_a_revoked_gateway_and_no_worse_list_gets_into_it";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let forger = Forger::with_the_key_of(&world.data());
    let names = Profile::Gateway { names: vec!["203.0.113.2".into()] };
    let pair = forger.issue(names, (-3000, 30 * DAY));
    record(&world.data(), &pair, Holder::Other("another gateway".into()));
    world.bring_up();
    let thief = posing(&world, &alice, &pair, 1197);
    let url = format!("http://203.0.113.2/ca/{}.crl", forger.tag());
    let ca = world.file("ca.pem");
    fs::write(&ca, forger.ca_pem()).expect("written");

    let keepers: [(&str, Keeper); 2] = [("script", by_script), ("command", by_command)];
    let folder = world.file("");
    let out = |way: &str| folder.join(format!("{way}.pem"));
    for (way, keep) in keepers {
        assert!(keep(&world, &alice, &ca, &out(way), &[&url]), "{way}");
        let mut stock = stock(&alice, &out(way));
        stock.connected();
    }

    // What is worse is not taken: not a CA's of ours, run out, older, from the future.
    let foreign = Forger::new().crl(-60, DAY, &[]);
    let stale = forger.crl(-8 * DAY, -DAY, &[]);
    let older = forger.numbered_crl(1, (-8 * DAY, DAY));
    let ahead = forger.crl(365 * DAY, 372 * DAY, &[]);
    let worse = [("foreign", foreign), ("stale", stale), ("older", older), ("ahead", ahead)];
    for (what, worse) in worse {
        let _server = responder(&world, 8000, worse);
        for (way, keep) in keepers {
            let before = fs::read(out(way)).expect("a file");
            keep(&world, &alice, &ca, &out(way), &[ELSEWHERE]);
            assert_eq!(fs::read(out(way)).expect("a file"), before, "{way}, {what}");
        }
    }
    for (way, keep) in keepers {
        let before = fs::read(out(way)).expect("a file");
        assert!(!keep(&world, &alice, &ca, &out(way), &[ELSEWHERE]));
        assert_eq!(fs::read(out(way)).expect("a file"), before, "{way}, nobody answers");
    }

    // A chain of two CAs needs a list of each. One that is away leaves the other's in place, and its own.
    let other = Forger::new();
    let both = world.file("both.pem");
    fs::write(&both, forger.ca_pem() + &other.ca_pem()).expect("written");
    let lists = |way: &str| {
        let text = fs::read_to_string(out(&format!("two-{way}"))).expect("a file");
        text.matches("BEGIN X509 CRL").count()
    };
    for is_there in [true, false] {
        let _server = is_there.then(|| responder(&world, 8000, other.crl(-60, DAY, &[])));
        for (way, keep) in keepers {
            let file = out(&format!("two-{way}"));
            assert_eq!(keep(&world, &alice, &both, &file, &[ELSEWHERE, &url]), is_there, "{way}");
            assert_eq!(lists(way), 2, "{way}");
        }
    }
    for (way, keep) in keepers {
        let file = out(&format!("two-{way}"));
        fs::remove_file(&file).expect("it is there");
        assert!(!keep(&world, &alice, &both, &file, &[ELSEWHERE, &url]), "{way}");
        assert_eq!(lists(way), 1, "{way}: the other one is kept fresh");
    }

    world.bring_down();
    revoke(&world, |one| one.holder == Holder::Other("another gateway".into()));
    world.bring_up();
    for (way, keep) in keepers {
        assert!(keep(&world, &alice, &ca, &out(way), &[&url]), "{way}");
        let mut stock = stock(&alice, &out(way));
        let refused = stock.0.says("certificate revoked", Duration::from_secs(20));
        assert!(refused, "{way}: {}\n{}", stock.0.log(), thief.log());
        assert!(!stock.0.log().contains("Initialization Sequence Completed"));
    }
}

#[test]
fn the_file_is_kept_through_a_rollover_with_a_list_of_each_ca_in_the_chain() {
    let name = "the_file_is_kept_through_a_rollover_with_a_list_of_each_ca_in_the_chain";
    let fast = [("ca.key_type", "\"p256\""), ("device.key_type", "\"p256\"")];
    let Some(mut world) = World::start(name, &fast) else { return };
    let alice = world.subscriber("alice", "unified");
    let (ca, out) = (world.file("ca.pem"), world.file("crl.pem"));
    let keepers: [Keeper; 2] = [by_script, by_command];
    let connects = |what: &str| {
        let lines = format!("remote 203.0.113.2 1194 udp4\ncrl-verify {}", out.display());
        let mut stock = Stock::start(&alice.host, &alice.profile_with(&lines), &[]);
        println!("{what}");
        stock.connected();
        stock.said("unable to get certificate CRL")
    };
    let kept = |world: &World, count: usize| {
        let pem = world.handfast(&["ca", "export"]);
        fs::write(&ca, &pem).expect("written");
        let urls = urls(world);
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        for keep in keepers {
            assert!(keep(world, &alice, &ca, &out, &urls));
            let text = fs::read_to_string(&out).expect("a file");
            assert_eq!(text.matches("BEGIN X509 CRL").count(), count, "{text}");
        }
    };
    kept(&world, 1);
    assert_eq!(connects("before"), 0);
    world.handfast(&["ca", "rollover", "start"]);
    // It warns of a CA whose list it lacks, and goes on.
    assert_ne!(connects("with the former CA's list alone"), 0);
    kept(&world, 2);
    assert_eq!(connects("a profile of the former CA, with the lists of both"), 0);
    let renewed = world.file("renewed");
    let into = renewed.display().to_string();
    let order = ["profile", "alice", "--renew", "--out", &into, "--os", "linux"];
    world.handfast(&[&order[..], &["--form", "unified"]].concat());
    let alice = Subscriber { folder: renewed, host: world.host() };
    let lines = format!("remote 203.0.113.2 1194 udp4\ncrl-verify {}", out.display());
    let mut stock = Stock::start(&alice.host, &alice.profile_with(&lines), &[]);
    stock.connected();
}

/// Where each CA that is trusted has its list.
fn urls(world: &World) -> Vec<String> {
    let status = world.json(&["ca", "rollover", "status"]);
    let tags = [&status["present"]["tag"], &status["former"]["tag"]];
    let tags = tags.into_iter().filter_map(serde_json::Value::as_str);
    tags.map(|tag| format!("http://203.0.113.2/ca/{tag}.crl")).collect()
}

type Keeper = fn(&World, &Subscriber, &Path, &Path, &[&str]) -> bool;

/// Whether it ended well.
fn by_script(world: &World, alice: &Subscriber, ca: &Path, out: &Path, urls: &[&str]) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/crl/handfast-crl");
    let mut command = Command::new("sh");
    command.arg(script).arg(ca).arg(out).args(urls);
    ended_well(world, alice, command)
}

fn by_command(world: &World, alice: &Subscriber, ca: &Path, out: &Path, urls: &[&str]) -> bool {
    let mut command = Command::new(binary());
    command.args(["crl", "fetch", "--ca"]).arg(ca).arg("--out").arg(out).args(urls);
    ended_well(world, alice, command)
}

fn ended_well(world: &World, alice: &Subscriber, command: Command) -> bool {
    let log = world.file("keeper.log");
    let mut keeper = Program::start(&alice.host.netns, command, &log).expect("it starts");
    let ended = keeper.ends(Duration::from_secs(20));
    println!("{}", keeper.log());
    ended.is_some_and(|status| status.success())
}

/// The stock client, to the thief, with a file of CRLs.
fn stock(alice: &Subscriber, crl: &Path) -> Stock {
    let lines = format!("remote 203.0.113.2 1197 udp4\ncrl-verify {}", crl.display());
    let profile = alice.profile_with(&lines);
    Stock::start(&alice.host, &profile, &[])
}

const ELSEWHERE: &str = "http://203.0.113.2:8000/list.crl";
