//! One handshake with a profile's server, watched, and goodbye: no TUN device, no address, no user's packet.
//!
//! For whoever wants to know what happens between the two. The session is the same as in [`crate::run`]; what a
//! handshake proves about the server is decided by it alone.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Now};
use pki::Refusal;
use tunnel::{Close, EndReason, Event, Session};
use wire::mtu::Transport;

use crate::{Profile, ProfileError, tunnel_config};

/// How long a look may take at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest wait for a packet at a time.
const NAP: Duration = Duration::from_millis(200);
/// Larger than any control packet.
const LONGEST: usize = 2048;

/// A packet of the look.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// Whether we sent it.
    pub ours: bool,
    /// When.
    pub at: Now,
    /// Its bytes, behind UDP.
    pub bytes: &'a [u8],
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Our address.
    pub local: SocketAddr,
    /// The server's.
    pub server: SocketAddr,
    /// The session's own word on its end, in the words of the log; none if the server let us in and took our
    /// goodbye.
    pub refused: Option<String>,
    /// What this client turned away from, where it was this client.
    pub declined: Option<Declined>,
    /// The machine there, or one on the way, said that nothing listens at this port.
    pub nothing_listens: bool,
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

/// Shakes hands with the first server that the profile reaches over UDP, and hands every packet to `watch`.
/// The secrets of TLS go to `key_log`.
///
/// # Errors
/// Where there is no such server, or no socket.
pub fn look(
    profile: &Profile,
    clock: &Arc<dyn Clock>,
    seed: [u8; 32],
    key_log: Arc<dyn rustls::KeyLog>,
    mut watch: impl FnMut(Watched<'_>),
) -> Result<Looked, LookError> {
    let (socket, server) = reach(profile)?;
    let local = socket.local_addr().map_err(LookError::Socket)?;
    let mut config =
        tunnel_config(profile, clock).map_err(|error| LookError::Profile(Box::new(error)))?;
    let mut tls = (*config.tls).clone();
    tls.key_log = key_log;
    config.tls = Arc::new(tls);
    let mut look =
        Look { session: Session::client(Arc::new(config), seed, clock.now()), ended: None };
    let until = clock.now().boot + PATIENCE;
    let mut nothing_listens = false;
    loop {
        let now = clock.now();
        look.act(now);
        while let Some(packet) = look.session.poll_transmit(now) {
            // What can't be sent is sent again by the session.
            let _ = socket.send(&packet);
            watch(Watched { ours: true, at: now, bytes: &packet });
        }
        // Behind what is sent: whoever turns away says so in its last packet.
        if look.session.is_ended() || now.boot >= until {
            break;
        }
        let mut buffer = [0; LONGEST];
        socket.set_read_timeout(Some(look.nap(clock.now()))).map_err(LookError::Socket)?;
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let now = clock.now();
                let packet = buffer.get(..length).unwrap_or_default();
                watch(Watched { ours: false, at: now, bytes: packet });
                // A packet that has no effect is told by whoever watches.
                let _ = look.session.handle_datagram(packet, now);
            }
            Err(error) => nothing_listens |= error.kind() == io::ErrorKind::ConnectionRefused,
        }
    }
    let ended = look.ended;
    Ok(Looked {
        local,
        server,
        refused: ended.as_ref().map(ToString::to_string),
        declined: ended.as_ref().and_then(declined),
        nothing_listens,
    })
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

fn reach(profile: &Profile) -> Result<(UdpSocket, SocketAddr), LookError> {
    let mut remotes = profile.remotes.iter().filter(|remote| remote.transport == Transport::Udp);
    let remote = remotes.next().ok_or(LookError::NoUdp)?;
    let mut servers =
        (remote.host.as_str(), remote.port).to_socket_addrs().map_err(LookError::Socket)?;
    let server = servers.next().ok_or(LookError::NoUdp)?;
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any).map_err(LookError::Socket)?;
    socket.connect(server).map_err(LookError::Socket)?;
    Ok((socket, server))
}

struct Look {
    session: Session,
    ended: Option<EndReason>,
}

impl Look {
    /// Does what is due, and says goodbye once the server has let us in.
    fn act(&mut self, now: Now) {
        self.session.handle_timeout(now);
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::KeyReady(key) => {
                    let _ = self.session.key_installed(key.key_id, now);
                }
                Event::Established => {
                    let _ = self.session.close(Close::Exit, now);
                }
                Event::Ended(EndReason::Closed(_)) => {}
                Event::Ended(reason) => self.ended = Some(reason),
                _ => {}
            }
        }
    }

    fn nap(&self, now: Now) -> Duration {
        let due = self
            .session
            .poll_timeout()
            .map_or(NAP, |deadline| deadline.at.saturating_sub(now.boot));
        due.clamp(Duration::from_millis(1), NAP)
    }
}

/// Why there was nothing to look at.
#[derive(Debug)]
pub enum LookError {
    /// The profile names no server that is reached over UDP.
    NoUdp,
    /// The profile can't be used.
    Profile(Box<ProfileError>),
    /// The system gave no socket, or knows no such host.
    Socket(io::Error),
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUdp => f.write_str("the profile names no server over UDP that has an address"),
            Self::Profile(error) => error.fmt(f),
            Self::Socket(error) => write!(f, "the server can't be reached: {error}"),
        }
    }
}

impl std::error::Error for LookError {}
