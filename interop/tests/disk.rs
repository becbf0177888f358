//! A full disk, and one that can't be written: who is thrown out is out, and stays out.
//!
//! The gateway's data folder is on a disk of its own of 24 MiB.

use std::process::Command;
use std::time::{Duration, Instant};

use interop::{Own, Stock, Subscriber, World, wait_until};
use sysio::SmallDisk;

#[test]
fn a_revocation_on_a_full_disk_is_written_with_the_room_that_was_kept_for_it() {
    let name = "a_revocation_on_a_full_disk_is_written_with_the_room_that_was_kept_for_it";
    let Some(mut world) = World::start_on_disk(name, SIZE) else { return };
    let (alice, carol) =
        (world.subscriber("alice", "unified"), world.subscriber("carol", "unified"));
    let (mut stock, mut own) = connect(&alice, &carol);
    world.disk().fill().expect("filled");
    take_the_last_room(&world);

    let ordered = Instant::now();
    world.handfast(&["device", "revoke", "alice/default"]);
    world.handfast(&["user", "disable", "carol"]);
    assert!(out(&alice) && out(&carol), "{}", world.log());
    println!(
        "FIGURE both out {:.0} ms after the first order",
        ordered.elapsed().as_secs_f64() * 1e3
    );
    assert!(world.sessions().is_empty());
    assert_eq!(world.json(&["status"])["not_on_disk"], 0);
    stays_out(&world, &mut stock, &mut own);

    // Nothing but the disk can have kept it.
    drop((stock, own));
    world.up = None;
    world.bring_up();
    assert_eq!(world.json(&["device", "show", "alice/default"])["state"], "revoked");
    assert_eq!(world.json(&["user", "show", "carol"])["disabled"], true);
}

#[test]
fn a_revocation_that_the_disk_does_not_take_is_in_force_and_is_written_once_there_is_room() {
    let name =
        "a_revocation_that_the_disk_does_not_take_is_in_force_and_is_written_once_there_is_room";
    let Some(mut world) = World::start_on_disk(name, SIZE) else { return };
    let (alice, carol) =
        (world.subscriber("alice", "unified"), world.subscriber("carol", "unified"));
    let (mut stock, mut own) = connect(&alice, &carol);
    world.disk().fill().expect("filled");
    world.disk().eat("handfast.db.reserve").expect("no room is kept");
    take_the_last_room(&world);

    let ordered = Instant::now();
    let revoked = said(&world, &["device", "revoke", "alice/default"]);
    assert_eq!(revoked.0, Some(NOT_ON_DISK), "{}", revoked.1);
    assert!(revoked.1.contains("not on the disk yet: no space is left"), "{}", revoked.1);
    assert!(revoked.1.contains("1 session closed"), "{}", revoked.1);
    assert!(!revoked.1.contains("nothing was changed"), "{}", revoked.1);
    let kicked = said(&world, &["kick", "carol"]);
    assert_eq!(kicked.0, Some(NOT_ON_DISK), "{}", kicked.1);
    assert!(kicked.1.starts_with("closed 1 session: carol/default\n"), "{}", kicked.1);
    let disabled = said(&world, &["user", "disable", "carol"]);
    assert_eq!(disabled.0, Some(NOT_ON_DISK), "{}", disabled.1);
    assert!(out(&alice) && out(&carol), "{}", world.log());
    println!(
        "FIGURE both out {:.0} ms after the first order",
        ordered.elapsed().as_secs_f64() * 1e3
    );
    stays_out(&world, &mut stock, &mut own);

    assert_eq!(world.json(&["status"])["not_on_disk"], 3);
    assert!(world.figure("handfast_changes_not_on_disk") > 2.0);
    assert_eq!(world.json(&["device", "show", "alice/default"])["state"], "revoked");
    let check = said(&world, &["check"]);
    assert_eq!(check.0, Some(FINDINGS_BAD), "{}", check.1);
    assert!(check.1.contains("in force and not on it: 3"), "{}", check.1);
    assert!(world.log().contains("in force, but not on the disk"), "{}", world.log());
    // Whoever may come in is not kept out by it.
    assert!(!world.try_handfast(&["user", "enable", "carol"]).status.success());

    world.disk().empty().expect("emptied");
    let written = || world.json(&["status"])["not_on_disk"] == 0;
    assert!(wait_until(Duration::from_secs(5), written), "{}", world.log());
    assert!(world.log().contains("what waited for the disk is on it"), "{}", world.log());
    let check = said(&world, &["check"]).1;
    assert!(check.contains("changes that waited for room and were written: 3"), "{check}");
    // The one that was revoked, and the one on hold whose user is disabled.
    let signed = || {
        let crl = world.json(&["crl", "show"]);
        crl["entries"].as_array().is_some_and(|entries| entries.len() == 2)
    };
    assert!(wait_until(Duration::from_secs(5), signed), "{}", world.log());

    // Nothing but the disk can have kept it.
    drop((stock, own));
    world.up = None;
    world.bring_up();
    assert_eq!(world.json(&["device", "show", "alice/default"])["state"], "revoked");
    let events: Vec<_> = world.json(&["events"]).as_array().cloned().unwrap_or_default();
    let told = |what: &str| events.iter().position(|event| event["what"] == what);
    let order = ["certificate_revoked", "session_kicked", "user_disabled"].map(told);
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{events:?}");
    let mut again = Stock::start(&alice.host, &alice.profile(), &[]);
    assert!(!again.0.says("Initialization Sequence Completed", Duration::from_secs(4)));
}

/// The file system gives up under it, as one does whose disk reports errors, and is read-only.
#[test]
fn a_disk_that_becomes_read_only_under_a_gateway_keeps_nobody_in_and_nobody_out() {
    let name = "a_disk_that_becomes_read_only_under_a_gateway_keeps_nobody_in_and_nobody_out";
    let Some(mut world) = World::start_on_failing_disk(name, SIZE) else { return };
    let (alice, carol) =
        (world.subscriber("alice", "unified"), world.subscriber("carol", "unified"));
    let dave = world.subscriber("dave", "unified");
    let (mut stock, mut own) = connect(&alice, &carol);
    world.failing_disk().fail();

    for order in [["device", "revoke", "alice/default"], ["user", "disable", "carol"]] {
        let answer = said(&world, &order);
        assert_eq!(answer.0, Some(NOT_ON_DISK), "{}", answer.1);
        assert!(answer.1.contains("not on the disk yet"), "{}", answer.1);
        assert!(answer.1.contains("1 session closed"), "{}", answer.1);
    }
    assert!(out(&alice) && out(&carol), "{}", world.log());
    stays_out(&world, &mut stock, &mut own);
    let mut served = Stock::start(&dave.host, &dave.profile(), &["--auth-retry", "nointeract"]);
    served.connected();
    let kicked = said(&world, &["kick", "dave"]);
    assert_eq!(kicked.0, Some(NOT_ON_DISK), "{}", kicked.1);
    assert!(kicked.1.starts_with("closed 1 session: dave/default\n"), "{}", kicked.1);
    assert!(!world.try_handfast(&["user", "add", "erin"]).status.success());
    // A first connection waits too, as it may withdraw a former certificate.
    let waiting = world.json(&["status"])["not_on_disk"].as_u64();
    assert!(waiting >= Some(3), "{waiting:?}\n{}", world.log());
    let check = said(&world, &["check"]);
    assert_eq!(check.0, Some(FINDINGS_BAD), "{}", check.1);
    assert!(check.1.contains("in force and not on it: "), "{}", check.1);

    // Nobody mends such a disk under a gateway; what waited is to be ordered again, as its stop says.
    drop((stock, own, served));
    world.bring_down();
    world.failing_disk().mend();
    world.bring_up();
    world.handfast(&["device", "revoke", "alice/default"]);
    world.handfast(&["user", "add", "erin"]);
    assert_eq!(world.json(&["status"])["not_on_disk"], 0);
    assert!(!world.handfast(&["check"]).is_empty());
}

#[test]
fn a_gateway_starts_and_serves_on_a_full_disk() {
    let Some(mut world) = World::start_on_disk("a_gateway_starts_and_serves_on_a_full_disk", SIZE)
    else {
        return;
    };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    world.disk().fill().expect("filled");
    world.bring_up();
    let mut stock = Stock::start(&alice.host, &alice.profile(), &["--auth-retry", "nointeract"]);
    stock.connected();
    take_the_last_room(&world);
    world.handfast(&["device", "revoke", "alice/default"]);
    assert!(out(&alice), "{}", world.log());
}

#[test]
fn a_gateway_starts_and_serves_on_a_disk_that_can_not_be_written() {
    let name = "a_gateway_starts_and_serves_on_a_disk_that_can_not_be_written";
    let Some(mut world) = World::start_on_disk(name, SIZE) else { return };
    let (alice, carol) =
        (world.subscriber("alice", "unified"), world.subscriber("carol", "unified"));
    world.handfast(&["device", "revoke", "carol/default"]);
    world.bring_down();
    world.disk().set_read_only(true).expect("read-only");
    let up = world.launch();
    let serves = || up.log().contains("the gateway is up");
    assert!(wait_until(Duration::from_secs(20), serves), "{}", up.log());
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let mut refused = Stock::start(&carol.host, &carol.profile(), &[]);
    assert!(!refused.0.says("Initialization Sequence Completed", Duration::from_secs(4)));
    assert!(up.log().contains("no command reaches this gateway"), "{}", up.log());
}

fn connect(alice: &Subscriber, carol: &Subscriber) -> (Stock, Own) {
    let mut stock = Stock::start(&alice.host, &alice.profile(), &["--auth-retry", "nointeract"]);
    stock.connected();
    let mut own = Own::start(&carol.host, &carol.profile());
    own.connected();
    (stock, own)
}

/// Whether a subscriber gets no answer from within a second on.
fn out(who: &Subscriber) -> bool {
    wait_until(Duration::from_secs(1), || {
        let mut ping = Command::new("ping");
        ping.args(["-n", "-c", "1", "-W", "0.3", "10.71.0.1"]);
        !who.host.netns.output(ping).expect("ping starts").status.success()
    })
}

fn stays_out(world: &World, stock: &mut Stock, own: &mut Own) {
    let before = stock.said("Initialization Sequence Completed");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(stock.said("Initialization Sequence Completed"), before, "{}", stock.0.log());
    assert_eq!(own.0.log().matches("connected to").count(), 1, "{}", own.0.log());
    assert!(world.sessions().is_empty(), "{:?}", world.sessions());
}

/// The log of the database may have room of its own.
fn take_the_last_room(world: &World) {
    let full =
        |number| !world.try_handfast(&["user", "add", &format!("u{number}")]).status.success();
    let refused = (0..2000).map(full).take_while(|refused| !refused).count();
    assert!(refused < 2000, "the disk takes everything");
}

#[test]
fn a_backup_that_its_own_disk_has_no_room_for_says_which_disk() {
    let name = "a_backup_that_its_own_disk_has_no_room_for_says_which_disk";
    let Some(world) = World::start_on_disk(name, SIZE) else { return };
    let other = world.file("other");
    std::fs::create_dir(&other).expect("a folder");
    let _disk = SmallDisk::mount(&other, 64 << 10).expect("a disk");
    let copy = other.join("copy").display().to_string();
    let (code, text) = said(&world, &["backup", &copy]);
    assert_eq!(code, Some(ENVIRONMENT), "{text}");
    assert!(text.contains(&format!("no space is left for {copy}")), "{text}");
    assert!(!text.contains("data folder's disk"), "{text}");
    assert_eq!(std::fs::read_dir(&other).expect("read").count(), 0, "nothing half done is left");
}

fn said(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let output = world.try_handfast(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

const SIZE: u64 = 24 << 20;
/// In force, and not on the disk.
const NOT_ON_DISK: i32 = 14;
const ENVIRONMENT: i32 = 9;
const FINDINGS_BAD: i32 = 10;
