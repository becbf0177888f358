//! Another Debian, unpacked into a folder, and its programs.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use interop::{Subscriber, skip};

use super::house::{House, run, unpacked};

/// Another Debian, with its programs.
pub(crate) struct Sid(PathBuf);

/// Where it was unpacked.
pub(crate) fn sid(test: &str) -> Option<Sid> {
    let root = unpacked("HANDFAST_SID_ROOT", "usr/bin/psql");
    let root = root.and_then(|program| Some(Sid(program.ancestors().nth(3)?.to_owned())));
    if root.is_none() {
        skip(test, "no Debian sid with its clients: `cargo xtask interop --long` as root has it");
    }
    root
}

impl Sid {
    /// Whether it has this program.
    pub(crate) fn has(&self, program: &str) -> bool {
        self.0.join(program).exists()
    }

    /// What a shell line prints there, with somebody's folder at `/mnt`, the CA in it, and `mail.test` known.
    pub(crate) fn run(&self, house: &House, who: &Subscriber, line: &str) -> String {
        fs::copy(&house.ca, who.folder.join("ca.pem")).expect("a copy");
        let known = format!("{} mail.test\n", house.world.gateway.v4[0]);
        let script = self.script(&who.folder, &known, line);
        run(who, &format!("unshare --mount sh {}", script.display()))
    }

    /// A shell line there, with this folder at `/mnt`.
    pub(crate) fn command(&self, folder: &Path, line: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh"]).arg(self.script(folder, "127.0.0.1 localhost\n", line));
        command
    }

    fn script(&self, folder: &Path, known: &str, line: &str) -> PathBuf {
        let (root, hosts, script) =
            (self.0.display(), folder.join("hosts"), folder.join("script.sh"));
        fs::write(&hosts, known).expect("written");
        let mounts = format!(
            "mount --bind {} {root}/mnt; mount --bind {} {root}/etc/hosts; mount --rbind /dev {root}/dev; \
             mount -t tmpfs none {root}/tmp",
            folder.display(),
            hosts.display()
        );
        let line = format!("set -e\n{mounts}\nexec chroot {root} sh -c '{line}'\n");
        fs::write(&script, line).expect("written");
        script
    }
}
