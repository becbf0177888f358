//! An answer of a backend that has begun, and what it holds until it has ended.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use sources::Source;

use super::pool::{Line, Pool};
use crate::body::{AnswerBody, Body, Course};
use crate::refusal::Refusal;
use crate::seats::{Seat, Seats};

/// What an answer under way holds: its place among the requests, and the connection it comes over.
pub(super) struct Lease {
    pub(super) line: Line,
    pub(super) pool: Arc<Pool>,
    /// Backends may answer before they have heard all.
    pub(super) course: Arc<Course>,
    /// Whether somebody signed in who is meant by the connection itself.
    pub(super) private: bool,
    pub(super) client: Source,
    pub(super) lasting: Arc<Seats>,
    pub(super) _seat: Seat,
}

/// An answer that has begun.
pub(crate) struct Begun {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    pub(super) silence: Duration,
}

impl Begun {
    pub(crate) fn head(&self) -> &Response<Incoming> {
        &self.response
    }

    /// The same among what lasts, with a place there in the place of a request's.
    pub(crate) async fn lasting(self) -> Result<Self, Refusal> {
        let Self { response, lease, silence } = self;
        let seat = lease.lasting.take(lease.client, Duration::ZERO).await;
        let seat = seat.ok_or(Refusal::BackendBusy)?;
        Ok(Self { response, lease: Lease { _seat: seat, ..lease }, silence })
    }

    /// The answer, whose connection serves the next request once it has been read to its end.
    pub(crate) fn into_response(self) -> Response<Body> {
        let Self { response, lease, silence } = self;
        response.map(|body| AnswerBody::boxed(body, silence, lease, Lease::give_back))
    }

    /// The answer to an upgrade, and what has to be kept while the other protocol is carried.
    pub(crate) fn into_upgrade(self) -> (Response<Incoming>, impl Send + 'static) {
        (self.response, self.lease)
    }
}

impl Lease {
    fn give_back(self) {
        if self.course.has_ended() && !self.private {
            self.pool.put(self.line);
        }
    }
}
