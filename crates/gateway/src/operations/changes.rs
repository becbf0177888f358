//! After a commit: the effects on this machine, awaited, and the answer that names what is missing.

use std::time::Duration;

use admin::response::Changed;
use admin::timestamp::Timestamp;
use store::{CertificateId, Event, EventId, Revocation};

use crate::effects::Mark;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::live::revision;

/// What is known before a change: the certificates it concerns, and which sessions were closed.
#[derive(Debug)]
pub(super) struct Before {
    touched: Vec<CertificateId>,
    mark: Mark,
}

impl Gateway {
    /// Before a change to these certificates' standing.
    pub(super) fn before_change(&self, touched: Vec<CertificateId>) -> Before {
        Before { touched, mark: self.effects().mark() }
    }

    /// Brings about the effects of what was committed; `told` is the event that the answer names.
    pub(super) async fn after_change(
        &self,
        before: Before,
        told: &Event,
        revoked: &[Revocation],
    ) -> Result<Changed, GatewayError> {
        let mut changed = Changed {
            event: Some(number(told.id)),
            at: Some(milliseconds(told.at_ms)),
            revoked: revoked.iter().map(|r| r.id.to_string()).collect(),
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
        let ours = |id: &&CertificateId| before.touched.contains(*id);
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
}

/// An event's id as a number.
pub(super) fn number(event: EventId) -> u64 {
    event.get()
}

/// An event's time.
pub(super) fn milliseconds(at: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(at).unwrap_or(i64::MAX))
}

/// How long a command waits for effects before it says that they are missing.
const PATIENCE: Duration = Duration::from_secs(5);
