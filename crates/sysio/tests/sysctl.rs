//! Kernel settings in throw-away namespaces. Needs root; says why if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::netns;
use sysio::{Netns, Sysctl, SysctlLedger, enable_forwarding};

#[test]
fn forwarding_is_put_back_on_release() {
    let Some(netns) = netns() else { return };
    let ledger = Folder::new("release");
    netns
        .run(|| {
            let ledger = SysctlLedger::open(&ledger.0).unwrap();
            let held = enable_forwarding(&ledger, true, Some("lo")).unwrap();
            assert_eq!(state(), ["1", "1", "2"]);
            assert_eq!(held.hold.changes().len(), 3);
            held.hold.release().unwrap();
            assert_eq!(state(), ["0", "0", "1"]);
        })
        .unwrap();
    assert_eq!(ledger.records(), 0);
}

#[test]
fn what_was_as_wanted_and_what_others_changed_since_is_left_alone() {
    let Some(netns) = netns() else { return };
    let ledger = Folder::new("others");
    netns
        .run(|| {
            write("net/ipv6/conf/lo/accept_ra", "0");
            write("net/ipv4/ip_forward", "1");
            let ledger = SysctlLedger::open(&ledger.0).unwrap();
            let held = enable_forwarding(&ledger, true, Some("lo")).unwrap();
            assert_eq!(state(), ["1", "1", "0"]);
            assert_eq!(held.hold.changes().len(), 1);
            write("net/ipv6/conf/all/forwarding", "0");
            write("net/ipv6/conf/all/forwarding", "2");
            held.hold.release().unwrap();
            assert_eq!(state(), ["1", "2", "0"]);
        })
        .unwrap();
}

#[test]
fn of_two_holders_the_last_puts_things_back() {
    let Some(netns) = netns() else { return };
    let ledger = Folder::new("two");
    netns
        .run(|| {
            let ledger = SysctlLedger::open(&ledger.0).unwrap();
            let first = enable_forwarding(&ledger, true, Some("lo")).unwrap();
            let second = enable_forwarding(&ledger, true, Some("lo")).unwrap();
            drop(first);
            assert_eq!(state(), ["1", "1", "2"]);
            drop(second);
            assert_eq!(state(), ["0", "0", "1"]);
        })
        .unwrap();
}

#[test]
fn a_killed_holder_is_undone_at_the_next_start() {
    let Some(netns) = netns() else { return };
    let folder = Folder::new("kill");
    let mut holder = start_holder(&netns, &folder.0);
    netns.run(|| assert_eq!(state(), ["1", "1", "2"])).unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    netns
        .run(|| {
            assert_eq!(state(), ["1", "1", "2"]);
            let undone = SysctlLedger::open(&folder.0).unwrap().recover().unwrap();
            assert_eq!(undone.len(), 3);
            assert_eq!(state(), ["0", "0", "1"]);
        })
        .unwrap();
    assert_eq!(folder.records(), 0);
}

#[test]
fn a_holder_after_a_killed_one_knows_what_was_before_both() {
    let Some(netns) = netns() else { return };
    let folder = Folder::new("after-kill");
    let mut holder = start_holder(&netns, &folder.0);
    holder.kill().unwrap();
    holder.wait().unwrap();
    netns
        .run(|| {
            let ledger = SysctlLedger::open(&folder.0).unwrap();
            let held = enable_forwarding(&ledger, true, Some("lo")).unwrap();
            assert_eq!(held.hold.changes().len(), 3);
            assert_eq!(folder.records(), 1);
            held.hold.release().unwrap();
            assert_eq!(state(), ["0", "0", "1"]);
        })
        .unwrap();
}

#[test]
fn a_living_holder_is_not_undone_by_a_start() {
    let Some(netns) = netns() else { return };
    let folder = Folder::new("living");
    let mut holder = start_holder(&netns, &folder.0);
    netns
        .run(|| {
            let ledger = SysctlLedger::open(&folder.0).unwrap();
            assert_eq!(ledger.recover().unwrap(), []);
            assert_eq!(state(), ["1", "1", "2"]);
        })
        .unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn damaged_and_foreign_records_are_swept_without_effect() {
    let Some(netns) = netns() else { return };
    let folder = Folder::new("damaged");
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::write(folder.0.join("1-2-3.json"), "{").unwrap();
    let old = r#"{"version":1,"boot":"another","namespace":1,"changes":[]}"#;
    std::fs::write(folder.0.join("1-2-4.json"), old).unwrap();
    let ledger = SysctlLedger::open(&folder.0).unwrap();
    assert_eq!(netns.run(|| ledger.recover()).unwrap().unwrap(), []);
    assert_eq!(folder.records(), 0);
}

/// Not a test of its own: what [`start_holder`] runs in a process that can be killed.
#[test]
fn holder() {
    let Some(folder) = std::env::var_os(HOLDER) else { return };
    let ledger = SysctlLedger::open(Path::new(&folder)).unwrap();
    let held = enable_forwarding(&ledger, true, Some("lo")).unwrap();
    println!("\nholding");
    std::thread::sleep(std::time::Duration::from_secs(60));
    drop(held);
}

fn start_holder(netns: &Netns, folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "holder", "--nocapture"]).env(HOLDER, folder);
    command.stdout(Stdio::piped());
    let mut child = netns.spawn(command).unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "holding"));
    child
}

fn state() -> [String; 3] {
    let heed = Sysctl::AcceptRouterAdvertisements("lo".to_owned());
    [Sysctl::Ipv4Forward, Sysctl::Ipv6Forward, heed].map(|key| key.read().unwrap())
}

fn write(key: &str, value: &str) {
    std::fs::write(Path::new("/proc/sys").join(key), value).unwrap();
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("sysio-ledger-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn records(&self) -> usize {
        let entries = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|e| e == "json")).count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const HOLDER: &str = "SYSIO_TEST_HOLDER";
