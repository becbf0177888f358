//! Handshakes of the running gateway, told; the log says who had which told.

use admin::request::ExplainTarget;
use admin::response::{Session, Stories as Answer};
use explain::story::{Stories, VERSION};
use serde_json::{Value, json};
use store::{Actor, EventKind};

use crate::context::Context;
use crate::error::GatewayError;
use crate::explained::micros;

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
            ExplainTarget::Reason { code } => match explained.refusal_for(code) {
                None => self.drops(code).await,
                refusal => refusal,
            },
            ExplainTarget::Session { id } => self.sessions(|session| session.id == *id).await,
            ExplainTarget::Device { device } => {
                self.sessions(|session| session.device.as_ref() == Some(device)).await
            }
        };
        let stories = stories.ok_or_else(|| missing(which))?;
        self.note(actor, which).await;
        // A story is texts and numbers in maps with texts as keys, which all have a JSON form.
        Ok(Answer(serde_json::to_value(stories).unwrap_or_default()))
    }

    async fn drops(&self, code: &str) -> Option<Stories> {
        let counted = self.at.doors.counters().await.drops.get(code).copied()?;
        self.at.explained.drops(code, counted, micros(self.at.clock.now()))
    }

    async fn sessions(&self, fits: impl Fn(&Session) -> bool) -> Option<Stories> {
        let mut stories = Vec::new();
        for session in self.at.doors.sessions().await.iter().filter(|session| fits(session)) {
            if let Some(open) = self.at.doors.open_session(session.id).await {
                stories.push(self.at.explained.session(session, open));
            }
        }
        let any = !stories.is_empty();
        any.then_some(Stories { version: VERSION, stories, left_out: Vec::new() })
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

fn missing(which: &ExplainTarget) -> GatewayError {
    match which {
        ExplainTarget::LastRefusal
        | ExplainTarget::Refusal { .. }
        | ExplainTarget::Reason { .. } => GatewayError::NoSuchRefusal,
        ExplainTarget::Session { .. } | ExplainTarget::Device { .. } => GatewayError::NoSuchSession,
    }
}
