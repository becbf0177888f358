//! The stage: a server's host, the load generator's, and a subscriber's with an established flow.
//!
//! ```text
//!  server ── router ── crowd (handfast bench)
//!                 └─── flow  (handfast connect, iperf3)
//! ```

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use interop::Program;
use serde_json::Value;
use sysio::lab::{Host, Lab};

/// The hosts, a folder for files, and the program.
pub(crate) struct Machine {
    pub(crate) server: Host,
    pub(crate) crowd: Host,
    pub(crate) flow: Host,
    pub(crate) folder: PathBuf,
    pub(crate) handfast: PathBuf,
    _lab: Lab,
}

impl Machine {
    pub(crate) fn new(handfast: &Path) -> Result<Self, Box<dyn Error>> {
        let folder = std::env::temp_dir().join(format!("handfast-control-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut lab = Lab::new()?;
        let handfast = fs::canonicalize(handfast)?;
        let (server, crowd, flow) = (lab.host(1)?, lab.host(1)?, lab.host(1)?);
        Ok(Self { server, crowd, flow, folder, handfast, _lab: lab })
    }

    /// `handfast bench PROFILES …` on the crowd's host.
    pub(crate) fn crowd(
        &self,
        profiles: &Path,
        arguments: &[&str],
    ) -> Result<Crowd, Box<dyn Error>> {
        let mut command = Command::new(&self.handfast);
        command.arg("bench").arg(profiles).arg("--json").args(arguments);
        let log = self.folder.join("bench.log");
        Ok(Crowd(Program::start(&self.crowd.netns, command, &log)?))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A temporary folder that stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A running load generator.
pub(crate) struct Crowd(Program);

impl Crowd {
    /// Waits until everybody is up who will be.
    pub(crate) fn holds(&mut self) -> Result<(), Box<dyn Error>> {
        if self.0.says("holding ", Duration::from_secs(240)) {
            return Ok(());
        }
        Err(format!("the sessions did not come up:\n{}", self.0.log()).into())
    }

    /// Whether everybody is up, or it is over.
    pub(crate) fn holds_by_now(&mut self) -> bool {
        self.0.says("holding ", Duration::ZERO) || self.0.ends(Duration::ZERO).is_some()
    }

    /// Its report, once it has ended.
    pub(crate) fn report(mut self) -> Result<Value, Box<dyn Error>> {
        self.0.ends(Duration::from_secs(300));
        let log = self.0.log();
        let json = log
            .find('{')
            .and_then(|at| serde_json::Deserializer::from_str(&log[at..]).into_iter().next());
        match json {
            Some(Ok(report)) => Ok(report),
            _ => Err(format!("no report came:\n{log}").into()),
        }
    }
}
