//! Who may in, and what they get. The engine asks; whoever composes it knows.
//!
//! A request is a value that is answered at once or later; until then its session waits, and nothing else
//! does. Whatever the answer says, the engine registers the session first and then asks once more whether
//! it still holds, so a late answer lets nobody in whose right is gone.

use std::fmt::{self, Debug};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clock::Revision;
use datapath::PeerCounters;
use tokio::sync::watch;
use tunnel::Hello;
use wire::cipher::Cipher;
use wire::push::PushOption;

use crate::{Begun, Denied, DisconnectReason, Identity, Watcher};

/// What an admitted peer gets.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Whose session it becomes.
    pub identity: Identity,
    /// The peer's addresses inside the tunnel: what it is pushed, and what it may send from.
    pub addresses: Vec<IpAddr>,
    /// Pushed to the peer; the session adds cipher, peer-id and protocol flags by itself.
    pub push: Vec<PushOption>,
}

/// A peer that asks to be let in, or to stay, and the way to answer. Dropping it refuses the peer.
pub struct AdmissionRequest {
    hello: Box<Hello>,
    answer: Box<dyn FnMut(Decision) + Send>,
    is_answered: bool,
}

/// The answer to an [`AdmissionRequest`].
#[derive(Debug)]
pub(crate) enum Decision {
    /// In.
    Admitted(Box<Admitted>),
    /// Out, and why.
    Denied(Denied),
    /// Not known yet. The peer is out if nothing follows in this time.
    Pending { at_most: Duration },
}

impl AdmissionRequest {
    pub(crate) fn new(hello: Box<Hello>, answer: impl FnMut(Decision) + Send + 'static) -> Self {
        Self { hello, answer: Box::new(answer), is_answered: false }
    }

    /// What the peer brings: its certificates, which the TLS verifier has accepted, and what it says.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Lets the peer in, or stay.
    pub fn admit(self, admitted: Admitted) {
        self.decide(Decision::Admitted(Box::new(admitted)));
    }

    /// Keeps the peer out. The reason is counted, logged, and told to the peer.
    pub fn deny(self, why: impl Into<Denied>) {
        self.decide(Decision::Denied(why.into()));
    }

    /// The answer follows within this time. A peer that is not yet in gives up after the hand-window at
    /// the latest.
    pub fn pending(&mut self, at_most: Duration) {
        (self.answer)(Decision::Pending { at_most });
    }

    fn decide(mut self, decision: Decision) {
        self.is_answered = true;
        (self.answer)(decision);
    }
}

impl Drop for AdmissionRequest {
    fn drop(&mut self) {
        if !self.is_answered {
            (self.answer)(Decision::Denied(Denied::Undecided));
        }
    }
}

impl Debug for AdmissionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmissionRequest").field("hello", &self.hello).finish_non_exhaustive()
    }
}

/// Decides about peers.
pub trait Admission: Debug + Send + Sync + 'static {
    /// May this peer in? Asked at the first negotiation and at every renegotiation, on the time of the
    /// session's own task; answered by the request's own calls, now or later.
    fn admit(&self, request: AdmissionRequest);

    /// Does an earlier admission still hold? Answered from memory: the control task waits.
    ///
    /// # Errors
    /// The reason why not.
    fn recheck(&self, identity: &Identity) -> Result<(), Denied>;

    /// The latest revision of what admissions are decided by. Whenever it moves, the engine sweeps its
    /// sessions if the change [`may have ended`](Admission::may_have_ended) an admission.
    fn revisions(&self) -> watch::Receiver<Revision>;

    /// Whether a change behind revision `after` may have ended an admission. Said too often it costs
    /// time, and said too rarely it leaves sessions open.
    fn may_have_ended(&self, after: Revision) -> bool {
        let _ = after;
        true
    }

    /// Told of what happened to sessions, in order. Must not block.
    fn report(&self, report: Report);

    /// Who watches the handshakes of this connection. Nobody, where nothing else is said.
    fn watch(&self, begun: &Begun<'_>) -> Option<Box<dyn Watcher>> {
        let _ = begun;
        None
    }
}

/// A session as listings and logs show it.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Numbered from 1 since the engine started.
    pub number: u64,
    /// Whose it is.
    pub identity: Identity,
    /// It speaks TCP.
    pub tcp: bool,
    /// Where it comes from.
    pub source: SocketAddr,
    /// The address of ours that it speaks to.
    pub local: Option<IpAddr>,
    /// Its addresses inside the tunnel.
    pub addresses: Vec<IpAddr>,
    /// The data channel's cipher.
    pub cipher: Option<Cipher>,
    /// The TLS version of the control channel.
    pub tls: &'static str,
    /// What the peer calls itself (IV_VER, IV_PLAT, IV_GUI_VER).
    pub peer_version: String,
    /// The mark of its profile's settings, where it says so (UV_HANDFAST_PROFILE).
    pub profile: Option<String>,
    /// When it was admitted, since the machine booted.
    pub since: Duration,
    /// How often its keys were renewed.
    pub renegotiations: u64,
    /// When that was last, since the machine booted.
    pub renegotiated_at: Option<Duration>,
    /// What went through it.
    pub counters: PeerCounters,
}

/// What happened to a session.
#[derive(Debug)]
pub enum Report {
    /// Admitted and up: data flows.
    Opened(SessionInfo),
    /// Keys were renewed.
    Renegotiated {
        /// The session's number.
        number: u64,
    },
    /// The peer moved to another address.
    Floated {
        /// The session's number.
        number: u64,
        /// Where it is.
        to: SocketAddr,
    },
    /// It is followed to and fro between two addresses: its packets are copied on their way, or come over
    /// two paths. Said once; its moves are not reported after this.
    Flapping {
        /// The session's number.
        number: u64,
    },
    /// It ended.
    Closed {
        /// The session as it was.
        info: SessionInfo,
        /// Why.
        why: DisconnectReason,
    },
    /// The effects of a revision on sessions are complete: every session that it or an earlier one
    /// ended is closed, and its data worker has confirmed it.
    Swept {
        /// The last revision that was looked at.
        through: Revision,
        /// Whose sessions were closed since the last such report, one for each session.
        closed: Vec<Identity>,
    },
    /// A connection that never became a session.
    Refused {
        /// The connection's number, which its session would have had.
        number: u64,
        /// Where it came from.
        source: SocketAddr,
        /// The address of ours that it spoke to.
        local: Option<IpAddr>,
        /// It spoke TCP.
        tcp: bool,
        /// Whose it was, if it came far enough to say.
        whom: Option<Identity>,
        /// Why.
        why: DisconnectReason,
    },
}
