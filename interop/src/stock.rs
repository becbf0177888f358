//! The stock `openvpn` program as a client.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Program;
use sysio::lab::Host;

/// A running stock client.
#[derive(Debug)]
pub struct Stock(pub Program);

impl Stock {
    /// Starts `openvpn --config PROFILE` and what else is given, on `host`.
    pub fn start(host: &Host, profile: &Path, more: &[&str]) -> Self {
        Self::start_as(Command::new("openvpn"), host, profile, more)
    }

    /// The same by a command that has more to it, such as an environment.
    pub fn start_as(mut command: Command, host: &Host, profile: &Path, more: &[&str]) -> Self {
        let folder = profile.parent().unwrap_or(Path::new("."));
        let log = folder.join("openvpn.log");
        command.current_dir(folder).arg("--config").arg(profile);
        command.args(["--verb", "3", "--suppress-timestamps"]).args(more);
        match Program::start(&host.netns, command, &log) {
            Ok(program) => Self(program),
            Err(error) => panic!("openvpn did not start: {error}"),
        }
    }

    /// Waits until the tunnel is up; panics with the log where it does not come up.
    pub fn connected(&mut self) {
        let up = self.0.says("Initialization Sequence Completed", Duration::from_secs(20));
        assert!(up, "the stock client did not connect:\n{}", self.0.log());
    }

    /// How often its log says `text`.
    pub fn said(&self, text: &str) -> usize {
        self.0.log().matches(text).count()
    }
}
