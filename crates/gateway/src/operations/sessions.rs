//! Sessions: listed, and closed by hand.

use admin::request::KickTarget;
use admin::response::{Kicked, Session};
use store::{Actor, EventKind};

use super::changes::held;
use crate::context::Context;
use crate::error::GatewayError;

/// The sessions of all open doors.
#[derive(Debug)]
pub(super) struct Sessions<'a> {
    pub(super) at: &'a Context,
}

impl Sessions<'_> {
    pub(super) async fn list(&self) -> Result<Vec<Session>, GatewayError> {
        Ok(self.at.running()?.sessions().await)
    }

    pub(super) async fn kick(
        &self,
        actor: &Actor,
        target: &KickTarget,
    ) -> Result<Kicked, GatewayError> {
        let sessions = self.at.running()?.kick(target).await;
        if sessions.is_empty() {
            return Err(GatewayError::NoSuchSession);
        }
        let mut why = None;
        for device in &sessions {
            let details = serde_json::json!({ "user": device.user, "device": device.device });
            let noted = self.at.store.event_append(actor, EventKind::SESSION_KICKED, details).await;
            match noted {
                Ok(committed) => why = held(self.at, &committed).or(why),
                Err(error) => {
                    // They are closed whatever the disk says.
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(
                        error,
                        "a session was closed that the event log does not tell of"
                    );
                }
            }
        }
        Ok(Kicked { sessions, held: why })
    }
}
