//! A process in a chroot stays there, whatever namespaces its threads and programs enter.
//!
//! The kernel gives whoever joins a mount namespace that namespace's root, which is the machine's own.
//! Needs root; says so where it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use support::netns;

#[test]
fn a_namespace_with_its_own_resolv_conf_does_not_lead_out_of_a_chroot() {
    if netns().is_none() {
        return;
    }
    let root = root();
    let inside = {
        let root = root.clone();
        std::thread::spawn(move || seen_from(&root)).join().unwrap()
    };
    fs::remove_dir_all(&root).unwrap();
    let Some((resolv_conf, own_file)) = inside else {
        return println!("SKIP chroot: this process may not change its root");
    };
    assert!(own_file, "the thread in the namespace sees another root");
    assert_eq!(resolv_conf, "nameserver 192.0.2.53\n");
}

/// A folder with what namespaces need, and a file by which it is told from the machine's root.
fn root() -> PathBuf {
    let root = std::env::temp_dir().join(format!("sysio-chroot-{}", std::process::id()));
    for folder in ["etc", "proc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("etc/resolv.conf"), "nameserver 192.0.2.1\n").unwrap();
    fs::write(root.join("private"), "nameserver 192.0.2.53\n").unwrap();
    root
}

/// Goes into the root with the calling thread alone; what a namespace's thread sees there.
fn seen_from(root: &Path) -> Option<(String, bool)> {
    let none = None::<&Path>;
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).ok()?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).ok()?;
    mount(Some(root), root, none, MsFlags::MS_BIND, none).ok()?;
    let proc = root.join("proc");
    mount(Some("/proc"), &proc, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).ok()?;
    rustix::process::chroot(root).ok()?;
    std::env::set_current_dir("/").unwrap();
    let mut netns = netns()?;
    netns.private_resolv_conf(Path::new("/private")).unwrap();
    let look = || {
        let resolv_conf = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        (resolv_conf, Path::new("/private").exists())
    };
    Some(netns.run(look).unwrap())
}
