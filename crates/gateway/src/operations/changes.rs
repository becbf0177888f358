//! After a commit: the effects on this machine, awaited, and the answer that names what is missing.

use std::time::Duration;

use admin::response::Changed;
use admin::timestamp::Timestamp;
use store::{Event, EventId, Revocation, Serial, UserName};

use crate::effects::Mark;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::live::revision;

/// What is known before a change: the certificates it concerns, and which sessions were closed.
#[derive(Debug)]
pub(super) struct Before {
    touched: Vec<Serial>,
    mark: Mark,
}

impl Gateway {
    /// Before a change to these certificates' standing.
    pub(super) fn before_change(&self, touched: Vec<Serial>) -> Before {
        Before { touched, mark: self.effects().mark() }
    }

    /// Brings about the effects of `event`.
    pub(super) async fn after_change(
        &self,
        before: Before,
        event: Option<Event>,
        revoked: &[Revocation],
    ) -> Result<Changed, GatewayError> {
        let mut changed = Changed {
            event: event.as_ref().map(|e| number(e.id)),
            at: event.as_ref().map(|e| milliseconds(e.at_ms)),
            revoked: revoked.iter().map(|r| r.serial.to_string()).collect(),
            ..Changed::default()
        };
        // Sessions close while the CRL is signed: neither waits for the other.
        let through = revision(self.store().snapshot().through());
        let sweep = self.effects().wait(through, before.mark, PATIENCE);
        let crl = async {
            match revoked {
                [] => None,
                _ => Some(self.authority().crl_catch_up().await),
            }
        };
        let (swept, crl) = tokio::join!(sweep, crl);
        let ours = |serial: &&pki::Serial| before.touched.contains(*serial);
        changed.sessions_closed =
            u32::try_from(swept.closed.iter().filter(ours).count()).unwrap_or(u32::MAX);
        for name in swept.missing {
            let seconds = PATIENCE.as_secs();
            changed.pending.push(format!("{name} did not close within {seconds} s"));
        }
        match crl {
            None => {}
            Some(Ok(number)) => changed.crl_number = Some(number),
            Some(Err(error)) => {
                changed.pending.push(format!("the CRL could not be signed: {error}"));
            }
        }
        Ok(changed)
    }

    /// The newest event of a kind about a user, just committed.
    pub(super) async fn last_event_of(
        &self,
        kind: &str,
        user: &UserName,
    ) -> Result<Option<Event>, GatewayError> {
        let through = number(self.store().snapshot().through());
        let after = EventId::new(through.saturating_sub(LOOK_BACK));
        let events = self.store().event_list(after, LOOK_BACK as usize).await?;
        Ok(events
            .into_iter()
            .rev()
            .find(|event| event.kind.as_str() == kind && event.payload["user"] == user.as_str()))
    }

    /// The event of the first of these revocations.
    pub(super) async fn event_of(
        &self,
        revoked: &[Revocation],
    ) -> Result<Option<Event>, GatewayError> {
        let Some(first) = revoked.iter().map(|r| r.event).min() else { return Ok(None) };
        let before = EventId::new(number(first).saturating_sub(1));
        Ok(self.store().event_list(before, 1).await?.into_iter().next())
    }
}

/// An event's id as a number.
pub(super) fn number(event: EventId) -> u64 {
    u64::try_from(event.get()).unwrap_or(0)
}

/// An event's time.
pub(super) fn milliseconds(at: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(at).unwrap_or(i64::MAX))
}

/// How long a command waits for effects before it says that they are missing.
const PATIENCE: Duration = Duration::from_secs(5);
/// A change and what other tasks may have committed behind it.
const LOOK_BACK: u64 = 256;
