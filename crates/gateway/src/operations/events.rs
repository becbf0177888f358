//! The log as operators read it.

use std::time::Duration;

use admin::request::MOST_EVENTS;
use admin::response::EventPage;
use clock::Timestamp;
use store::EventId;
use tokio::time::timeout;

use crate::context::Context;
use crate::error::GatewayError;
use crate::told::event;
use crate::words::number;

/// The log of these records.
#[derive(Debug)]
pub(super) struct Log<'a> {
    pub(super) at: &'a Context,
}

/// Where somebody begins to read.
#[derive(Clone, Copy, Debug)]
enum Begin {
    /// Behind this event.
    After(u64),
    /// At the first event of this time or later.
    At(Timestamp),
}

impl Log<'_> {
    pub(super) async fn events(
        &self,
        after: Option<u64>,
        since: Option<Timestamp>,
        limit: u32,
        wait_ms: u64,
    ) -> Result<EventPage, GatewayError> {
        let limit = limit.clamp(1, MOST_EVENTS);
        let mut changes = self.at.view.revisions();
        let begin = match (after, since) {
            (Some(after), _) => Begin::After(after),
            (None, Some(since)) => Begin::At(since),
            (None, None) => Begin::After(self.latest().await?.saturating_sub(limit.into())),
        };
        let after = self.after(begin).await?;
        let page = self.page(after, limit).await?;
        if !page.events.is_empty() || wait_ms == 0 {
            return Ok(page);
        }
        let wait = Duration::from_millis(wait_ms).min(LONGEST_WAIT);
        let _ = timeout(wait, changes.wait_for(|at| at.get() > after)).await;
        // What waits for the disk is no news yet, and whoever follows would ask again at once.
        let mut behind = self.at.store.waiting();
        let _ = timeout(LONGEST_PAUSE.min(wait), behind.wait_for(|w| w.changes == 0)).await;
        // What has happened meanwhile may still be before that time.
        self.page(self.after(begin).await?, limit).await
    }

    async fn after(&self, begin: Begin) -> Result<u64, GatewayError> {
        match begin {
            Begin::After(event) => Ok(event),
            Begin::At(time) => Ok(number(self.at.store.event_before(time).await?)),
        }
    }

    async fn latest(&self) -> Result<u64, GatewayError> {
        Ok(number(self.at.store.event_latest().await?))
    }

    async fn page(&self, after: u64, limit: u32) -> Result<EventPage, GatewayError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let events = self.at.store.event_list(EventId::new(after), limit).await?;
        Ok(EventPage { events: events.into_iter().map(event).collect() })
    }
}

const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
