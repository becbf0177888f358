//! A subscriber: a host, a profile, and the program that connects with it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use admin::failure::Failure;
use admin::response::Session;
use sysio::lab::Host;

use super::addresses::GATEWAY_INSIDE;
use super::folder::Folder;
use super::gateway_program::GatewayProgram;
use super::limits::{PATIENCE, unseen};
use super::ping::Ping;
use super::program::{Program, handfast};
use super::stop::Stop;

/// Which program somebody connects with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Client {
    /// `handfast connect`.
    Own,
    /// The stock program at this path.
    Stock(PathBuf),
}

/// Somebody with a device.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) name: &'static str,
    pub(super) host: Host,
    client: Client,
    profile: PathBuf,
    state: PathBuf,
    log: PathBuf,
    program: Option<Program>,
}

impl Subscriber {
    /// Makes user, device and profile.
    pub(super) fn add(
        name: &'static str,
        client: Client,
        host: Host,
        gateway: &GatewayProgram,
        folder: &Folder,
    ) -> Result<Self, Failure> {
        let profile = gateway.subscribe(name, &folder.inner(name)?)?;
        let state = folder.inner(&format!("{name}-state"))?;
        let log = folder.file(&format!("{name}.log"));
        Ok(Self { name, host, client, profile, state, log, program: None })
    }

    /// The program's name for people.
    pub(super) fn client(&self) -> &'static str {
        match self.client {
            Client::Own => "handfast connect",
            Client::Stock(_) => "stock openvpn",
        }
    }

    /// Starts the program.
    pub(super) fn start(&mut self) -> Result<(), Failure> {
        let command = match &self.client {
            Client::Own => own(&self.profile, &self.state)?,
            Client::Stock(openvpn) => stock(openvpn, &self.profile),
        };
        self.program = Some(Program::start(self.client(), &self.host.netns, command, &self.log)?);
        Ok(())
    }

    /// Starts the program and waits until the gateway answers through the tunnel. Gives the session
    /// and the time from the one to the other.
    pub(super) fn connect(
        &mut self,
        gateway: &mut GatewayProgram,
        stop: &Stop,
    ) -> Result<(Session, Duration), Failure> {
        let begun = Instant::now();
        let ping = Ping::start(&self.host.netns, GATEWAY_INSIDE, Duration::from_millis(10))?;
        self.start()?;
        let answered = stop.wait_for(PATIENCE, || {
            self.expect_running()?;
            Ok((ping.answered() > 0).then(|| begun.elapsed()))
        })?;
        let took = answered.ok_or_else(|| unseen(format!("{} did not connect", self.name)))?;
        let session = stop.wait_for(PATIENCE, || gateway.session(self.name))?;
        let session =
            session.ok_or_else(|| unseen(format!("{} has no session in `sessions`", self.name)))?;
        Ok((session, took))
    }

    /// Fails if the program ended.
    fn expect_running(&mut self) -> Result<(), Failure> {
        self.program.as_mut().map_or(Ok(()), Program::expect_running)
    }

    /// Ends the program, whatever it does.
    pub(super) fn kill(&mut self) {
        self.program = None;
    }

    /// Asks the program to end, and waits for that.
    pub(super) fn disconnect(&mut self, stop: &Stop) -> Result<Option<ExitStatus>, Failure> {
        match self.program.take() {
            Some(program) => program.terminate(stop),
            None => Ok(None),
        }
    }
}

fn own(profile: &Path, state: &Path) -> Result<Command, Failure> {
    let mut command = Command::new(handfast()?);
    // Nothing of the demo goes into the places where this machine's own clients keep records.
    command.arg("connect").arg(profile).arg("--state").arg(state).env_remove("HANDFAST_LOG");
    Ok(command)
}

fn stock(openvpn: &Path, profile: &Path) -> Command {
    let mut command = Command::new(openvpn);
    command.arg("--config").arg(profile).args(["--suppress-timestamps"]);
    if let Some(folder) = profile.parent() {
        command.current_dir(folder);
    }
    command
}

/// The version that a stock program says of itself.
pub(super) fn stock_version(openvpn: &Path) -> String {
    let output = Command::new(openvpn).arg("--version").output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    said.split_whitespace().nth(1).unwrap_or("of unknown version").to_owned()
}
