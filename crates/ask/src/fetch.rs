//! One question over HTTP/1.1 and its answer, bounded in size and time. Nobody is followed elsewhere.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::address::HttpAddress;
use crate::dial::{Dial, DialError};

/// The longest CRL that is fetched: some 400,000 revocations.
pub const LONGEST_CRL: usize = 16 * 1024 * 1024;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// For what lies there.
    Get,
    /// With this OCSP request (RFC 6960 appendix A).
    Ocsp(Vec<u8>),
}

/// Why there is no answer.
#[derive(Debug)]
pub enum FetchError {
    /// The host was not reached.
    Dial(DialError),
    /// The answer took longer than this.
    TimedOut(Duration),
    /// The connection broke, or what came was no HTTP.
    Broken(hyper::Error),
    /// It has more octets than this.
    TooLong(usize),
    /// The host sends askers elsewhere, where they don't go.
    Elsewhere(StatusCode),
    /// The host has no answer.
    Status(StatusCode),
}

/// Asks, and takes at most `most` octets.
///
/// # Errors
/// Where there is no answer.
pub async fn fetch(
    dial: &mut (impl Dial + Send),
    address: &HttpAddress,
    question: &Question,
    most: usize,
) -> Result<Bytes, FetchError> {
    let begun = timeout(FOR_AN_ANSWER, begin(dial, address, question)).await;
    let begun = begun.unwrap_or(Err(FetchError::TimedOut(FOR_AN_ANSWER)))?;
    let limit = match question {
        Question::Get => FOR_A_LIST,
        Question::Ocsp(_) => FOR_AN_ANSWER,
    };
    let body = Limited::new(begun.response.into_body(), most).collect();
    let body = timeout(limit, body).await.map_err(|_| FetchError::TimedOut(limit))?;
    body.map(|body| body.to_bytes()).map_err(|error| body_error(error, most))
}

/// An answer whose body is still to come.
struct Begun {
    response: Response<Incoming>,
    /// Both end with it.
    _connection: (http1::SendRequest<Full<Bytes>>, JoinSet<Result<(), hyper::Error>>),
}

async fn begin(
    dial: &mut (impl Dial + Send),
    address: &HttpAddress,
    question: &Question,
) -> Result<Begun, FetchError> {
    let dialled = dial.dial(address.host(), address.port()).await;
    let stream = TokioIo::new(dialled.map_err(FetchError::Dial)?);
    let handshake = http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(stream);
    let (mut sender, connection) = handshake.await.map_err(FetchError::Broken)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let response = sender.send_request(request(address, question)).await;
    let response = response.map_err(FetchError::Broken)?;
    check_status(response.status())?;
    Ok(Begun { response, _connection: (sender, tasks) })
}

fn request(address: &HttpAddress, question: &Question) -> Request<Full<Bytes>> {
    let (method, body) = match question {
        Question::Get => (Method::GET, Bytes::new()),
        Question::Ocsp(request) => (Method::POST, Bytes::copy_from_slice(request)),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(address.target())
        .header(header::HOST, address.authority())
        .header(header::CONNECTION, "close");
    if let Question::Ocsp(_) = question {
        request = request.header(header::CONTENT_TYPE, "application/ocsp-request");
    }
    request.body(Full::new(body)).expect("the parts of a URI that was read make a request")
}

fn check_status(status: StatusCode) -> Result<(), FetchError> {
    match status {
        StatusCode::OK => Ok(()),
        other if other.is_redirection() => Err(FetchError::Elsewhere(other)),
        other => Err(FetchError::Status(other)),
    }
}

fn body_error(error: Box<dyn Error + Send + Sync>, most: usize) -> FetchError {
    match error.downcast::<hyper::Error>() {
        Ok(error) => FetchError::Broken(*error),
        Err(error) => {
            debug_assert!(error.is::<LengthLimitError>(), "{error}");
            FetchError::TooLong(most)
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(f),
            Self::TimedOut(limit) => write!(f, "no answer came within {} s", limit.as_secs()),
            Self::Broken(error) => {
                write!(f, "what came back was no answer: {error}")?;
                // It says what was done then, and its cause why that failed.
                error.source().map_or(Ok(()), |cause| write!(f, " ({cause})"))
            }
            Self::TooLong(most) => write!(f, "the answer has more than {most} octets"),
            Self::Elsewhere(status) => {
                write!(
                    f,
                    "the host sends askers elsewhere ({status}), and nobody is followed there"
                )
            }
            Self::Status(status) => write!(f, "the host answered {status}"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Dial(error) => Some(error),
            Self::Broken(error) => Some(error),
            _ => None,
        }
    }
}

/// Until an answer begins, and till an OCSP answer has come from there on.
const FOR_AN_ANSWER: Duration = Duration::from_secs(5);
/// The same for a list, which may be long and the line slow.
const FOR_A_LIST: Duration = Duration::from_secs(20);
const LONGEST_HEAD: usize = 16 * 1024;
