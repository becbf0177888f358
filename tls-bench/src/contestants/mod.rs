//! Who is measured, and a running one.

mod handfast;
mod haproxy;
mod nginx;
mod stunnel;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Child;

use crate::failed::Failed;
use crate::house::{BULK, CLOSED, House, RSA, reached};

/// Whom the report is about.
pub(crate) const OURS: &str = "handfast";

/// All of them; one that can't be had is skipped by name.
pub(crate) const ALL: &[Contestant] = &[
    Contestant { name: OURS, speaks_http: true, has_many: true, start: handfast::start },
    Contestant { name: "nginx", speaks_http: true, has_many: true, start: nginx::start },
    Contestant { name: "haproxy", speaks_http: true, has_many: true, start: haproxy::start },
    Contestant { name: "stunnel", speaks_http: false, has_many: false, start: stunnel::start },
];

/// A program, and how it is started.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    speaks_http: bool,
    /// Whether it is set up with many virtual servers.
    has_many: bool,
    start: fn(&House, usize) -> Started,
}

/// A process, and where it is reached.
type Started = Result<(Child, Ports), Failed>;

/// Where it is reached.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) usual: u16,
    pub(crate) rsa: u16,
    pub(crate) closed: u16,
    pub(crate) bulk: u16,
}

/// A running one.
pub(crate) struct Server {
    contestant: &'static Contestant,
    child: Child,
    ports: Ports,
}

impl Server {
    /// With so many virtual servers more.
    pub(crate) fn start(
        contestant: &'static Contestant,
        house: &House,
        servers: usize,
    ) -> Result<Self, Failed> {
        if servers > 0 && !contestant.has_many {
            return Err(Failed::new("is not set up with many servers"));
        }
        let (child, ports) = (contestant.start)(house, servers)?;
        let server = Self { contestant, child, ports };
        for port in [ports.usual, ports.rsa, ports.closed, ports.bulk] {
            reached(port)?;
        }
        Ok(server)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.contestant.name
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn speaks_http(&self) -> bool {
        self.contestant.speaks_http
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        let port = match name {
            RSA => self.ports.rsa,
            CLOSED => self.ports.closed,
            BULK => self.ports.bulk,
            _ => self.ports.usual,
        };
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child of ours, and waited for; those of nginx and handfast end with it.
        let _ = rustix::process::Pid::from_raw(self.child.id().cast_signed())
            .map(|id| rustix::process::kill_process(id, rustix::process::Signal::TERM));
        let _ = self.child.wait();
    }
}

/// A piece of a settings file for each of many servers.
fn each(servers: usize, piece: impl Fn(usize) -> String) -> String {
    (0..servers).fold(String::new(), |mut text, number| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", piece(number));
        text
    })
}
