//! Hooks are started with what happened, some at once, for a limited time, and nobody waits.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Hooks;
use super::runner::AT_ONCE;
use crate::testing::TempFolder;

#[test]
fn a_hook_gets_the_event_and_has_no_capability() {
    let folder = TempFolder::new();
    let seen = folder.path().join("seen");
    let caps = folder.path().join("caps");
    let (into, to) = (seen.display(), caps.display());
    let script = format!("cat > {into}\ngrep Cap /proc/self/status > {to}.new\nmv {to}.new {to}\n");
    hook(folder.path(), "user_added", &script, 0o700);
    let hooks = Hooks::new(folder.path().to_owned());
    hooks.tell("user_added", || json!({ "what": "user_added", "id": 7 }));
    hooks.tell("user_removed", || json!({ "nobody": "is there" }));
    until(|| fs::read_to_string(&caps).is_ok_and(|text| text.contains("CapBnd")));
    assert_eq!(fs::read_to_string(&seen).expect("told"), "{\"id\":7,\"what\":\"user_added\"}\n");
    let caps = fs::read_to_string(&caps).expect("read");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let none = format!("{set}:\t0000000000000000");
        assert!(caps.contains(&none), "{caps}");
    }
}

#[test]
fn hooks_that_hang_are_ended_and_keep_nobody_waiting() {
    let folder = TempFolder::new();
    let started = folder.path().join("started");
    let script = format!("echo >> {}\nsleep 600\n", started.display());
    hook(folder.path(), "session_opened", &script, 0o700);
    let hooks = Hooks::new(folder.path().to_owned());
    let begun = Instant::now();
    for number in 0..2_000 {
        hooks.tell("session_opened", || number);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let count = || fs::read_to_string(&started).map_or(0, |text| text.lines().count());
    until(|| count() >= AT_ONCE);
    assert_eq!(count(), AT_ONCE, "not more than these at once");
    until(|| count() > AT_ONCE);
}

#[test]
fn what_others_may_change_is_not_started() {
    let folder = TempFolder::new();
    let ran = folder.path().join("ran");
    let script = format!("touch {}\n", ran.display());
    hook(folder.path(), "theirs", &script, 0o722);
    hook(folder.path(), "plain", &script, 0o600);
    let last = folder.path().join("last");
    hook(folder.path(), "ours", &format!("touch {}\n", last.display()), 0o700);
    let hooks = Hooks::new(folder.path().to_owned());
    for event in ["theirs", "plain", "ours"] {
        hooks.tell(event, || json!({}));
    }
    until(|| last.exists());
    assert!(!ran.exists());
}

fn hook(folder: &Path, name: &str, script: &str, mode: u32) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
}

fn until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
