//! Handshakes of the running gateway, told; the log says who had which told.

use std::cmp::Reverse;

use admin::request::ExplainTarget;
use admin::response::{Session, Stories as Answer};
use explain::story::{LeftOut, Stories, VERSION};
use serde_json::{Value, json};
use store::{Actor, EventKind};

use crate::context::Context;
use crate::error::GatewayError;
use crate::explained::knocks::{ANSWERS_LOST, Counted, NOTHING_ARRIVES};
use crate::explained::{Explained, micros, reason_of};
use crate::operations::common::remotes;

/// What was kept of handshakes.
#[derive(Debug)]
pub(super) struct Handshakes<'a> {
    pub(super) at: &'a Context,
}

impl Handshakes<'_> {
    pub(super) async fn told(
        &self,
        actor: &Actor,
        which: &ExplainTarget,
    ) -> Result<Answer, GatewayError> {
        self.at.running()?;
        let explained = &self.at.explained;
        let stories = match which {
            ExplainTarget::LastRefusal => explained.refusal(None),
            ExplainTarget::Refusal { number } => explained.refusal(Some(*number)),
            ExplainTarget::Reason { code } if is_of_knocks(code) => Some(self.knocks().await),
            ExplainTarget::Reason { code } => match explained.refusal_for(code) {
                None => self.drops(code).await,
                refusal => refusal,
            },
            ExplainTarget::Session { id } => self.sessions(|session| session.id == *id).await,
            ExplainTarget::Device { device } => {
                self.sessions(|session| session.device.as_ref() == Some(device)).await
            }
        };
        let stories = match stories {
            Some(stories) => stories,
            None => return Err(self.missing(which).await),
        };
        self.note(actor, which).await;
        // A story is texts and numbers in maps with texts as keys, which all have a JSON form.
        Ok(Answer(serde_json::to_value(stories).unwrap_or_default()))
    }

    async fn drops(&self, code: &str) -> Option<Stories> {
        let counters = self.at.doors.counters().await;
        let (counted, last) =
            (*counters.drops.get(code)?, counters.drop_sources.get(code).copied());
        self.at.explained.drops(code, counted, last, micros(self.at.clock.now()))
    }

    async fn knocks(&self) -> Stories {
        let counters = self.at.doors.counters().await;
        let policy = self.at.view.policy();
        let counted = Counted {
            knocks: counters.knocks,
            drops: &counters.drops,
            since: self.at.started,
            remotes: &remotes(&policy.config),
            listen: &policy.config.vpn.listen,
        };
        Explained::knocks(&counted, micros(self.at.clock.now()))
    }

    async fn missing(&self, which: &ExplainTarget) -> GatewayError {
        match which {
            ExplainTarget::LastRefusal | ExplainTarget::Refusal { .. } => {
                GatewayError::NoSuchRefusal
            }
            ExplainTarget::Reason { code } => GatewayError::NoStory {
                reason: code.clone(),
                of: reason_of(code),
                told: self.reasons().await,
            },
            ExplainTarget::Session { .. } | ExplainTarget::Device { .. } => {
                GatewayError::NoSuchSession
            }
        }
    }

    /// Every reason of which there is something to tell.
    async fn reasons(&self) -> Vec<String> {
        let dropped = self.at.doors.counters().await.drops;
        let dropped = dropped.into_iter().filter(|(_, count)| *count > 0);
        let mut all = self.at.explained.reasons();
        all.extend(dropped.map(|(code, _)| code.to_owned()));
        all
    }

    async fn sessions(&self, fits: impl Fn(&Session) -> bool) -> Option<Stories> {
        let fitting = self.at.doors.sessions().await.into_iter().filter(|session| fits(session));
        let (sessions, besides) = newest(fitting.collect());
        let mut stories = Vec::new();
        for session in &sessions {
            if let Some(open) = self.at.doors.open_session(session.id).await {
                stories.push(self.at.explained.session(session, open));
            }
        }
        let any = !stories.is_empty();
        any.then_some(Stories {
            version: VERSION,
            stories,
            left_out: besides.into_iter().collect(),
        })
    }

    /// A disk that takes nothing keeps nobody from looking.
    async fn note(&self, actor: &Actor, which: &ExplainTarget) {
        let noted =
            self.at.store.event_append(actor, EventKind::HANDSHAKE_EXPLAINED, details(which)).await;
        if let Err(error) = noted {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the event log does not tell who had a handshake explained");
        }
    }
}

/// Whether it is told by the count of first packets.
fn is_of_knocks(code: &str) -> bool {
    [NOTHING_ARRIVES, ANSWERS_LOST].contains(&code)
}

/// The newest of them, and how many there are besides: one device may have thousands of connections to virtual servers.
fn newest(mut sessions: Vec<Session>) -> (Vec<Session>, Option<LeftOut>) {
    sessions.sort_by_key(|session| Reverse((session.since, session.id)));
    let besides = sessions.len().saturating_sub(MOST_TOLD);
    sessions.truncate(MOST_TOLD);
    let reason = "older connections of the same device; each is told by its number".to_owned();
    (sessions, (besides > 0).then_some(LeftOut { reason, count: besides as u64 }))
}

fn details(which: &ExplainTarget) -> Value {
    match which {
        ExplainTarget::LastRefusal => json!({ "subject": "last refusal" }),
        ExplainTarget::Refusal { number } => json!({ "subject": format!("refusal {number}") }),
        ExplainTarget::Reason { code } => json!({ "subject": code }),
        ExplainTarget::Session { id } => json!({ "subject": format!("session {id}") }),
        ExplainTarget::Device { device } => {
            json!({ "user": device.user, "device": device.device })
        }
    }
}

/// Sessions that are told at once.
const MOST_TOLD: usize = 20;

#[cfg(test)]
mod tests {
    use admin::transport::Transport;
    use clock::Timestamp;

    use super::*;

    #[test]
    fn of_a_device_with_very_many_connections_the_newest_are_told_and_the_others_are_counted() {
        let (told, besides) = newest((0..5_000).map(session).collect());
        let numbers: Vec<_> = told.iter().map(|session| session.id).collect();
        assert_eq!(numbers, (4_980..5_000).rev().collect::<Vec<_>>());
        assert_eq!(besides.map(|besides| besides.count), Some(4_980));
        assert!(newest((0..20).map(session).collect()).1.is_none());
    }

    fn session(id: u64) -> Session {
        Session {
            id,
            device: None,
            transport: Transport::Tcp,
            source: "192.0.2.9:4000".parse().expect("an address"),
            local: None,
            addresses: Vec::new(),
            cipher: String::new(),
            tls: String::new(),
            group: String::new(),
            keys_since: None,
            client: String::new(),
            serial: None,
            since: Timestamp::from_unix_secs(id),
            renegotiated_at: None,
            bytes_in: 0,
            bytes_out: 0,
        }
    }
}
