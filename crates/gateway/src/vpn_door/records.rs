//! What the door asks of the records, answered from the current view; and what its reports lead to.
//!
//! What a report leads to in the store is done by a task of its own, so that the engine never waits for
//! a disk.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use admin::names::DeviceName;
use admin::response::{PastSession, RefusalEntry};
use admin::transport::Transport;
use clock::{Clock, Now};
use engine::{
    Begun, Credential, DisconnectReason, Identity, Principal, Report, Revision, SessionInfo,
    StreamEnd, Watcher,
};
use explain::kept::Lack;
use explain::story::Protocol;
use pki::{CertificateId, Fingerprint, Refusal};
use serde_json::{Value, json};
use store::Store;
use tokio::runtime::Handle;
use tokio::sync::watch;
use vpn::{Directory, Member, PushPolicy};

use super::handle::device_name;
use crate::context::Context;
use crate::current_view::CurrentView;
use crate::explained::reasons::verdict;
use crate::explained::{self, Explained, revocation_in};
use crate::history::{History, wall_time};
use crate::hooks::Hooks;
use crate::metrics::Metrics;
use crate::projections::{Name, Projection};
use crate::replacements::Replacements;

/// Where a connection came from, and where to.
struct Connection {
    number: u64,
    source: SocketAddr,
    local: Option<IpAddr>,
    /// Ours; 0 while it is not known.
    port: u16,
    tcp: bool,
    /// When it was let in, in microseconds since 1970, where it was.
    since: Option<u64>,
    /// When its keys were renewed last, in the same, where they were.
    renewed: Option<u64>,
}

impl Connection {
    /// The address of ours, with the door's port as it is told of sessions, once the door is open.
    fn server(&self, local: IpAddr) -> String {
        match self.port {
            0 => local.to_string(),
            port => SocketAddr::new(local, port).to_string(),
        }
    }

    /// It is over, as whoever asks later is told.
    fn over(
        &self,
        whom: Option<&Identity>,
        why: &DisconnectReason,
        now: Now,
    ) -> explained::Refusal {
        explained::Refusal {
            connection: Some(self.number),
            protocol: Protocol::OpenVpn,
            kept: Err(if self.since.is_some() { Lack::OnlyFailures } else { Lack::NotThere }),
            transport: if self.tcp { "tcp" } else { "udp" },
            server: self.local.map(|local| self.server(local)),
            at: explained::micros(now),
            since: self.since,
            renewed: self.renewed,
            revocation: why.refusal().as_ref().and_then(revocation_in),
            entry: RefusalEntry {
                number: 0,
                at: now.into(),
                source: self.source,
                device: whom.map(|identity| device_name(&identity.principal)),
                reason: why.code().to_owned(),
                sentence: why.to_string(),
            },
            verdict: verdict(why),
        }
    }
}

/// Whether somebody left who was done, or all had to.
fn is_plain(why: &DisconnectReason) -> bool {
    let is_closed = matches!(
        why,
        DisconnectReason::Connection(StreamEnd::PeerClosed) | DisconnectReason::Shutdown
    );
    is_closed || why.is_goodbye()
}

/// What the door knows of the records, and where it leaves what happened.
#[derive(Debug)]
pub(super) struct Records {
    view: CurrentView,
    store: Store,
    metrics: Arc<Metrics>,
    replacements: Arc<Replacements>,
    history: History,
    hooks: Hooks,
    explained: Explained,
    sessions: Projection,
    clock: Arc<dyn Clock>,
    /// The first port for UDP, and the first for TCP, from the moment at which the door is open.
    ports: OnceLock<[u16; 2]>,
    /// For what reports lead to: they come on the engine's own threads.
    runtime: Handle,
}

impl Directory for Records {
    fn member(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Result<Member, Refusal> {
        self.view.admit(id, fingerprint)
    }

    fn holder(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Option<Principal> {
        let DeviceName { user, device } = self.view.device_of(id, fingerprint)?;
        Some(Principal { user, device })
    }

    fn recheck(&self, id: &CertificateId) -> Result<(), Refusal> {
        self.view.recheck(id)
    }

    fn push(&self) -> Arc<PushPolicy> {
        Arc::clone(&self.view.policy().push)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.view.revisions()
    }

    fn may_have_ended(&self, after: Revision) -> bool {
        self.view.snapshot().withdrawn().revision() > after
    }

    fn watch(&self, begun: &Begun<'_>) -> Option<Box<dyn Watcher>> {
        self.explained.watch(begun)
    }

    fn report(&self, report: &Report) -> Option<u64> {
        match report {
            Report::Opened(info) => {
                self.history.opened(info);
                self.hooks.tell("session_opened", || self.told("session_opened", info, None));
                match info.identity.credential {
                    Credential::Certificate(id) => self.opened(id),
                }
            }
            Report::Closed { info, why } => {
                self.history.closed(info, why.code());
                let why_code = Some(why.code());
                self.hooks.tell("session_closed", || self.told("session_closed", info, why_code));
                return self.ended(info, why);
            }
            Report::Refused { number, source, local, tcp, whom, why } => {
                let (number, source, local, tcp) = (*number, *source, *local, *tcp);
                if !why.is_goodbye() {
                    let (port, since, renewed) = (self.port(tcp), None, None);
                    let connection =
                        Connection { number, source, local, port, tcp, since, renewed };
                    return Some(self.refused(&connection, whom.as_ref(), why));
                }
                self.explained.closed(number);
            }
            Report::Swept { through, closed } => {
                let certificates = closed.iter().map(|identity| match identity.credential {
                    Credential::Certificate(id) => id,
                });
                self.sessions.passed(*through, certificates);
            }
            Report::Renegotiated { .. } | Report::Floated { .. } | Report::Flapping { .. } => {}
        }
        None
    }
}

impl Records {
    /// Of these handles. Needs a tokio runtime.
    pub(super) fn of(at: &Context) -> Self {
        Self {
            view: at.view.clone(),
            store: at.store.clone(),
            metrics: Arc::clone(&at.metrics),
            replacements: Arc::clone(&at.replacements),
            history: at.history.clone(),
            hooks: at.hooks.clone(),
            explained: at.explained.clone(),
            sessions: at.projections.register(NAME),
            clock: Arc::clone(&at.clock),
            ports: OnceLock::new(),
            runtime: Handle::current(),
        }
    }

    /// The door is open at these.
    pub(super) fn listens_at(&self, ports: [u16; 2]) {
        self.ports.get_or_init(|| ports);
    }

    fn port(&self, tcp: bool) -> u16 {
        let [of_udp, of_tcp] = self.ports.get().copied().unwrap_or_default();
        if tcp { of_tcp } else { of_udp }
    }

    /// A session of this certificate came up: a superseded one before it is revoked. Only the first
    /// session changes anything.
    fn opened(&self, id: CertificateId) {
        if self.view.snapshot().certificate(&id).is_some_and(|entry| entry.connected) {
            return;
        }
        let store = self.store.clone();
        self.runtime.spawn(async move {
            if let Err(error) = store.certificate_mark_connected(&id).await {
                tracing::error!(%error, "the connection was not recorded");
            }
        });
    }

    /// Gives the number to ask by, unless it was a plain goodbye.
    fn ended(&self, info: &SessionInfo, why: &DisconnectReason) -> Option<u64> {
        let now = self.clock.now();
        let SessionInfo { number, source, local, tcp, .. } = *info;
        let since = Some(explained::micros_at(now, info.since));
        let renewed = info.renegotiated_at.map(|at| explained::micros_at(now, at));
        let port = self.port(tcp);
        let connection = Connection { number, source, local, port, tcp, since, renewed };
        if let DisconnectReason::Withdrawn(_) = why {
            return Some(self.refused(&connection, Some(&info.identity), why));
        }
        let over = connection.over(Some(&info.identity), why, now);
        let number = self.explained.ended(over, is_plain(why));
        if let DisconnectReason::Replaced = why {
            let device = device_name(&info.identity.principal);
            self.replacements.note(&device, info.source.ip(), now.into());
        }
        (!is_plain(why)).then_some(number)
    }

    /// Gives the number to ask by.
    fn refused(
        &self,
        connection: &Connection,
        whom: Option<&Identity>,
        why: &DisconnectReason,
    ) -> u64 {
        let told = connection.over(whom, why, self.clock.now());
        let mut refusal = told.entry.clone();
        let number = self.explained.refused(told);
        refusal.number = number;
        let what = "connection_refused";
        self.hooks.tell(what, || json!({ "at": refusal.at, "what": what, "refusal": refusal }));
        self.metrics.refused(refusal);
        number
    }

    /// What a hook is told of a session.
    fn told(&self, what: &str, info: &SessionInfo, ended: Option<&str>) -> Value {
        let now = self.clock.now();
        let session = PastSession {
            id: info.number,
            device: device_name(&info.identity.principal),
            transport: if info.tcp { Transport::Tcp } else { Transport::Udp },
            source: info.source,
            addresses: info.addresses.clone(),
            client: info.peer_version.clone(),
            opened_at: wall_time(now, info.since),
            seen_at: now.into(),
            bytes_in: info.counters.rx_bytes,
            bytes_out: info.counters.tx_bytes,
            ended: ended.map(str::to_owned),
        };
        json!({ "at": session.seen_at, "what": what, "session": session })
    }
}

const NAME: Name = Name {
    code: "vpn_sessions",
    of: "the VPN's sessions",
    lack: "did not close",
    follows_the_crl: false,
};
