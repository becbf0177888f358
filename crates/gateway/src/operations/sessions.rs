//! Sessions: listed, and closed by hand.

use std::collections::HashMap;

use admin::names::DeviceName;
use admin::request::{HistoryQuery, KickTarget};
use admin::response::{Kicked, PastSession, Session};
use admin::transport::Transport;
use clock::Timestamp;
use serde_json::{Value, json};
use store::{Actor, EventKind, SessionNote, SessionQuery, SessionRecord};

use super::changes::held;
use crate::context::Context;
use crate::error::GatewayError;
use crate::history::GATEWAY_ENDED;

/// The sessions of all open doors.
#[derive(Debug)]
pub(super) struct Sessions<'a> {
    pub(super) at: &'a Context,
}

impl Sessions<'_> {
    pub(super) async fn list(&self) -> Result<Vec<Session>, GatewayError> {
        Ok(self.at.running()?.sessions().await)
    }

    /// Those on record, the newest first.
    pub(super) async fn history(
        &self,
        asked: &HistoryQuery,
    ) -> Result<Vec<PastSession>, GatewayError> {
        let at = asked.address.and_then(|(_, at)| at);
        if asked.since.max(at).is_some_and(|time| time > self.at.now()) {
            // Open sessions are always of late, and of no time to come.
            return Ok(Vec::new());
        }
        let device = asked.device.as_ref();
        let query = SessionQuery {
            user: device.map(|device| &device.user).or(asked.user.as_ref()).cloned(),
            device: device.map(|device| device.device.clone()),
            since: asked.since.unwrap_or_default(),
            address: asked.address,
            limit: asked.limit.clamp(1, MOST),
        };
        // Of open sessions minutes may have passed since they were noted, and who asks wants what is true by now.
        let open = match self.at.running() {
            Ok(doors) => Some(self.at.history.open(doors).await),
            Err(_) => None,
        };
        self.at.history.write().await;
        let records = self.at.store.session_list(query).await?;
        Ok(records.into_iter().map(|record| past(record, open.as_ref())).collect())
    }

    pub(super) async fn kick(
        &self,
        actor: &Actor,
        target: &KickTarget,
    ) -> Result<Kicked, GatewayError> {
        let closed = self.at.running()?.kick(target).await;
        if closed.is_empty() {
            return Err(GatewayError::NoSuchSession);
        }
        let sessions: Vec<_> = closed.iter().flatten().cloned().collect();
        let without_certificate = u32::try_from(closed.len() - sessions.len()).unwrap_or(u32::MAX);
        let mut why = None;
        for device in &sessions {
            let details = json!({ "user": device.user, "device": device.device });
            why = self.note(actor, details).await.or(why);
        }
        if without_certificate > 0 {
            let details = json!({ "subject": target.to_string(), "without_certificate": without_certificate });
            why = self.note(actor, details).await.or(why);
        }
        Ok(Kicked { sessions, without_certificate, held: why })
    }

    /// Why the disk does not have it yet, where it does not. They are closed whatever it says.
    async fn note(&self, actor: &Actor, details: Value) -> Option<String> {
        let noted = self.at.store.event_append(actor, EventKind::SESSION_KICKED, details).await;
        match noted {
            Ok(committed) => held(self.at, &committed),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "a session was closed that the event log does not tell of");
                None
            }
        }
    }
}

/// What is open on record where no gateway runs ended with it; of what is open indeed, the present is told.
fn past(record: SessionRecord, open: Option<&Open>) -> PastSession {
    let ended_with_it = open.is_none().then(|| GATEWAY_ENDED.to_owned());
    let present = open.and_then(|open| open.get(&(record.opened, record.number)));
    let record = match present.filter(|_| record.ended.is_none()) {
        Some(SessionNote { source, seen, bytes_in, bytes_out, .. }) => SessionRecord {
            source: *source,
            seen: *seen,
            bytes_in: *bytes_in,
            bytes_out: *bytes_out,
            ..record
        },
        None => record,
    };
    PastSession {
        id: record.number,
        device: DeviceName { user: record.user, device: record.device },
        transport: if record.tcp { Transport::Tcp } else { Transport::Udp },
        source: record.source,
        addresses: record.addresses,
        client: record.client,
        opened_at: record.opened,
        seen_at: record.seen,
        bytes_in: record.bytes_in,
        bytes_out: record.bytes_out,
        ended: record.ended.or(ended_with_it),
    }
}

/// What is open at the moment, by when it opened and its number.
type Open = HashMap<(Timestamp, u64), SessionNote>;

const MOST: u32 = 10_000;
