//! The gateway as an operator runs it: the binary, a settings file, commands.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::request::{ExplainTarget, Request};
use admin::response::Response;
use admin::response::{Changed, Session, Status};
use explain::story::Stories;
use gateway::profile::{Form, System};
use names::RevocationReason;
use sysio::lab::Host;

use super::super::ask::ask;
use super::super::output::unexpected;
use super::super::profile;
use super::super::told;
use super::addresses::{FILES_V4, ROUTES, TUNNEL_V4, TUNNEL_V6};
use super::folder::Folder;
use super::limits::{PATIENCE, unseen};
use super::program::{Program, handfast};
use super::stop::Stop;
use crate::args::order::{ProfileOrder, ProfileWish};

/// A running `handfast up`.
#[derive(Debug)]
pub(super) struct GatewayProgram {
    program: Program,
    data: PathBuf,
}

impl GatewayProgram {
    /// Starts it on a data folder that holds nothing but settings, and waits until it serves.
    pub(super) fn start(
        host: &Host,
        folder: &Folder,
        nat: bool,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let data = folder.inner("data")?;
        folder.write(&data.join(gateway::config::FILE_NAME), &settings(host, nat))?;
        let ready = folder.file("ready");
        let listener = UnixDatagram::bind(&ready).map_err(|e| deaf(&e))?;
        listener.set_nonblocking(true).map_err(|e| deaf(&e))?;
        let mut command = Command::new(handfast()?);
        command.arg("--data").arg(&data).arg("up").env("NOTIFY_SOCKET", &ready);
        // Not where this machine's own gateway keeps its record.
        command.arg("--state").arg(folder.inner("gateway-state")?);
        command.env_remove("HANDFAST_LOG");
        let log = folder.file("gateway.log");
        let program = Program::start("the gateway", &host.netns, command, &log)?;
        let mut gateway = Self { program, data };
        gateway.wait_until_ready(&listener, stop)?;
        Ok(gateway)
    }

    /// What a service manager waits for as well.
    fn wait_until_ready(&mut self, listener: &UnixDatagram, stop: &Stop) -> Result<(), Failure> {
        let ready = stop.wait_for(PATIENCE * 4, || {
            self.program.expect_running()?;
            let mut message = [0; 512];
            let len = listener.recv(&mut message).unwrap_or(0);
            let said = String::from_utf8_lossy(&message[..len]);
            Ok(said.lines().any(|line| line == "READY=1").then_some(()))
        })?;
        ready.ok_or_else(|| unseen("the gateway did not come up"))
    }

    /// `user add` and `profile`: gives the profile's path.
    pub(super) fn subscribe(&self, user: &str, out: &Path) -> Result<PathBuf, Failure> {
        ask(&self.data, Request::UserAdd { name: device(user)?.user })?;
        let wish = ProfileWish {
            passphrase: false,
            renew: false,
            out: out.to_owned(),
            systems: vec![System::Linux],
            form: Form::Unified,
        };
        let order = ProfileOrder { device: device(user)?, wish };
        profile::run(&self.data, false, order)?;
        let files = std::fs::read_dir(out).into_iter().flatten().flatten();
        let mut paths = files.map(|file| file.path());
        let profile = paths.find(|path| path.extension().is_some_and(|e| e == "ovpn"));
        profile.ok_or_else(|| unseen(format!("no profile was written for {user}")))
    }

    /// `sessions`.
    pub(super) fn sessions(&mut self) -> Result<Vec<Session>, Failure> {
        self.program.expect_running()?;
        match ask(&self.data, Request::Sessions)? {
            Response::Sessions(sessions) => Ok(sessions),
            _ => Err(unexpected()),
        }
    }

    /// The session of a user in `sessions`.
    pub(super) fn session(&mut self, user: &str) -> Result<Option<Session>, Failure> {
        let is_hers = |session: &Session| {
            session.device.as_ref().is_some_and(|device| device.user.as_str() == user)
        };
        Ok(self.sessions()?.into_iter().find(is_hers))
    }

    /// `status`.
    pub(super) fn status(&mut self) -> Result<Status, Failure> {
        self.program.expect_running()?;
        match ask(&self.data, Request::Status)? {
            Response::Status(status) => Ok(*status),
            _ => Err(unexpected()),
        }
    }

    /// `explain session`: what a user's handshake was, and how long the keys live.
    pub(super) fn explain(&mut self, user: &str) -> Result<Stories, Failure> {
        self.program.expect_running()?;
        told::by_gateway(&self.data, ExplainTarget::Device { device: device(user)? })
    }

    /// `device revoke`.
    pub(super) fn revoke(&self, user: &str) -> Result<Changed, Failure> {
        let device = device(user)?;
        let request = Request::DeviceRevoke { device, reason: RevocationReason::KeyCompromise };
        match ask(&self.data, request)? {
            Response::Changed(changed) => Ok(changed),
            _ => Err(unexpected()),
        }
    }

    /// Stops it as a service manager does.
    pub(super) fn stop(self, stop: &Stop) -> Result<Option<ExitStatus>, Failure> {
        self.program.terminate(stop)
    }
}

fn device(user: &str) -> Result<DeviceName, Failure> {
    DeviceName::parse(user).map_err(|error| {
        Failure::new(FailureKind::Failed, "a device has no name").caused_by(&error)
    })
}

fn settings(host: &Host, nat: bool) -> String {
    let [v4, v6] = ROUTES;
    let names: Vec<_> = host.v4.iter().map(|address| format!("\"{address}\"")).collect();
    format!(
        "[public]\n\
         names = [{}]\n\
         [vpn]\n\
         network = \"{TUNNEL_V4}\"\n\
         network6 = \"{TUNNEL_V6}\"\n\
         nat = {nat}\n\
         reneg_sec = {}\n\
         [explain]\n\
         keep = \"all\"\n\
         [vpn.push]\n\
         routes = [\"{v4}\", \"{v6}\"]\n\
         [[tls.listen]]\n\
         address = \"[::]:443\"\n\
         [[tls.server]]\n\
         names = [\"{OPEN_SITE}\"]\n\
         backend = \"http://{FILES_V4}\"\n\
         [[tls.server]]\n\
         names = [\"{CLOSED_SITE}\"]\n\
         backend = \"http://{FILES_V4}\"\n\
         clients = \"required\"\n",
        names.join(", "),
        RENEGOTIATE.as_secs(),
    )
}

fn deaf(error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::Environment, "the gateway's readiness can't be heard")
        .caused_by(error)
}

/// The file over HTTPS, for everybody.
pub(super) const OPEN_SITE: &str = "www.demo.example";
/// The same for devices alone.
pub(super) const CLOSED_SITE: &str = "files.demo.example";
/// So often are keys renewed in the demo.
pub(super) const RENEGOTIATE: Duration = Duration::from_secs(5);
