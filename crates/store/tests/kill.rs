//! `kill -9` at random moments: what was acknowledged is there afterwards, and the chain is whole.

mod common;

use std::io::{BufRead, BufReader};
use std::thread;
use std::time::Duration;

use common::child::{Acknowledged, Task, main as child_main};
use common::{Folder, Seeded};

#[test]
fn what_was_acknowledged_survives_kill_9_at_random_moments() {
    const OPERATIONS: usize = 1_000;
    let folder = Folder::new();
    let database = folder.database();
    let mut seeded = Seeded(0x5eed_0001);
    let mut acknowledged = Acknowledged::default();
    let mut kills = 0;
    while acknowledged.len() < OPERATIONS {
        let task = Task { round: kills, users: 100_000, ..Task::new(&database) };
        let mut child = task.spawn();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let enough = acknowledged.len() + seeded.below(60);
        while acknowledged.len() <= enough {
            acknowledged.take(&lines.next().expect("the child goes on until it is killed"));
        }
        thread::sleep(Duration::from_micros(seeded.next() % 20_000));
        child.kill().unwrap();
        lines.for_each(|line| acknowledged.take(&line));
        child.wait().unwrap();
        kills += 1;
        acknowledged.compare(&database).unwrap_or_else(|e| panic!("after {kills} kills: {e}"));
    }
    assert!(acknowledged.faults.is_empty(), "{:?}", acknowledged.faults);
    println!(
        "{} users added and {} certificates revoked, {kills} kills, nothing lost",
        acknowledged.users.len(),
        acknowledged.revoked.len()
    );
}

#[test]
#[ignore = "the other tests run this as a process of its own"]
fn the_child_changes_the_store() {
    child_main();
}
