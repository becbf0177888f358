//! Our gateway as a contestant: a data folder with as many devices as wanted, and `handfast up`.
//!
//! Everything is the default. Each device has a key of its own, as the gateway certifies none for two; making
//! ten thousand takes some minutes.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use admin::names::DeviceName;
use admin::permission::Caller;
use admin::request::Request;
use admin::response::Response;
use admin::secret::SecretText;
use clock::SystemClock;
use futures_util::StreamExt as _;
use gateway::control::Execute as _;
use gateway::data::DataDir;
use gateway::profile::System;
use gateway::profile::render::{Identity, unified};
use gateway::{FirstStart, Gateway};
use interop::{Program, wait_until};

use crate::keys::{Kind, openssl};
use crate::machine::Machine;

/// A data folder and its subscribers' profiles.
pub(crate) struct Ours {
    data: PathBuf,
    /// One folder of profiles for each kind.
    pub(crate) profiles: PathBuf,
}

impl Ours {
    /// A new gateway with `count` devices of one kind.
    pub(crate) fn new(machine: &Machine, kind: Kind, count: usize) -> Result<Self, Box<dyn Error>> {
        let folder = machine.folder.join(format!("ours-{}-{count}", kind.word()));
        let ours = Self { data: folder.join("data"), profiles: folder.join("profiles") };
        if folder.exists() {
            return Ok(ours);
        }
        fs::create_dir_all(&ours.profiles)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(ours.provide(machine, kind, count))?;
        Ok(ours)
    }

    async fn provide(
        &self,
        machine: &Machine,
        kind: Kind,
        count: usize,
    ) -> Result<(), Box<dyn Error>> {
        let public = machine.server.v4[0].to_string().parse()?;
        let first = FirstStart { public: Some(public), ..FirstStart::default() };
        let clock = Arc::new(SystemClock);
        let gateway = Gateway::start(DataDir::new(&self.data), clock, first).await?;
        ask(&gateway, Request::UserAdd { name: USER.parse()? }).await?;
        let made = futures_util::stream::iter(0..count)
            .map(|number| self.device(&gateway, number, kind))
            .buffer_unordered(AT_ONCE);
        let results: Vec<_> = made.collect().await;
        results.into_iter().collect::<Result<(), Box<dyn Error>>>()?;
        gateway.close().await;
        Ok(())
    }

    async fn device(
        &self,
        gateway: &Gateway,
        number: usize,
        kind: Kind,
    ) -> Result<(), Box<dyn Error>> {
        let (key, csr) = self.key_and_csr(number, kind).await?;
        let device = DeviceName::parse(&format!("{USER}/d{number}"))?;
        let add = Request::DeviceAdd { device: device.clone(), csr_pem: Some(csr) };
        ask(gateway, add).await?;
        let material = ask(gateway, Request::ProfileMaterial { device, renew: false }).await?;
        let Response::Profile(material) = material else { return Err("no profile".into()) };
        let identity = Identity {
            name: &material.name,
            certificate_pem: &material.certificate.pem,
            key_pem: &key,
        };
        let text = unified(System::Linux, &material.common, identity)?;
        fs::write(self.profiles.join(format!("{number:06}.ovpn")), text.expose())?;
        Ok(())
    }

    async fn key_and_csr(
        &self,
        number: usize,
        kind: Kind,
    ) -> Result<(SecretText, String), Box<dyn Error>> {
        let folder = self.data.parent().unwrap_or(&self.data).to_owned();
        let [key, csr] = ["key", "csr"].map(|what| folder.join(format!("{number}.{what}")));
        let [key_file, csr_file] = [&key, &csr].map(|path| path.display().to_string());
        let made = tokio::task::spawn_blocking(move || {
            let mut request = vec!["req", "-new", "-nodes", "-subj", "/CN=device"];
            request.extend(kind.openssl());
            request.extend(["-keyout", &key_file, "-out", &csr_file]);
            openssl(&folder, &request).map_err(|error| error.to_string())
        });
        made.await??;
        let read = (SecretText::new(fs::read_to_string(&key)?), fs::read_to_string(&csr)?);
        fs::remove_file(key)?;
        fs::remove_file(csr)?;
        Ok(read)
    }

    /// Starts the gateway and waits until it answers.
    pub(crate) fn up(&self, machine: &Machine) -> Result<Program, Box<dyn Error>> {
        let mut command = Command::new(&machine.handfast);
        command.arg("--data").arg(&self.data).arg("up");
        command.arg("--state").arg(machine.folder.join("state"));
        let log = machine.folder.join("gateway.log");
        let program = Program::start(&machine.server.netns, command, &log)?;
        let answers = || {
            let mut status = Command::new(&machine.handfast);
            status.arg("--data").arg(&self.data).arg("status");
            machine.server.netns.output(status).is_ok_and(|output| output.status.success())
        };
        if wait_until(Duration::from_secs(30), answers) {
            return Ok(program);
        }
        Err(format!("the gateway did not start:\n{}", program.log()).into())
    }

    /// A profile of the kind that the crowd has, which it does not use.
    pub(crate) fn spare_profile(&self) -> Result<PathBuf, Box<dyn Error>> {
        let mut files: Vec<_> =
            fs::read_dir(&self.profiles)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        files.pop().ok_or_else(|| "no profile".into())
    }

    /// Stops a gateway as a service manager would.
    pub(crate) fn down(mut program: Program) {
        program.signal("TERM");
        program.ends(Duration::from_secs(15));
    }
}

async fn ask(gateway: &Gateway, request: Request) -> Result<Response, Box<dyn Error>> {
    Ok(gateway.execute(&Caller::Local { uid: 0, name: None }, request).await?)
}

const USER: &str = "crowd";
/// Commits of requests under way together are one write.
const AT_ONCE: usize = 64;
