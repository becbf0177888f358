//! Requests to a CA: HTTPS with bounds in size and time, a connection for each, nobody followed elsewhere.
//!
//! Not here: what is asked. Invariant: no answer is believed of a host whose certificate was not, and none is asked for
//! before it is known whether that was revoked, as far as [`Trust`] says.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clock::Clock;
use http::uri::Scheme;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use pki::AnchorError;
use rustls::pki_types::CertificateDer;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uplink::{ReachError, Revocation, Secured, Settings, Target, Uplink};

/// Whom the certificate of a CA's own web server has to come from, and what is done where it may have been revoked.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The roots that may vouch for it.
    pub roots: Vec<CertificateDer<'static>>,
    /// What is done about one that may have been revoked.
    pub revocation: Revocation,
    /// By which it is judged.
    pub clock: Arc<dyn Clock>,
}

/// Asks. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Https {
    trust: Trust,
    /// By host and port, each with what was said of its certificate.
    ways: Arc<Mutex<BTreeMap<String, Arc<Way>>>>,
    /// What its last answer was, where that was a refusal.
    refusal: Arc<Mutex<Option<Refusal>>>,
}

/// To one host.
#[derive(Debug)]
struct Way {
    uplink: Uplink,
    /// Whether it was said what is passed over there.
    told: AtomicBool,
}

/// That the CA refused, whatever stood in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// When it may be asked again, where it said so.
    pub(crate) until: Option<SystemTime>,
}

/// What was answered to everybody.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    /// For how long it holds, where that is said.
    pub(crate) wait: Option<Duration>,
    pub(crate) body: Bytes,
}

/// Why nothing was answered.
#[derive(Debug)]
pub(crate) enum HttpFault {
    /// An address that is none of HTTPS.
    Address,
    /// None of the roots can vouch for anybody.
    Roots(AnchorError),
    /// Its host is not reached, or is not to be asked.
    Reach(Box<ReachError>),
    /// What came back is no answer, or too long a one.
    Broken(Box<dyn StdError + Send + Sync>),
    /// No answer came in time.
    Slow,
}

impl Https {
    pub(crate) fn new(trust: Trust) -> Self {
        Self { trust, ways: Arc::default(), refusal: Arc::default() }
    }

    /// Whether the last answer was a refusal.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is at this address for everybody.
    pub(crate) async fn get(&self, url: &str) -> Result<Got, HttpFault> {
        let request = Request::get(url).header(header::USER_AGENT, "handfast");
        let request = request.body(BodyWrapper::default());
        let request = request.map_err(|_| HttpFault::Address)?;
        let answer = timeout(AT_MOST, self.exchange(request)).await;
        let mut answer = answer.unwrap_or(Err(HttpFault::Slow))?;
        let (status, wait) = (answer.status(), bound_wait(answer.headers_mut()));
        let body = answer.into_body().collect().await.unwrap_or_default().to_bytes();
        Ok(Got { status, wait, body })
    }

    fn note(&self, refusal: Option<Refusal>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, HttpFault> {
        self.note(None);
        let answer = timeout(AT_MOST, self.exchange(request));
        let mut answer = answer.await.unwrap_or(Err(HttpFault::Slow))?;
        let wait = bound_wait(answer.headers_mut());
        let status = answer.status();
        if !status.is_success() {
            let until = wait.map(|wait| SystemTime::now() + wait);
            self.note(Some(Refusal { status, until }));
        }
        Ok(answer.into())
    }

    async fn exchange(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, HttpFault> {
        let (mut head, body) = request.into_parts();
        let target = target(&head.uri).ok_or(HttpFault::Address)?;
        head.headers.insert(header::HOST, authority(&head.uri).ok_or(HttpFault::Address)?);
        head.headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        head.uri = path.parse().map_err(|_| HttpFault::Address)?;

        let way = self.way(target)?;
        let stream = TokioIo::new(way.reach().await?);
        let handshake = http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(stream);
        let (mut sender, connection) = handshake.await.map_err(broken)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let answer = sender.send_request(Request::from_parts(head, body)).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(HttpFault::Broken)?;
        Ok(Response::from_parts(head, Full::new(body.to_bytes())))
    }

    /// One for each host, which remembers what was said of its certificate, and for some minutes that nobody said\n    /// anything: an order makes a dozen connections.
    fn way(&self, target: Target) -> Result<Arc<Way>, HttpFault> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let name = target.to_string();
        if let Some(way) = ways.get(&name) {
            return Ok(Arc::clone(way));
        }
        let Trust { roots, revocation, clock } = self.trust.clone();
        let settings = Settings { target, cas: roots, pin: None, identity: None, revocation };
        let uplink = Uplink::new(settings, clock).map_err(HttpFault::Roots)?;
        let way = Arc::new(Way { uplink, told: AtomicBool::new(false) });
        // A directory names hosts as it likes.
        if ways.len() >= MOST_HOSTS {
            ways.clear();
        }
        ways.insert(name, Arc::clone(&way));
        Ok(way)
    }
}

impl Way {
    async fn reach(&self) -> Result<Secured, HttpFault> {
        let reached = self.uplink.reach().await;
        let reached = reached.map_err(|error| HttpFault::Reach(Box::new(error)))?;
        if let Some(warning) = reached.warning
            && !self.told.swap(true, Ordering::Relaxed)
        {
            let host = self.uplink.target().host();
            tracing::info!(host, "the CA is asked all the same: {warning}");
        }
        Ok(reached.stream)
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asked = self.clone().ask(request);
        Box::pin(async move { asked.await.map_err(|fault| Error::Other(Box::new(fault))) })
    }
}

fn broken(error: hyper::Error) -> HttpFault {
    HttpFault::Broken(error.into())
}

/// Its host and its port.
fn target(uri: &Uri) -> Option<Target> {
    if uri.scheme() != Some(&Scheme::HTTPS) {
        return None;
    }
    format!("{}:{}", uri.host()?, uri.port_u16().unwrap_or(443)).parse().ok()
}

fn authority(uri: &Uri) -> Option<header::HeaderValue> {
    header::HeaderValue::from_str(uri.authority()?.as_str()).ok()
}

/// For how long one is to wait, a week at most; said so to the library too, which would add any number to the time.
fn bound_wait(headers: &mut HeaderMap) -> Option<Duration> {
    let said = headers.remove(header::RETRY_AFTER)?;
    let wait = wait_of(said.to_str().ok()?.trim())?.min(LONGEST_WAIT);
    headers.insert(header::RETRY_AFTER, wait.as_secs().into());
    Some(wait)
}

/// A number of seconds, or a date.
fn wait_of(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

impl fmt::Display for HttpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("it named an address that is none of HTTPS"),
            Self::Roots(error) => write!(f, "nobody can vouch for it: {error}"),
            Self::Reach(error) => error.fmt(f),
            Self::Broken(error) => write!(f, "what came back was no answer: {error}"),
            Self::Slow => write!(f, "no answer came within {} s", AT_MOST.as_secs()),
        }
    }
}

impl StdError for HttpFault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Roots(error) => Some(error),
            Self::Reach(error) => Some(&**error),
            Self::Broken(error) => Some(&**error),
            Self::Address | Self::Slow => None,
        }
    }
}

/// So long a question may take.
const AT_MOST: Duration = Duration::from_secs(30);
/// A chain has some kilobytes.
const LONGEST: usize = 256 * 1024;
const LONGEST_HEAD: usize = 32 * 1024;
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 86_400);
/// That are known at a time.
const MOST_HOSTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_told_to_wait_waits_for_a_week_at_most() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            let wait = bound_wait(&mut headers).map(|wait| wait.as_secs());
            let handed_on = headers.get(header::RETRY_AFTER).map(|one| one.to_str().unwrap());
            assert_eq!(handed_on.map(|one| one.parse().unwrap()), wait, "{text}");
            wait
        };
        let week = 7 * 86_400;
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("18446744073709551615"), Some(week));
        assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(week));
        assert_eq!(wait("Fri, 31 Dec 1999 23:59:59 GMT"), Some(0));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("18446744073709551616"), None);
    }

    #[test]
    fn https_alone_is_asked() {
        let place = |text: &str| target(&text.parse().unwrap()).map(|target| target.to_string());
        assert_eq!(place("https://ca.test/dir").as_deref(), Some("ca.test:443"));
        assert_eq!(place("https://[::1]:14000/dir").as_deref(), Some("[::1]:14000"));
        assert_eq!(place("http://ca.test/dir"), None);
        assert_eq!(place("/dir"), None);
    }
}
