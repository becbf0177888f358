//! Why a request is not answered as it was meant, each with a code and a sentence.
//!
//! What the client reads says no more than it may know; the code is what log and metrics count.

use std::error::Error;
use std::fmt;

use http::StatusCode;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// No `Host`.
    HostMissing,
    /// Several, or one that differs from the request's target.
    HostAmbiguous,
    /// It is no name, no address, or has a user in it.
    HostMalformed,
    /// The connection was made for another virtual server.
    Misdirected,
    /// A method that goes no further here: CONNECT to elsewhere, TRACE.
    Method,
    /// A method that what lies there doesn't know.
    MethodNotThere,
    /// A length that can be read as two: a transfer coding other than `chunked`, that one twice, several lengths.
    Framing,
    /// A head longer than is allowed.
    HeadTooLong,
    /// An expectation other than `100-continue`.
    Expectation,
    /// A path that leads upwards, or has a NUL.
    Path,
    /// No route leads there, or nothing lies there.
    NotFound,
    /// A body longer than is allowed.
    BodyTooLong,
    /// A body that did not come on.
    BodySlow,
    /// A body that broke off or is malformed.
    BodyBroken,
    /// The backend takes no connection.
    BackendDown,
    /// The backend has as many requests as it may have.
    BackendBusy,
    /// The backend did not begin to answer in time.
    BackendSilent,
    /// What the backend said is no HTTP, or it hung up.
    BackendBroken,
    /// It came here too often: a backend leads back to the gateway.
    Loop,
    /// A fault of ours, or of the disk.
    Internal,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's, or of whoever made the link it followed.
    Client,
    /// The backend's, or of the settings that name it.
    Backend,
    /// Ours.
    Own,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::HostMissing,
        Self::HostAmbiguous,
        Self::HostMalformed,
        Self::Misdirected,
        Self::Method,
        Self::MethodNotThere,
        Self::Framing,
        Self::HeadTooLong,
        Self::Expectation,
        Self::Path,
        Self::NotFound,
        Self::BodyTooLong,
        Self::BodySlow,
        Self::BodyBroken,
        Self::BackendDown,
        Self::BackendBusy,
        Self::BackendSilent,
        Self::BackendBroken,
        Self::Loop,
        Self::Internal,
    ];

    /// What log and metrics call it.
    pub fn code(self) -> &'static str {
        match self {
            Self::HostMissing => "http-host-missing",
            Self::HostAmbiguous => "http-host-ambiguous",
            Self::HostMalformed => "http-host-malformed",
            Self::Misdirected => "http-misdirected",
            Self::Method => "http-method",
            Self::MethodNotThere => "http-method-not-there",
            Self::Framing => "http-framing",
            Self::HeadTooLong => "http-head-too-long",
            Self::Expectation => "http-expectation",
            Self::Path => "http-path",
            Self::NotFound => "http-not-found",
            Self::BodyTooLong => "http-body-too-long",
            Self::BodySlow => "http-body-slow",
            Self::BodyBroken => "http-body-broken",
            Self::BackendDown => "http-backend-down",
            Self::BackendBusy => "http-backend-busy",
            Self::BackendSilent => "http-backend-silent",
            Self::BackendBroken => "http-backend-broken",
            Self::Loop => "http-loop",
            Self::Internal => "http-internal",
        }
    }

    /// The status that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::HostMissing | Self::HostAmbiguous | Self::HostMalformed => {
                StatusCode::BAD_REQUEST
            }
            Self::Path | Self::Framing | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Method => StatusCode::NOT_IMPLEMENTED,
            Self::MethodNotThere => StatusCode::METHOD_NOT_ALLOWED,
            Self::HeadTooLong => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodySlow => StatusCode::REQUEST_TIMEOUT,
            Self::BackendDown | Self::BackendBroken => StatusCode::BAD_GATEWAY,
            Self::BackendBusy => StatusCode::SERVICE_UNAVAILABLE,
            Self::BackendSilent => StatusCode::GATEWAY_TIMEOUT,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whose fault it is.
    pub fn fault(self) -> Fault {
        match self {
            Self::BackendDown
            | Self::BackendBusy
            | Self::BackendSilent
            | Self::BackendBroken
            | Self::Loop => Fault::Backend,
            Self::Internal => Fault::Own,
            _ => Fault::Client,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HostMissing => "the request names no host",
            Self::HostAmbiguous => "the request names more than one host",
            Self::HostMalformed => "what the request names is no host",
            Self::Misdirected => "this connection was made for another name; ask on a new one",
            Self::Method => "this method goes no further here",
            Self::MethodNotThere => "what lies there doesn't know this method",
            Self::Framing => "the length of the body is said in a way that can be read as two",
            Self::HeadTooLong => "the request's head is longer than is taken here",
            Self::Expectation => "no expectation but 100-continue can be met",
            Self::Path => "the path leads where no path may",
            Self::NotFound => "nothing lies there",
            Self::BodyTooLong => "the body is longer than is taken here",
            Self::BodySlow => "the body did not come on",
            Self::BodyBroken => "the body broke off",
            Self::BackendDown => "the service behind this gateway is not reached",
            Self::BackendBusy => "the service behind this gateway has enough to do",
            Self::BackendSilent => "the service behind this gateway did not answer in time",
            Self::BackendBroken => "the service behind this gateway broke its answer off",
            Self::Loop => "the service behind this gateway leads back to it",
            Self::Internal => "internal error",
        })
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_has_a_code_of_its_own_and_a_status_that_fits_its_fault() {
        let codes: BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            let theirs = refusal.fault() == Fault::Client;
            let unknown_here = refusal.status() == StatusCode::NOT_IMPLEMENTED;
            assert_eq!(theirs, refusal.status().is_client_error() || unknown_here, "{refusal:?}");
        }
    }
}
