//! The running gateway's own duties, on time: CRL, own certificates, superseded certificates.
//!
//! Looks once a minute. Deadlines are in wall time, so looking also catches up after the clock was
//! set or the machine slept; a jump of more than a minute is an event. What a command changes has
//! its effects with that command and does not wait for the keeper.

use std::sync::{Arc, Weak};
use std::time::Duration;

use clock::{Clock, Now};
use serde_json::json;
use store::{Actor, EventKind};

use crate::gateway::Gateway;

/// Runs until the gateway is gone.
pub(crate) async fn keep(gateway: Weak<Gateway>, clock: Arc<dyn Clock>) {
    let mut before = clock.now();
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(gateway) = gateway.upgrade() else { return };
        let now = clock.now();
        if let Some(seconds) = jump(before, now) {
            note_jump(&gateway, seconds).await;
        }
        before = now;
        if let Err(error) = gateway.authority().maintain().await {
            tracing::error!(%error, "upkeep failed; it is tried again in a minute");
        }
    }
}

async fn note_jump(gateway: &Gateway, seconds: i64) {
    tracing::warn!(seconds, "the wall clock jumped");
    let payload = json!({ "seconds": seconds });
    let noted =
        gateway.store().event_append(&Actor::Gateway, EventKind::CLOCK_JUMPED, payload).await;
    if let Err(error) = noted {
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
    fn only_the_wall_clock_alone_can_jump() {
        assert_eq!(jump(at(0, 1000), at(500, 1500)), None);
        assert_eq!(jump(at(0, 1000), at(1, 1061)), None);
        assert_eq!(jump(at(0, 1000), at(1, 1101)), Some(100));
        assert_eq!(jump(at(0, 1000), at(1, 500)), Some(-501));
    }
}
