//! A rollover on a disk that is full, and on one that turns read-only under the gateway: what is not acknowledged
//! has not happened, what is acknowledged stays, and nobody is locked out meanwhile.
//!
//! The gateway's data folder is on a disk of its own of 24 MiB.

use std::time::Duration;

use interop::{Broken, Stock, Subscriber, World};

#[test]
fn a_rollover_on_a_full_disk_is_refused_whole_and_goes_on_once_there_is_room() {
    let name = "a_rollover_on_a_full_disk_is_refused_whole_and_goes_on_once_there_is_room";
    let Some(world) = World::start_on_disk(name, SIZE) else { return };
    rolled_over(world, Broken::Full);
}

#[test]
fn a_rollover_on_a_disk_that_became_read_only_is_refused_whole_and_goes_on_once_it_is_mended() {
    let name =
        "a_rollover_on_a_disk_that_became_read_only_is_refused_whole_and_goes_on_once_mended";
    let Some(world) = World::start_on_failing_disk(name, SIZE) else { return };
    rolled_over(world, Broken::ReadOnly);
}

fn rolled_over(mut world: World, broken: Broken) {
    let alice = world.subscriber("alice", "unified");
    let first = state(&world);
    connects(&world, &alice, "before");

    broken.begins(&world);
    refused(&world, &["ca", "rollover", "start"]);
    assert_eq!(state(&world), first, "nothing has happened");
    connects(&world, &alice, "the disk took no start");
    broken.ends(&mut world);
    assert_eq!(state(&world), first, "nor does a restart find anything half-done");

    world.handfast(&["ca", "rollover", "start"]);
    let both = state(&world);
    assert!(both.1.is_some() && both.0 != first.0, "{both:?}");
    connects(&world, &alice, "both are trusted");
    let folder = world.file("alice-moved");
    let out = folder.display().to_string();
    let order = ["profile", "alice", "--renew", "--out", &out, "--os", "linux"];
    world.handfast(&[&order[..], &["--form", "unified"]].concat());
    let moved = Subscriber { folder, ..alice };
    connects(&world, &moved, "moved");

    broken.begins(&world);
    refused(&world, &["ca", "rollover", "finish"]);
    assert_eq!(state(&world), both, "nothing has happened");
    connects(&world, &moved, "the disk took no finish");
    broken.ends(&mut world);
    assert_eq!(state(&world), both, "nor does a restart find anything half-done");

    world.handfast(&["ca", "rollover", "finish"]);
    let over = state(&world);
    assert_eq!((&over.0, &over.1), (&both.0, &None), "{over:?}");
    world.up.take().expect("it runs").signal("KILL");
    world.bring_up();
    assert_eq!(state(&world), over, "what was acknowledged stays");
    connects(&world, &moved, "after the end");
}

/// Who signs, who is trusted beside it, and who no longer.
fn state(world: &World) -> (String, Option<String>, usize) {
    let status = world.json(&["ca", "rollover", "status"]);
    let tag = |ca: &serde_json::Value| ca["tag"].as_str().map(str::to_owned);
    let retired = status["retired"].as_array().map_or(0, Vec::len);
    (tag(&status["present"]).expect("one signs"), tag(&status["former"]), retired)
}

fn refused(world: &World, order: &[&str]) {
    let output = world.try_handfast(order);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    println!("{order:?}: {}", said.lines().next().unwrap_or_default());
    assert!(!output.status.success(), "{said}");
}

fn connects(world: &World, who: &Subscriber, what: &str) {
    println!("{what}");
    let mut stock = Stock::start(&who.host, &who.profile(), &[]);
    let up = stock.0.says("Initialization Sequence Completed", Duration::from_secs(20));
    assert!(up, "{what}: {}\n{}", stock.0.log(), world.log());
    stock.0.signal("TERM");
    assert!(stock.0.ends(Duration::from_secs(10)).is_some(), "{}", stock.0.log());
}

const SIZE: u64 = 24 << 20;
