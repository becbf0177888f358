//! `handfast connect` as a client.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sysio::lab::Host;

use crate::Program;
use crate::world::binary;

/// A running client of ours.
#[derive(Debug)]
pub struct Own(pub Program);

impl Own {
    /// Starts `handfast connect PROFILE` on `host`.
    pub fn start(host: &Host, profile: &Path) -> Self {
        Self::start_without("", host, profile)
    }

    /// The same, without parts of the offload (`HANDFAST_WITHOUT`).
    pub fn start_without(parts: &str, host: &Host, profile: &Path) -> Self {
        let folder = profile.parent().unwrap_or(Path::new("."));
        let mut command = Command::new(binary());
        command.arg("connect").arg(profile).arg("--state").arg(folder.join("state"));
        command.env("HANDFAST_WITHOUT", parts);
        match Program::start(&host.netns, command, &folder.join("connect.log")) {
            Ok(program) => Self(program),
            Err(error) => panic!("handfast connect did not start: {error}"),
        }
    }

    /// Waits until the tunnel is up; panics with the log where it does not come up.
    pub fn connected(&mut self) {
        let up = self.0.says("connected to", Duration::from_secs(20));
        assert!(up, "our client did not connect:\n{}", self.0.log());
    }
}
