//! The running gateway's own duties, on time: own certificates, superseded certificates, clock jumps.
//!
//! Looks once a minute, and when the gateway's own certificates are due. Deadlines are in wall time, so looking also catches up after the clock was
//! set or the machine slept; a jump of more than a minute is an event. What a command changes has
//! its effects with that command and does not wait for this.

use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, AuthorityError};
use clock::{Clock, Now, Timestamp};
use serde_json::json;
use store::{Actor, EventKind, Store};
use tokio::task::AbortHandle;

use crate::crl_projection::CrlProjection;
use crate::current_view::CurrentView;
use crate::doors::Doors;
use crate::free_addresses;
use crate::history::History;
use crate::renewed_here::RenewedHere;
use crate::warnings;

/// The task. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Maintenance(AbortHandle);

/// What is looked after.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    pub(crate) store: Store,
    pub(crate) authority: Arc<Authority>,
    pub(crate) crl: Arc<CrlProjection>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) history: History,
    pub(crate) view: CurrentView,
    pub(crate) doors: Doors,
}

impl Maintenance {
    /// Needs a tokio runtime.
    pub(crate) fn start(at: Looked) -> Self {
        Self(tokio::spawn(keep(at)).abort_handle())
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Looked {
    /// Does what is due at this moment.
    pub(crate) async fn look(&self) -> Result<(), AuthorityError> {
        self.authority.maintain().await?;
        self.crl.look().await;
        let config = Arc::clone(&self.view.policy().config);
        self.history.forget(config.sessions.keep_days).await;
        let now = self.clock.now().into();
        free_addresses::look(&self.store, &self.doors, &config.device, now).await;
        let here = RenewedHere::of(&self.authority, &config.tls).await?;
        let foreign = self.doors.foreign();
        warnings::look(&self.store, &self.authority, &here, &foreign, now).await?;
        Ok(())
    }
}

async fn keep(at: Looked) {
    let mut before = at.clock.now();
    loop {
        let due = at.authority.server_certificates_due();
        let life = at.view.policy().config.ca.gateway_validity.duration();
        tokio::time::sleep(pause(before.into(), due, life)).await;
        let now = at.clock.now();
        if let Some(seconds) = jump(before, now) {
            note_jump(&at.store, seconds).await;
        }
        before = now;
        if let Err(error) = at.look().await {
            tracing::error!(%error, "maintenance failed; it is tried again soon");
        }
    }
}

/// Until the next look. What is overdue could not be done, and is tried again in a minute, or in a tenth of the life of
/// our certificates: there is a third of it left.
fn pause(now: Timestamp, due: Timestamp, life: Duration) -> Duration {
    let next = match due.since(now) {
        Duration::ZERO => life / 10,
        soon => soon,
    };
    next.clamp(Duration::from_secs(1), LOOK)
}

async fn note_jump(store: &Store, seconds: i64) {
    tracing::warn!(seconds, "the wall clock jumped");
    let payload = json!({ "seconds": seconds });
    if let Err(error) = store.event_append(&Actor::Gateway, EventKind::CLOCK_JUMPED, payload).await
    {
        tracing::error!(%error, "the jump could not be recorded");
    }
}

/// By how many seconds the wall clock moved beyond the time that went by, if by more than a minute.
fn jump(before: Now, now: Now) -> Option<i64> {
    let passed = i128::try_from(now.boot.saturating_sub(before.boot).as_millis()).ok()?;
    let wall = |now: Now| i128::try_from(now.wall.as_millis()).unwrap_or(i128::MAX);
    let jumped = (wall(now) - wall(before) - passed) / 1000;
    let jumped = i64::try_from(jumped).ok()?;
    (jumped.unsigned_abs() > LOOK.as_secs()).then_some(jumped)
}

const LOOK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot: u64, wall: u64) -> Now {
        Now { boot: Duration::from_secs(boot), wall: Duration::from_secs(wall) }
    }

    #[test]
    fn the_next_look_is_when_a_certificate_is_due_and_a_minute_away_at_most() {
        let now = Timestamp::from_unix_secs(1_700_000_000);
        let year = Duration::from_secs(365 * 86_400);
        let pauses = |seconds| pause(now, now.after(Duration::from_secs(seconds)), year);
        assert_eq!([5, 90].map(pauses), [Duration::from_secs(5), LOOK]);
        let failed = |life| pause(now, now.before(LOOK), life);
        assert_eq!(failed(year), LOOK, "what failed is not tried all the time");
        assert_eq!(failed(Duration::from_secs(60)), Duration::from_secs(6), "20 seconds are left");
    }

    #[test]
    fn only_the_wall_clock_alone_can_jump() {
        assert_eq!(jump(at(0, 1000), at(500, 1500)), None);
        assert_eq!(jump(at(0, 1000), at(1, 1061)), None);
        assert_eq!(jump(at(0, 1000), at(1, 1101)), Some(100));
        assert_eq!(jump(at(0, 1000), at(1, 500)), Some(-501));
    }
}
