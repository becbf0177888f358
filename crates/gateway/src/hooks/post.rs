//! Events as HTTP requests: each is posted as JSON to the one address of the settings, one after the other.
//!
//! Nobody is followed elsewhere, and what comes back is not read beyond its status. Invariant: neither the
//! address nor what the answer says gets into the log, since either may hold a secret; the host does.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ask::{Dial as _, DialError, SystemDial};
use clock::Clock;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use pki::AnchorError;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uplink::{NotATarget, ReachError, Settings, Unsettled, Uplink};

use super::queue::{Jobs, Order};
use crate::config::{Hooks as HooksSettings, WebhookUrl};
use crate::doors::Unheard;
use crate::trusted_roots::{of_the_system, usable};

/// Where events are posted.
#[derive(Debug)]
pub(crate) struct Target {
    url: WebhookUrl,
    /// Over https.
    tls: Option<Result<Uplink, NoTls>>,
    /// Why it did not take the last event.
    fault: Mutex<Option<Unheard>>,
}

impl Target {
    /// This address. Over https it has to show a certificate of a CA that the system trusts, or of one of these, and
    /// one that nobody has revoked.
    pub(crate) fn new(
        hooks: &HooksSettings,
        cas: impl IntoIterator<Item = CertificateDer<'static>>,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let url = hooks.url.clone()?;
        let (revocation, pin, identity) = (hooks.revocation, None, None);
        let tls = url.is_https().then(|| {
            let target = service(&url).map_err(NoTls::Host)?;
            let cas = [of_the_system(), usable(cas)].concat();
            let settings = Settings { target, cas, pin, identity, revocation };
            let uplink = Uplink::new(settings, clock).map_err(NoTls::Ca)?;
            Ok(uplink.asking_for(FOR_ITS_CA))
        });
        Some(Self { url, tls, fault: Mutex::default() })
    }

    /// Why it did not take the last event, where it did not.
    pub(super) fn fault(&self) -> Option<Unheard> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_told(&self, posted: &Result<(), PostError>) {
        let fault = posted.as_ref().err().map(|error| Unheard {
            subject: "webhook",
            what: format!("events do not reach {}: {error}", self.url.host()),
            mend: error.mend(),
        });
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

fn service(url: &WebhookUrl) -> Result<uplink::Target, NotATarget> {
    let (host, port) = (url.host(), url.port());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }.parse()
}

/// Posts until nobody is left who could tell of anything.
pub(super) fn run(target: &ArcSwapOption<Target>, jobs: &Jobs<Vec<u8>>) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "nothing is posted"),
    };
    let mut missed = 0;
    loop {
        match jobs.next(IDLE) {
            Order::Do(event) => {
                let Some(target) = target.load_full() else { continue };
                // Its timer is the runtime's, so it begins inside.
                let posted =
                    runtime.block_on(async { timeout(AT_MOST, post(&target, event)).await });
                say(&target, posted.unwrap_or(Err(PostError::TimedOut)), &mut missed);
            }
            Order::Finish(done) => {
                let _ = done.send(());
                return;
            }
            Order::Wait => {}
            Order::Over => return,
        }
    }
}

/// Once for as long as it fails, and then how many it missed.
fn say(target: &Target, posted: Result<(), PostError>, missed: &mut u64) {
    let host = target.url.host();
    target.is_told(&posted);
    match (&posted, *missed) {
        (Err(error), 0) => {
            let mend = error.mend();
            tracing::warn!(host, %error, mend, "events do not reach the webhook");
        }
        (Ok(()), missed @ 1..) => {
            tracing::warn!(
                host,
                missed,
                "the webhook takes events again, and was not told of these"
            );
        }
        (Err(_), _) | (Ok(()), 0) => {}
    }
    *missed = if posted.is_ok() { 0 } else { *missed + 1 };
}

async fn post(target: &Target, event: Vec<u8>) -> Result<(), PostError> {
    let url = &target.url;
    match &target.tls {
        None => {
            let stream = SystemDial.dial(url.host(), url.port()).await.map_err(PostError::Dial)?;
            exchange(url, stream, event).await
        }
        Some(Err(why)) => Err(PostError::NoTls(*why)),
        Some(Ok(uplink)) => {
            let reached = uplink.reach().await.map_err(PostError::Reach)?;
            exchange(url, reached.stream, event).await
        }
    }
}

async fn exchange(
    url: &WebhookUrl,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    event: Vec<u8>,
) -> Result<(), PostError> {
    let handshake =
        http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(PostError::Broken)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let request = Request::post(url.target())
        .header(header::HOST, url.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("handfast/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(event)))
        .map_err(PostError::Request)?;
    let answer = sender.send_request(request).await.map_err(PostError::Broken)?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(PostError::Status(status)),
    }
}

/// Why nobody is ever reached there over TLS.
#[derive(Clone, Copy, Debug)]
enum NoTls {
    Host(NotATarget),
    Ca(AnchorError),
}

/// Why an event was not taken.
#[derive(Debug)]
enum PostError {
    Dial(DialError),
    NoTls(NoTls),
    Reach(ReachError),
    Request(http::Error),
    Broken(hyper::Error),
    Status(StatusCode),
    TimedOut,
}

impl PostError {
    /// What to do.
    fn mend(&self) -> &'static str {
        match self {
            Self::Reach(ReachError::Unsettled(Unsettled::NotKnown(_))) => {
                "let this machine ask that server's CA, or post all the same: \
                 handfast config set hooks.revocation prefer, and a reload"
            }
            Self::Reach(ReachError::Unsettled(Unsettled::Revoked(_))) => {
                "have a new certificate issued for that server"
            }
            Self::Reach(ReachError::NotTrusted(_)) => {
                "give that server a certificate of a CA that this machine trusts, for the host in hooks.url"
            }
            Self::NoTls(_) | Self::Request(_) => "set hooks.url to another address",
            Self::Status(_) => {
                "see in that server's log why it refuses, or set hooks.url to where events are taken"
            }
            Self::Dial(_) | Self::Reach(_) | Self::Broken(_) | Self::TimedOut => {
                "see that the server runs and that nothing between blocks it"
            }
        }
    }
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(f),
            Self::NoTls(NoTls::Host(error)) => {
                write!(f, "no certificate can name that host: {error}")
            }
            Self::NoTls(NoTls::Ca(error)) => write!(f, "no CA could vouch for it: {error}"),
            Self::Reach(error) => error.fmt(f),
            Self::Request(error) => write!(f, "the address makes no request: {error}"),
            Self::Broken(error) => write!(f, "what came back was no answer: {error}"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::TimedOut => write!(f, "no answer came within {} s", AT_MOST.as_secs()),
        }
    }
}

impl std::error::Error for PostError {}

const IDLE: Duration = Duration::from_secs(3600);
/// So long one may take.
const AT_MOST: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });
/// Less than the whole, so that what is said is why.
const FOR_ITS_CA: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 6 });
const LONGEST_HEAD: usize = 16 * 1024;
