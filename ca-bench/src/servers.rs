//! The servers that are asked, each a process of its own, and the CPU time that it has had.

use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clock::SystemClock;
use publish::{IssuerPublication, Listener, Publication, Service};

use crate::house::{self, House};
use crate::manner::Manner;

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    manners: &'static [Manner],
    child: Child,
}

impl Server {
    /// What the gateway publishes with.
    pub(crate) fn ours(house: &House) -> Result<Option<Self>, Box<dyn Error>> {
        let address = free()?;
        fs::write(house.folder.join("listen"), address.to_string())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve").arg(&house.folder);
        let path = format!("/ca/{}/ocsp", house.ca.tag());
        Self::start("handfast", command, address, path, &Manner::ALL).map(Some)
    }

    /// `openssl ocsp`, which signs each answer when it is asked for.
    pub(crate) fn openssl(house: &House) -> Result<Option<Self>, Box<dyn Error>> {
        let address = free()?;
        let mut command = Command::new("openssl");
        command.current_dir(&house.folder);
        command.args(["ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "signer.pem"]);
        command.args(["-rkey", "signer.key", "-nmin", "60", "-ignore_err", "-port"]);
        command.arg(address.port().to_string());
        let manners = &[Manner::Ahead, Manner::Nonce];
        Self::start("openssl ocsp", command, address, "/".into(), manners).map(Some)
    }

    /// cfssl's, which has signed everything before.
    pub(crate) fn cfssl(house: &House) -> Result<Option<Self>, Box<dyn Error>> {
        if Command::new("cfssl").arg("version").output().is_err() {
            println!("SKIP cfssl ocspserve: cfssl is not installed (Debian's golang-cfssl)");
            return Ok(None);
        }
        let address = free()?;
        let mut command = Command::new("cfssl");
        command.arg("ocspserve").arg("-responses").arg(house.folder.join("answers"));
        command.args(["-loglevel", "5", "-address", "127.0.0.1", "-port"]);
        command.arg(address.port().to_string());
        let manners = &[Manner::Ahead, Manner::AheadKept];
        Self::start("cfssl ocspserve", command, address, "/".into(), manners).map(Some)
    }

    fn start(
        name: &'static str,
        mut command: Command,
        address: SocketAddr,
        path: String,
        manners: &'static [Manner],
    ) -> Result<Self, Box<dyn Error>> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { name, address, path, manners, child: command.spawn()? };
        for _ in 0..100 {
            if listens(address)? {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("{name} does not listen").into())
    }

    /// Whether it can be asked in this manner.
    pub(crate) fn has(&self, manner: Manner) -> bool {
        self.manners.contains(&manner)
    }

    /// CPU seconds that its threads have had.
    pub(crate) fn cpu(&self) -> Result<f64, Box<dyn Error>> {
        cpu_of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is a child of ours, and waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds that the threads of a process have had.
pub(crate) fn cpu_of(process: u32) -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may have ended since.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanoseconds += text.split(' ').next().unwrap_or("0").parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}

/// Serves what is in a folder, until it is killed.
pub(crate) fn serve(folder: &Path) -> Result<(), Box<dyn Error>> {
    let authority = house::authority(folder)?;
    let address: SocketAddr = fs::read_to_string(folder.join("listen"))?.parse()?;
    let service = Arc::new(Service::new(Arc::new(house::Records), Arc::new(SystemClock)));
    let issuer = IssuerPublication::new(&authority.ca, None, Some(authority.signer));
    service.publish(Publication::new(vec![issuer]));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let _listener = Listener::bind(address, service)?;
        std::future::pending::<Result<(), Box<dyn Error>>>().await
    })
}

/// By the kernel's table: `openssl ocsp` goes round in circles over a connection that says nothing.
fn listens(address: SocketAddr) -> Result<bool, Box<dyn Error>> {
    let port = format!(":{:04X} ", address.port());
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table)?;
        let listening = |line: &str| line.contains(&port) && line.contains(" 0A ");
        if text.lines().any(listening) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn free() -> Result<SocketAddr, Box<dyn Error>> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
