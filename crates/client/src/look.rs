//! Handshakes with a profile's servers, watched, and goodbye: no TUN device, no address, no user's packet.
//!
//! For whoever wants to know what happens between the two. Servers are tried as [`crate::run`] tries them, and the
//! session is the same; what a handshake proves about the server is decided by it alone.

mod data;
mod line;
mod watching;

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Now};
use engine::DisconnectReason;
use pki::Refusal;
use tunnel::{EndReason, Session};

use crate::attempt::Attempt;
use crate::retry::{self, Next};
use crate::target::{Target, first_packet_limit};
use crate::tunnel_config::TunnelConfigs;
use crate::{Profile, ProfileError, Remote, Warning, names};

use data::Errand;
use line::Line;
use watching::{Over, Watching};

/// How long a server may take to answer if there is no other, and a handshake from its first answer on.
const PATIENCE: Duration = Duration::from_secs(10);

/// What went through the socket of a look at once: over UDP a packet, over TCP whatever of the stream came or left.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// Whether we sent it.
    pub ours: bool,
    /// When.
    pub at: Now,
    /// Our address.
    pub local: SocketAddr,
    /// Its bytes, behind UDP or TCP.
    pub bytes: &'a [u8],
}

/// What came of the try with one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Our address; none where nothing leads to the server.
    pub local: Option<SocketAddr>,
    /// The server's.
    pub server: SocketAddr,
    /// Why nothing leads there, or no TCP connection came about.
    pub unreached: Option<String>,
    /// The session's own word on its end, in the words of the log; none if the server let us in and took our
    /// goodbye.
    pub refused: Option<String>,
    /// What this client turned away from, where it was this client.
    pub declined: Option<Declined>,
    /// The machine there, or one on the way, said that nothing listens at this port.
    pub nothing_listens: bool,
    /// The server ended the TCP connection.
    pub hung_up: Option<HungUp>,
    /// The server answered, and then said no more.
    pub fell_silent: bool,
    /// What was carried through the tunnel.
    pub echo: Option<Echo>,
    /// Why the next server is tried, where one is.
    pub goes_on: Option<String>,
}

/// How a TCP connection was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HungUp {
    /// In order.
    Closed,
    /// It was cut off.
    Reset,
}

/// An echo request to the server's address inside the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// That address.
    pub to: Ipv4Addr,
    /// How long the answer took; none where none came.
    pub answered: Option<Duration>,
}

/// Why this client turns away from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declined {
    /// For its certificate.
    Certificate(Refusal),
    /// For what it wants of a client, in the words of the log.
    Incompatible {
        /// A stable name.
        code: &'static str,
        /// What it wants.
        sentence: String,
    },
}

/// The servers of a profile that are to be looked at.
///
/// 1. Make one by [`Look::at`].
/// 2. While a server is [`Look::upcoming`], [`Look::attempt`] it.
pub struct Look<'a> {
    profile: &'a Profile,
    clock: Arc<dyn Clock>,
    tunnel: TunnelConfigs,
    targets: VecDeque<Target>,
    unknown: Vec<Warning>,
    carries_data: bool,
}

impl<'a> Look<'a> {
    /// At all servers of the profile that have an address, in their order. The secrets of TLS go to `key_log`. To be
    /// run on a runtime of tokio.
    ///
    /// # Errors
    /// Where no server has an address, or the profile can't be used.
    pub async fn at(
        profile: &'a Profile,
        clock: &Arc<dyn Clock>,
        key_log: &Arc<dyn rustls::KeyLog>,
    ) -> Result<Self, LookError> {
        let tunnel = TunnelConfigs::new(profile, clock, None)
            .map_err(|error| LookError::Profile(Box::new(error)))?;
        let (mut targets, mut unknown) = (Vec::new(), Vec::new());
        for remote in &profile.remotes {
            match names::outside(remote).await {
                Ok(addresses) => Target::add(&mut targets, remote, addresses),
                Err(why) => unknown.push(Warning::NotFound { remote: remote.clone(), why }),
            }
        }
        if targets.is_empty() {
            return Err(LookError::NoServer(unknown));
        }
        Ok(Self {
            profile,
            clock: Arc::clone(clock),
            tunnel: tunnel.logging(key_log),
            targets: targets.into(),
            unknown,
            carries_data: false,
        })
    }

    /// Before the goodbye, an echo request goes to the server's address inside the tunnel.
    #[must_use]
    pub fn carrying_data(self) -> Self {
        Self { carries_data: true, ..self }
    }

    /// Servers that have no address.
    pub fn unknown(&self) -> &[Warning] {
        &self.unknown
    }

    /// The server that is tried next: none where a former one ended the search, or all were tried.
    pub fn upcoming(&self) -> Option<(&Remote, SocketAddr)> {
        self.targets.front().map(|target| (&target.remote, target.address))
    }

    /// Shakes hands with the server that is upcoming, and hands what is said to `watch`.
    pub async fn attempt(
        &mut self,
        seed: [u8; 32],
        watch: impl FnMut(Watched<'_>) + Send,
    ) -> Option<Looked> {
        let target = self.targets.pop_front()?;
        let limit = first_packet_limit(self.profile.retry, false, !self.targets.is_empty());
        let limit = limit.unwrap_or(PATIENCE);
        let mut looked = Looked::nothing_of(&target);
        let line = match target.dial(limit).await {
            Ok(link) => Line::over(link),
            Err(undialled) => {
                looked.nothing_listens = undialled.refused;
                Err(undialled.why)
            }
        };
        let next = match line {
            Ok(line) => self.follow(line, &target, limit, (seed, watch), &mut looked).await,
            Err(why) => {
                looked.unreached = Some(why.clone());
                Ok(why)
            }
        };
        match next {
            Ok(why) if !self.targets.is_empty() => looked.goes_on = Some(why),
            _ => self.targets.clear(),
        }
        Some(looked)
    }

    /// The handshake itself; why the next server is to be tried, or that none is.
    async fn follow(
        &self,
        line: Line,
        target: &Target,
        limit: Duration,
        (seed, watch): ([u8; 32], impl FnMut(Watched<'_>) + Send),
        looked: &mut Looked,
    ) -> Result<String, Final> {
        let local = match line.local() {
            Ok(local) => local,
            Err(error) => {
                let why = format!("the socket has no address: {error}");
                looked.unreached = Some(why.clone());
                return Ok(why);
            }
        };
        looked.local = Some(local);
        let config = self.tunnel.over(target.remote.transport);
        let session = Session::client(Arc::clone(config), seed, self.clock.now());
        let errand = self.carries_data.then(Errand::default);
        let mut watching =
            Watching::new((line, local), session, errand, Arc::clone(&self.clock), watch);
        let over = watching.until_the_end(limit, PATIENCE).await;
        looked.echo = watching.echo();
        match over {
            Over::LetIn => Err(Final),
            Over::Ended(reason) => {
                looked.refused = Some(reason.to_string());
                looked.declined = declined(&reason);
                match watching.was_let_in() {
                    true => Err(Final),
                    false => leads_on(&DisconnectReason::Session(reason)),
                }
            }
            Over::HungUp(how) => {
                looked.hung_up = Some(how);
                Ok(format!("{} ended the connection", target.address))
            }
            Over::NothingListens => {
                looked.nothing_listens = true;
                Ok(Attempt::refused(target.address).why)
            }
            Over::Unanswered => Ok(Attempt::silence(target.address, limit)),
            Over::Stuck => {
                looked.fell_silent = true;
                Ok(format!("{} answered, and then said no more", target.address))
            }
        }
    }
}

/// No other server is tried.
struct Final;

/// As a client that is to connect decides it.
fn leads_on(ending: &DisconnectReason) -> Result<String, Final> {
    match retry::next(ending) {
        Next::GiveUp(_) => Err(Final),
        Next::NotTrusted(_) | Next::AtOnce | Next::OtherServer | Next::After(_) | Next::Usual => {
            Ok(retry::why(ending))
        }
    }
}

impl Looked {
    fn nothing_of(target: &Target) -> Self {
        Self {
            local: None,
            server: target.address,
            unreached: None,
            refused: None,
            declined: None,
            nothing_listens: false,
            hung_up: None,
            fell_silent: false,
            echo: None,
            goes_on: None,
        }
    }
}

/// What a server says is told by what it says.
fn declined(ended: &EndReason) -> Option<Declined> {
    match ended {
        EndReason::TlsFailed(error) => pki::refusal_of(error).map(Declined::Certificate),
        EndReason::PushUnusable(_) | EndReason::NoCommonCipher => {
            Some(Declined::Incompatible { code: ended.code(), sentence: ended.to_string() })
        }
        _ => None,
    }
}

impl fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look").field("targets", &self.targets).finish_non_exhaustive()
    }
}

/// Why there was nothing to look at.
#[derive(Debug)]
pub enum LookError {
    /// No server of the profile has an address.
    NoServer(Vec<Warning>),
    /// The profile can't be used.
    Profile(Box<ProfileError>),
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer(unknown) => {
                f.write_str("no server of the profile has an address")?;
                unknown.iter().try_for_each(|warning| write!(f, "; {warning}"))
            }
            Self::Profile(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LookError {}
