//! What the door asks of the records, answered from the current view; and what its reports lead to.
//!
//! What a report leads to in the store is done by a task of its own, so that the engine never waits for
//! a disk.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use admin::names::DeviceName;
use admin::response::{PastSession, RefusalEntry};
use admin::transport::Transport;
use clock::Clock;
use engine::{
    Begun, Credential, DisconnectReason, Identity, Principal, Report, Revision, SessionInfo,
    Watcher,
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
use crate::explained::{self, Explained};
use crate::history::{History, wall_time};
use crate::hooks::Hooks;
use crate::metrics::Metrics;
use crate::projections::{Name, Projection};
use crate::replacements::Replacements;

/// Where a connection that is no session came from, and where to.
struct Connection {
    number: u64,
    source: SocketAddr,
    local: Option<IpAddr>,
    tcp: bool,
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

    fn report(&self, report: Report) {
        match report {
            Report::Opened(info) => {
                self.history.opened(&info);
                self.hooks.tell("session_opened", || self.told("session_opened", &info, None));
                match info.identity.credential {
                    Credential::Certificate(id) => self.opened(id),
                }
            }
            Report::Closed { info, why } => {
                self.history.closed(&info, why.code());
                let why_code = Some(why.code());
                self.hooks.tell("session_closed", || self.told("session_closed", &info, why_code));
                self.ended(&info, &why);
            }
            Report::Refused { number, source, local, tcp, whom, why } => {
                let connection = Connection { number, source, local, tcp };
                self.refused(&connection, whom.as_ref(), &why);
            }
            Report::Swept { through, closed } => {
                let certificates = closed.iter().map(|identity| match identity.credential {
                    Credential::Certificate(id) => id,
                });
                self.sessions.passed(through, certificates);
            }
            Report::Renegotiated { .. } | Report::Floated { .. } | Report::Flapping { .. } => {}
        }
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
            runtime: Handle::current(),
        }
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

    fn ended(&self, info: &SessionInfo, why: &DisconnectReason) {
        let is_withdrawn = matches!(why, DisconnectReason::Withdrawn(_));
        self.explained.closed(info.number, is_withdrawn);
        match why {
            DisconnectReason::Withdrawn(_) => {
                let SessionInfo { number, source, local, tcp, .. } = *info;
                let connection = Connection { number, source, local, tcp };
                self.refused(&connection, Some(&info.identity), why);
            }
            DisconnectReason::Replaced => {
                let device = device_name(&info.identity.principal);
                let now = self.clock.now().into();
                self.replacements.note(&device, info.source.ip(), now);
            }
            _ => {}
        }
    }

    fn refused(&self, connection: &Connection, whom: Option<&Identity>, why: &DisconnectReason) {
        let device = whom.map(|identity| device_name(&identity.principal));
        let now = self.clock.now();
        let mut refusal = RefusalEntry {
            number: 0,
            at: now.into(),
            source: connection.source,
            device,
            reason: why.code().to_owned(),
            sentence: why.to_string(),
        };
        refusal.number = self.explained.refused(explained::Refusal {
            connection: Some(connection.number),
            protocol: Protocol::OpenVpn,
            kept: Err(Lack::NotThere),
            transport: if connection.tcp { "tcp" } else { "udp" },
            server: connection.local.map(|local| local.to_string()),
            at: explained::micros(now),
            entry: refusal.clone(),
            verdict: verdict(why),
        });
        let what = "connection_refused";
        self.hooks.tell(what, || json!({ "at": refusal.at, "what": what, "refusal": refusal }));
        self.metrics.refused(refusal);
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
