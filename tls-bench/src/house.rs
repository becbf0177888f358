//! A folder with what all servers are set up with: certificates of one CA, which is handfast's, the services behind
//! them, and where each is reached.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failed::Failed;

/// Names, which are the same with every server.
pub(crate) const P256: &str = "p256.test";
pub(crate) const RSA: &str = "rsa.test";
pub(crate) const CLOSED: &str = "closed.test";
pub(crate) const BULK: &str = "bulk.test";

/// For as long as the value lives.
pub(crate) struct House {
    pub(crate) folder: PathBuf,
    pub(crate) handfast: PathBuf,
    backend: Child,
}

impl House {
    /// `servers` are the many that each server has in one of the measurements.
    pub(crate) fn build(handfast: &Path, servers: usize) -> Result<Self, Failed> {
        let folder = std::env::temp_dir().join(format!("tls-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut backend = Command::new(std::env::current_exe()?);
        backend.args(["--serve", &HTTP_PORT.to_string(), &BULK_PORT.to_string()]);
        let house =
            Self { folder, handfast: fs::canonicalize(handfast)?, backend: backend.spawn()? };
        house.make_certificates()?;
        house.copy_for_many(servers)?;
        reached(HTTP_PORT)?;
        Ok(house)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String, Failed> {
        fs::write(self.folder.join(name), text)?;
        Ok(self.path(name))
    }

    /// A gateway makes what the others are given; it is the one that is measured later.
    fn make_certificates(&self) -> Result<(), Failed> {
        let mut gateway = self.gateway(&[])?;
        let made = self.issue();
        gateway.kill()?;
        gateway.wait()?;
        made
    }

    fn issue(&self) -> Result<(), Failed> {
        self.say(&["ca", "export", "--out", &self.path("ca.pem")])?;
        let folder = self.folder.display().to_string();
        self.say(&["cert", "issue", P256, "--key", "p256", "--out", &folder])?;
        self.say(&["cert", "issue", RSA, "--key", "rsa2048", "--out", &folder])?;
        // The client that has to sign is not to be busier than the server that looks at it.
        let settings = self.folder.join("data/handfast.toml");
        let text = fs::read_to_string(&settings)?;
        let other = text.replace("[device]\nkey_type = \"rsa\"", "[device]\nkey_type = \"p256\"");
        if other == text {
            return Err(Failed::new("handfast's settings do not say what keys devices have"));
        }
        fs::write(&settings, other)?;
        self.say(&["reload"])?;
        self.say(&["user", "add", "alice"])?;
        let out = self.path("alice");
        self.say(&["profile", "alice", "--out", &out, "--os", "linux", "--form", "split"])?;
        for name in [P256, RSA] {
            let part = |end: &str| fs::read_to_string(self.folder.join(format!("{name}.{end}")));
            self.write(&format!("{name}.pem"), &(part("crt")? + &part("key")?))?;
        }
        Ok(())
    }

    fn copy_for_many(&self, servers: usize) -> Result<(), Failed> {
        let from = self.folder.join(format!("{P256}.pem"));
        fs::create_dir_all(self.folder.join("many"))?;
        for number in 0..servers {
            fs::copy(&from, self.folder.join(format!("many/{number}.pem")))?;
        }
        Ok(())
    }

    /// A running gateway, on the servers' processor.
    pub(crate) fn gateway(&self, before: &[&str]) -> Result<Child, Failed> {
        let mut command = on_its_own(&self.handfast.display().to_string());
        command.args(before).args(["--data", &self.path("data"), "up", "--public", "127.0.0.1"]);
        let child = quiet(&mut command, &self.folder.join("handfast.log"))?;
        let begun = Instant::now();
        while self.say(&["status"]).is_err() {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err(Failed::new("handfast does not start"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(child)
    }

    /// A command to the gateway.
    pub(crate) fn say(&self, words: &[&str]) -> Result<(), Failed> {
        let mut command = Command::new(&self.handfast);
        let output = command.arg("--data").arg(self.folder.join("data")).args(words).output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(Failed::new(String::from_utf8_lossy(&output.stderr))),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // It is a child of ours, and waited for. A temporary folder that stays behind harms nobody.
        let _ = self.backend.kill();
        let _ = self.backend.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A program on the processor that servers have to themselves.
pub(crate) fn on_its_own(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", SERVERS_CPU, program]);
    command
}

/// Starts it with what it says in a file.
pub(crate) fn quiet(command: &mut Command, log: &Path) -> Result<Child, Failed> {
    let log = fs::File::create(log)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command.spawn()?)
}

/// Waits until somebody listens there.
pub(crate) fn reached(port: u16) -> Result<(), Failed> {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(Failed::new(format!("nobody listens at port {port}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

pub(crate) const HTTP_PORT: u16 = 7100;
pub(crate) const BULK_PORT: u16 = 7101;
const SERVERS_CPU: &str = "0";
