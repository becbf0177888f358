//! Roots of other Debian releases, unpacked into the build folder with the machine's own mirror.
//!
//! They hold peers that the machine's own release has not; they are used as they are, never updated,
//! and nothing of the machine is changed by them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::run;
use crate::failed::Failed;
use crate::peers;
use crate::workspace;

/// A release and what comes with it.
pub(crate) struct Root {
    suite: &'static str,
    /// Its folder among the peers.
    folder: &'static str,
    packages: &'static str,
}

/// Current peers of the benchmark.
pub(crate) const SID: Root = Root { suite: "sid", folder: "sid", packages: "openvpn,wireguard-go" };

/// Clients of databases that begin with TLS at once, or look at a certificate by the password.
pub(crate) const SID_CLIENTS: Root = Root {
    suite: "sid",
    folder: "sid-clients",
    packages: "postgresql-client,mariadb-client,mariadb-server-core",
};

/// The first release whose OpenVPN 3 starts; it needs a message bus.
pub(crate) const TRIXIE: Root =
    Root { suite: "trixie", folder: "trixie", packages: "openvpn3-client,dbus" };

/// Releases that a package has to serve, with what makes its user where no systemd runs.
pub(crate) const SERVED: [Root; 2] = [
    Root { suite: "bookworm", folder: "bare-bookworm", packages: SERVED_WITH },
    Root { suite: "trixie", folder: "bare-trixie", packages: SERVED_WITH },
];

/// What the package rests on.
const SERVED_WITH: &str = "nftables,systemd-standalone-sysusers";

impl Root {
    /// What Debian calls it.
    pub(crate) fn suite(&self) -> &'static str {
        self.suite
    }

    /// Its folder, if it was unpacked before.
    pub(crate) fn present(&self) -> Result<Option<PathBuf>, Failed> {
        let root = self.place(&workspace::target_folder()?);
        Ok(Some(root).filter(|root| root.exists()))
    }

    /// Its folder, unpacked if it is not there, which takes minutes. `None` where it can't be had; what
    /// needs it then skips itself by name.
    pub(crate) fn provide(&self, install: bool) -> Result<Option<PathBuf>, Failed> {
        if let Some(root) = self.present()? {
            return Ok(Some(root));
        }
        let reason = if !install || !peers::is_root() || !peers::on_path("debootstrap") {
            "needs root and debootstrap".to_owned()
        } else if let Some(mirror) = mirror() {
            match self.unpack(&workspace::target_folder()?, &mirror) {
                Ok(root) => return Ok(Some(root)),
                Err(failed) => failed.to_string(),
            }
        } else {
            "apt on this machine names no Debian mirror".to_owned()
        };
        println!("missing: a Debian {} with {}: {reason}", self.suite, self.packages);
        Ok(None)
    }

    fn unpack(&self, target: &Path, mirror: &str) -> Result<PathBuf, Failed> {
        let words = |error: std::io::Error| Failed::new(error.to_string());
        // Only a whole one gets the name.
        let unfinished = target.join("peers").join(format!("{}.unfinished", self.folder));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(words)?;
        }
        fs::create_dir_all(&unfinished).map_err(words)?;
        println!("unpacking a Debian {} with {}: some minutes", self.suite, self.packages);
        let include = format!("--include={}", self.packages);
        let folder = unfinished.display().to_string();
        run("debootstrap", &["--variant=minbase", &include, self.suite, &folder, mirror])?;
        let root = self.place(target);
        fs::rename(&unfinished, &root).map_err(words)?;
        Ok(root)
    }

    fn place(&self, target: &Path) -> PathBuf {
        target.join("peers").join(self.folder)
    }
}

/// The mirror of Debian's main archive that apt on this machine is set up with.
fn mirror() -> Option<String> {
    let listed = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)"])
        .args(["Created-By: Packages", "Origin: Debian", "Label: Debian"])
        .output()
        .ok()?;
    String::from_utf8_lossy(&listed.stdout).lines().next().map(str::to_owned)
}
