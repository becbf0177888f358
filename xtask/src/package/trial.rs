//! Packages tried: installed, upgraded, removed and purged in fresh Debians; the .rpm read by Debian's `rpm`.
//!
//! A root is copied for each trial, so that the next one meets a system that never saw the package.

use std::fs;
use std::path::{Path, PathBuf};

use super::{cannot, printed, text};
use crate::command::run;
use crate::debian::{Root, SERVED};
use crate::failed::Failed;
use crate::peers;
use crate::workspace;

/// Installs, upgrades and removes in each release that can be had.
pub(super) fn in_debians(package: &Path, upgrade: &Path) -> Result<(), Failed> {
    peers::provide_for_long(true)?;
    for release in &SERVED {
        match release.provide(true)? {
            Some(root) => in_one(release, &root, package, upgrade)?,
            None => println!("SKIP trial on Debian {}: it can't be had", release.suite()),
        }
    }
    Ok(())
}

fn in_one(release: &Root, root: &Path, package: &Path, upgrade: &Path) -> Result<(), Failed> {
    let copy = workspace::target_folder()?.join("peers").join(format!("{}.trial", release.suite()));
    let system = System::copy(root, copy)?;
    system.give(package, "first.deb")?;
    system.give(upgrade, "second.deb")?;
    for (what, script) in STEPS {
        println!("==> Debian {}: {what}", release.suite());
        system.run(script)?;
    }
    Ok(())
}

/// What a package has to do and to leave, each a script whose failure is the package's. Without a TUN driver, as
/// there, a gateway's start makes everything else and ends with 9.
const STEPS: [(&str, &str); 4] = [
    (
        "installed, it runs, has its user and starts nothing",
        "dpkg -i /first.deb && handfast --version && id handfast && \
         test -e /usr/lib/systemd/system/handfast.service && \
         test -e /usr/share/man/man1/handfast.1.gz && test ! -e /var/lib/handfast/handfast.db && \
         { handfast up 2> /dev/null; test $? -eq 9; } && handfast user add alice",
    ),
    (
        "upgraded, it keeps its data",
        "dpkg -i /second.deb && dpkg -s handfast | grep -q '^Version: .*-2$' && \
         handfast user list | grep -q alice",
    ),
    (
        "removed, it leaves the data alone",
        "dpkg -r handfast && test ! -e /usr/bin/handfast && \
         test ! -e /usr/lib/systemd/system/handfast.service && test -e /var/lib/handfast/handfast.db",
    ),
    (
        "purged, it keeps the CA's key and says so",
        "dpkg -P handfast | grep -q 'is kept' && test -e /var/lib/handfast/handfast.db && \
         ! dpkg -s handfast > /dev/null 2>&1",
    ),
];

/// A system of its own in a folder, removed at the end.
struct System(PathBuf);

impl System {
    fn copy(root: &Path, to: PathBuf) -> Result<Self, Failed> {
        let system = Self(to);
        system.remove()?;
        run("cp", &["--archive", "--reflink=auto", &text(root), &text(&system.0)])?;
        Ok(system)
    }

    fn give(&self, package: &Path, name: &str) -> Result<(), Failed> {
        let to = self.0.join(name);
        fs::copy(package, &to).map(drop).map_err(|error| cannot("write", &to, &error))
    }

    fn run(&self, script: &str) -> Result<(), Failed> {
        run("unshare", &["--net", "chroot", &text(&self.0), "/bin/sh", "-c", script])
    }

    fn remove(&self) -> Result<(), Failed> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(cannot("remove", &self.0, &error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // What can't be removed now is by the next trial, which says why if it can't either.
        let _ = self.remove();
    }
}

/// Holds an .rpm's files, requirements and scripts, as Debian's `rpm` reads them, against what they should be.
pub(super) fn read_rpm(package: &Path) -> Result<(), Failed> {
    if !peers::provide_rpm()? {
        println!("SKIP the .rpm is not read: Debian's package rpm can't be had");
        return Ok(());
    }
    let path = text(package);
    let ask = |what: &str| printed("rpm", &["--query", "--package", what, &path]);
    let asked = [("--list", FILES), ("--requires", REQUIRES), ("--scripts", SCRIPTS)];
    for (what, wanted) in asked {
        let answer = ask(what)?;
        let missing: Vec<&str> =
            wanted.iter().filter(|line| !answer.contains(**line)).copied().collect();
        if !missing.is_empty() {
            return Err(Failed::new(format!("rpm {what}: no {}", missing.join(", "))));
        }
    }
    run("rpm", &["--checksig", "--nosignature", &path])
}

const FILES: &[&str] = &[
    "/usr/bin/handfast",
    "/usr/lib/systemd/system/handfast.service",
    "/usr/lib/systemd/system/handfast.socket",
    "/usr/lib/systemd/system/handfast-connect@.service",
    "/usr/lib/sysusers.d/handfast.conf",
    "/usr/share/man/man1/handfast.1.gz",
    "/usr/share/zsh/site-functions/_handfast",
];
const REQUIRES: &[&str] = &["glibc >= 2.36", "libgcc", "nftables", "systemd"];
const SCRIPTS: &[&str] = &["postinstall scriptlet", "preuninstall scriptlet", "systemd-sysusers"];
