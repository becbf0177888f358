//! What the door asks of the records, answered from the current view; and what its reports lead to.
//!
//! What a report leads to in the store is done by a task of its own, so that no connection waits for a disk.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use admin::names::DeviceName;
use admin::response::RefusalEntry;
use clock::{Clock, Now, Revision};
use explain::kept::{Kept, Lack, Verdict};
use explain::story::Protocol;
use front::{Directory, Ended, Holder, Info, Refused, Report, Wanted};
use pki::{CertificateId, Fingerprint, Refusal};
use serde_json::json;
use store::Store;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config::Keep;
use crate::context::Context;
use crate::current_view::CurrentView;
use crate::explained::front_reasons::{end_verdict, verdict};
use crate::explained::{self, Explained, revocation_in};
use crate::history::History;
use crate::hooks::Hooks;
use crate::metrics::Metrics;
use crate::projections::{Name, Projection, Projections};

/// What the door knows of the records, and where it leaves what happened.
#[derive(Debug)]
pub(super) struct Records {
    view: CurrentView,
    store: Store,
    metrics: Arc<Metrics>,
    history: History,
    hooks: Hooks,
    explained: Explained,
    projections: Projections,
    /// From the moment at which the door is open.
    connections: OnceLock<Projection>,
    clock: Arc<dyn Clock>,
    /// For what reports lead to: they come on the door's own threads.
    runtime: Handle,
}

impl Records {
    /// Of these handles. Needs a tokio runtime.
    pub(super) fn of(at: &Context) -> Self {
        Self {
            view: at.view.clone(),
            store: at.store.clone(),
            metrics: Arc::clone(&at.metrics),
            history: at.history.clone(),
            hooks: at.hooks.clone(),
            explained: at.explained.clone(),
            projections: at.projections.clone(),
            connections: OnceLock::new(),
            clock: Arc::clone(&at.clock),
            runtime: Handle::current(),
        }
    }

    /// From here on changes wait until the door has closed what they end.
    pub(super) fn register(&self) {
        self.connections.get_or_init(|| self.projections.register(NAME));
    }

    /// A device connected with this certificate: a superseded one before it is revoked. Only the first time changes
    /// anything.
    fn opened(&self, info: &Info) {
        self.history.arrived(info);
        let Some((_, id)) = info.client else { return };
        if self.view.snapshot().certificate(&id).is_none_or(|entry| entry.connected) {
            return;
        }
        let store = self.store.clone();
        self.runtime.spawn(async move {
            if let Err(error) = store.certificate_mark_connected(&id).await {
                tracing::error!(%error, "the connection was not recorded");
            }
        });
    }

    /// The device was there until now. Gives the number to ask by, unless both sides were done: of those ends the last one is
    /// told.
    fn closed(&self, info: &Info, why: &Ended) -> Option<u64> {
        self.history.gone(info, why);
        let whom = info.client.as_ref().map(|(holder, _)| holder);
        let since = explained::micros_at(self.clock.now(), info.since);
        let over = Over {
            let_in: Some((info.number, since)),
            source: info.source,
            local: Some(info.local),
            whom,
        };
        match why {
            Ended::Withdrawn(refusal) => {
                Some(self.refused(&over, &refusal.clone().into(), Err(Lack::OnlyFailures)))
            }
            Ended::Finished
            | Ended::Broken
            | Ended::Idle
            | Ended::TooOld
            | Ended::OwnWithdrawn(_)
            | Ended::Kicked => {
                let told = over.told(end_verdict(why), Err(Lack::OnlyFailures), self.clock.now());
                let is_goodbye = matches!(why, Ended::Finished);
                let number = self.explained.ended(told, is_goodbye);
                (!is_goodbye).then_some(number)
            }
        }
    }

    /// Gives the number to ask by.
    fn refused(&self, over: &Over<'_>, why: &Refused, kept: Result<Arc<Kept>, Lack>) -> u64 {
        let mut told = over.told(verdict(why), kept, self.clock.now());
        if let Refused::Certificate(refusal) = why {
            told.revocation = revocation_in(refusal);
        }
        let mut refusal = told.entry.clone();
        let number = self.explained.refused(told);
        refusal.number = number;
        // Strangers could have programs started as fast as they connect.
        if refusal.device.is_some() {
            let what = "connection_refused";
            self.hooks.tell(what, || json!({ "at": refusal.at, "what": what, "refusal": refusal }));
        }
        self.metrics.refused(refusal);
        number
    }
}

impl Directory for Records {
    fn holder(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Result<Holder, Refusal> {
        self.view.holder(id, fingerprint).map(holder)
    }

    fn named(&self, id: &CertificateId, fingerprint: &Fingerprint) -> Option<Holder> {
        self.view.device_of(id, fingerprint).map(holder)
    }

    fn recheck(&self, id: &CertificateId) -> Result<(), Refusal> {
        self.view.recheck(id)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.view.revisions()
    }

    fn may_have_ended(&self, after: Revision) -> bool {
        self.view.snapshot().withdrawn().revision() > after
    }

    fn swept(&self, through: Revision, closed: Vec<CertificateId>) {
        if let Some(connections) = self.connections.get() {
            connections.passed(through, closed);
        }
    }

    fn report(&self, report: &Report) -> Option<u64> {
        match report {
            Report::Opened(info, heard) => {
                if let Some(heard) = heard {
                    self.explained.let_in_by_tls(info.number, heard);
                }
                self.opened(info);
                None
            }
            Report::Closed(info, why) => self.closed(info, why),
            Report::Refused { source, local, whom, why, heard } => {
                let kept = self.explained.refused_by_tls(heard.as_deref(), self.clock.now());
                let whom = whom.as_ref();
                let over = Over { let_in: None, source: *source, local: *local, whom };
                Some(self.refused(&over, why, kept))
            }
        }
    }

    fn handshakes_wanted(&self) -> Wanted {
        match self.explained.keep() {
            Keep::Off => Wanted::Nothing,
            Keep::Failures => Wanted::Refused,
            Keep::All => Wanted::All,
        }
    }
}

/// A connection that is over.
struct Over<'a> {
    /// Its number, and when it was let in, in microseconds since 1970, where it was.
    let_in: Option<(u64, u64)>,
    source: SocketAddr,
    local: Option<SocketAddr>,
    whom: Option<&'a Holder>,
}

impl Over<'_> {
    /// As whoever asks later is told.
    fn told(
        &self,
        verdict: Verdict,
        kept: Result<Arc<Kept>, Lack>,
        now: Now,
    ) -> explained::Refusal {
        explained::Refusal {
            connection: self.let_in.map(|(number, _)| number),
            protocol: Protocol::Tls,
            kept,
            transport: "tcp",
            server: self.local.map(|local| local.to_string()),
            at: explained::micros(now),
            since: self.let_in.map(|(_, since)| since),
            renewed: None,
            revocation: None,
            entry: RefusalEntry {
                number: 0,
                at: now.into(),
                source: self.source,
                device: self.whom.map(device_name),
                reason: verdict.code.clone(),
                sentence: verdict.sentence.clone(),
            },
            verdict,
        }
    }
}

/// A device as administration names it.
pub(super) fn device_name(holder: &Holder) -> DeviceName {
    DeviceName { user: holder.user.clone(), device: holder.device.clone() }
}

fn holder(name: DeviceName) -> Holder {
    Holder { user: name.user, device: name.device }
}

const NAME: Name = Name {
    code: "tls_connections",
    of: "connections to virtual servers",
    lack: "did not close",
    follows_the_crl: false,
};
