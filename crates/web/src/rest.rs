//! A request's body that nobody has taken yet, and what is done with one that nobody wants.
//!
//! A client that is answered before it has said all may take the end of its stream, or of the connection, for the end of
//! everything, and throw the answer away. So what it still says is heard for a while.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming, SizeHint};
use tokio::time::timeout;

use crate::tasks::Tasks;

/// A body, until somebody takes it.
#[derive(Debug)]
pub(crate) struct Rest(Option<Incoming>);

impl Rest {
    pub(crate) fn of(body: Incoming) -> Self {
        Self(Some(body))
    }

    /// For whoever wants it. There is only one.
    pub(crate) fn take(&mut self) -> Option<Incoming> {
        self.0.take()
    }

    /// How long it is, as far as its head says.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), Incoming::size_hint)
    }

    /// Hears it for a while, if nobody took it, and keeps nothing.
    pub(crate) fn throw_away(self, tasks: &Tasks) {
        let Some(mut body) = self.0.filter(|body| !body.is_end_stream()) else { return };
        tasks.spawn(async move {
            let all = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = timeout(LINGER, all).await;
        });
    }
}

/// For an answer to get through while the client goes on.
const LINGER: Duration = Duration::from_secs(3);
