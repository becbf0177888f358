//! Power cuts, and disks that fill up or fail: what was acknowledged is on the disk, not only in
//! the kernel's memory, as `kill -9` can't show.
//!
//! A child works on a store under `strace`. Its file operations are replayed onto a disk that
//! forgets what was not synced, up to random moments; each time the store is opened from what is
//! left. The same with a child that leaves out the syncs shows that losses are noticed.

mod common;

use std::path::Path;

use common::child::{Acknowledged, Task, main as child_main};
use common::disk::Disk;
use common::trace::{self, Step};
use common::{Folder, Seeded};

const CUTS: usize = 200;

#[test]
fn what_was_acknowledged_survives_200_power_cuts() {
    let losses = cut_at_random(false, 0x5eed_0002);
    println!("{CUTS} power cuts, {} with losses", losses.len());
    assert!(losses.is_empty(), "{losses:#?}");
}

#[test]
fn a_store_that_does_not_sync_is_found_out() {
    let losses = cut_at_random(true, 0x5eed_0003);
    println!("{CUTS} power cuts without syncs, {} with losses", losses.len());
    assert!(losses.len() > CUTS / 10, "only {} losses: the simulation is blind", losses.len());
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_nothing_that_was_acknowledged() {
    let seen = run_with_fault("inject=pwrite64:error=ENOSPC:when=400..410");
    let faults = seen.faults;
    assert!(faults.iter().all(|fault| fault.starts_with("DiskFull(")), "{faults:?}");
    assert!(!faults.is_empty(), "the disk was never full");
    assert!(seen.since_fault > 100, "the store did not go on once there was room");
}

#[test]
fn a_failed_sync_ends_writing_and_costs_nothing_that_was_acknowledged() {
    let seen = run_with_fault("inject=fsync,fdatasync:error=EIO:when=30");
    let faults = seen.faults;
    assert!(faults.iter().all(|fault| fault.starts_with("Io(")), "{faults:?}");
    assert!(faults.len() > 1 && seen.since_fault == 0, "writing went on: {faults:?}");
}

/// The losses that were found, by the step after which the power was cut.
fn cut_at_random(unsynced: bool, seed: u64) -> Vec<String> {
    let folder = Folder::new();
    let database = folder.database();
    let task = Task { users: 600, reopen: 1, unsynced, ..Task::new(&database) };
    let steps = trace::record(&task, &folder.path().join("trace"));
    let mut seeded = Seeded(seed);
    let mut cuts: Vec<usize> = (0..CUTS).map(|_| seeded.below(steps.len())).collect();
    cuts.sort_unstable();

    let (mut disk, mut acknowledged, mut done) = (Disk::default(), Acknowledged::default(), 0);
    let mut losses = Vec::new();
    for cut in cuts {
        for step in steps.iter().take(cut + 1).skip(done) {
            disk.apply(step);
            note(&mut acknowledged, step);
        }
        done = done.max(cut + 1);
        let left = Folder::new();
        disk.cut_power(&mut seeded, left.path());
        if let Err(loss) = acknowledged.compare(&left.database()) {
            losses.push(format!("after step {cut} of {} (seed {seed:#x}): {loss}", steps.len()));
        }
    }
    losses
}

fn note(acknowledged: &mut Acknowledged, step: &Step) {
    if let Step::Print { text } = step {
        text.lines().for_each(|line| acknowledged.take(line));
    }
}

/// Runs a child whose system calls fail as told, checks that nothing acknowledged is missing, and
/// gives what it reported.
fn run_with_fault(fault: &str) -> Acknowledged {
    let folder = Folder::new();
    let database = folder.database();
    let task = Task { users: 200, patient: true, ..Task::new(&database) };
    let mut child = trace::spawn(&task, Path::new("/dev/null"), &["-e", fault]);
    let acknowledged = Acknowledged::default().drained(&mut child);
    child.wait().expect("the child was started");
    acknowledged.compare(&database).unwrap_or_else(|loss| panic!("{loss}"));
    println!("{} acknowledged, {} faults", acknowledged.len(), acknowledged.faults.len());
    assert!(acknowledged.len() > 0);
    acknowledged
}

#[test]
#[ignore = "the other tests run this as a process of its own"]
fn the_child_changes_the_store() {
    child_main();
}
