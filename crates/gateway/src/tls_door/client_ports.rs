//! The local ports of `[[tls.client]]`: opened as the settings have them, replaced where those or their files changed.
//!
//! Whatever stays as it is keeps its connections; a port that goes, or is made anew, ends its own. Invariant: a port that
//! can't be opened stops no other, and is told of until it can.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use admin::response::TlsClientPort;
use authority::Authority;
use clock::Clock;
use front::{ClientPort, Loaded};
use pki::Fingerprint;
use rustls::pki_types::CertificateDer;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uplink::{Event, Local, LocalError, Uplink};

use crate::context::Context;
use crate::desk::Desk;
use crate::doors::Unheard;
use crate::metrics::Metrics;

/// All of them.
#[derive(Debug)]
pub(super) struct ClientPorts {
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    desk: Mutex<Option<Desk>>,
    open: tokio::sync::Mutex<Vec<OpenPort>>,
    shown: Mutex<Vec<Shown>>,
}

#[derive(Debug)]
struct OpenPort {
    settings: ClientPort,
    files: Fingerprint,
    task: JoinHandle<()>,
    state: Arc<State>,
}

/// What is told of one.
#[derive(Debug)]
struct Shown {
    settings: ClientPort,
    state: Arc<State>,
}

/// What the matter is: why it is not open, or why its last connection got nowhere.
#[derive(Debug)]
struct State {
    fault: Mutex<Option<Fault>>,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    /// Its code.
    reason: &'static str,
    what: String,
    mend: &'static str,
}

impl ClientPorts {
    pub(super) fn new(at: &Context) -> Self {
        Self {
            authority: Arc::clone(&at.authority),
            clock: Arc::clone(&at.clock),
            metrics: Arc::clone(&at.metrics),
            desk: Mutex::default(),
            open: tokio::sync::Mutex::default(),
            shown: Mutex::default(),
        }
    }

    /// Has those open that are wanted, and no others.
    pub(super) async fn follow(&self, wanted: &[ClientPort]) {
        let mut open = self.open.lock().await;
        let cas = self.cas();
        let (mut next, mut shown) = (Vec::new(), Vec::new());
        let mut former = std::mem::take(&mut *open);
        let mut missing = Vec::new();
        for port in wanted {
            let state = Arc::new(State::of(&self.metrics));
            match port.trust.load(&port.target, &cas) {
                Ok(loaded) => match stays(&mut former, port, &loaded) {
                    Some(one) => next.push(one),
                    None => missing.push((port, loaded, state)),
                },
                Err(error) => {
                    let (what, mend) = (error.to_string(), error.mend());
                    state.is(Fault { reason: NOT_OPEN, what, mend }, port);
                    shown.push(Shown { settings: port.clone(), state });
                }
            }
        }
        for gone in former {
            gone.task.abort();
            // Its socket is closed with it, and another one may be wanted in its place.
            let _ = gone.task.await;
        }
        for (port, loaded, state) in missing {
            let files = loaded.files;
            let task = self.start(port, loaded, &state).await;
            let settings = port.clone();
            match task {
                Some(task) => next.push(OpenPort { settings, files, task, state }),
                None => shown.push(Shown { settings, state }),
            }
        }
        let of = |one: &OpenPort| Shown {
            settings: one.settings.clone(),
            state: Arc::clone(&one.state),
        };
        shown.extend(next.iter().map(of));
        *open = next;
        *self.shown() = shown;
    }

    /// Opens one, and serves it from here on.
    async fn start(
        &self,
        port: &ClientPort,
        loaded: Loaded,
        state: &Arc<State>,
    ) -> Option<JoinHandle<()>> {
        let uplink = match Uplink::new(loaded.settings, Arc::clone(&self.clock)) {
            Ok(uplink) => Arc::new(uplink),
            Err(error) => {
                let what = format!("the CAs can't be used: {error}");
                let mend = "mend `ca`, and reload";
                state.is(Fault { reason: NOT_OPEN, what, mend }, port);
                return None;
            }
        };
        let (listen, port, state) = (port.listen, port.clone(), Arc::clone(state));
        let (say, heard) = oneshot::channel();
        let faulty = Arc::clone(&state);
        let named = port.clone();
        let serve = async move {
            match Local::open(listen, uplink).await {
                Ok(local) => {
                    // Whoever asked may be gone.
                    let _ = say.send(Ok(()));
                    local.run(move |event| state.heard(&event, &port)).await;
                }
                Err(error) => drop(say.send(Err(error))),
            }
        };
        let task = self.within(|| tokio::spawn(serve));
        let task = match task {
            Ok(task) => task,
            Err(error) => {
                let mend = "let the gateway have more threads, and reload";
                let what = format!("no thread: {error}");
                faulty.is(Fault { reason: NOT_OPEN, what, mend }, &named);
                return None;
            }
        };
        match heard.await {
            Ok(Ok(())) => Some(task),
            Ok(Err(error)) => {
                let (what, mend) = (error.to_string(), mend(&error));
                faulty.is(Fault { reason: NOT_OPEN, what, mend }, &named);
                None
            }
            Err(_) => None,
        }
    }

    /// On threads that yield to all others, which the first port brings about.
    fn within<T>(&self, make: impl FnOnce() -> T) -> std::io::Result<T> {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        if desk.is_none() {
            *desk = Some(Desk::open("tls-client", THREADS)?);
        }
        desk.as_ref().map(|desk| desk.within(make)).ok_or_else(|| std::io::ErrorKind::Other.into())
    }

    fn cas(&self) -> Vec<CertificateDer<'static>> {
        let issuers = self.authority.issuers();
        issuers.trusted().map(|issuer| issuer.certificate().der().clone()).collect()
    }

    /// As a listing has them.
    pub(super) fn listing(&self) -> Vec<TlsClientPort> {
        let of = |one: &Shown| TlsClientPort {
            listen: one.settings.listen,
            target: one.settings.target.to_string(),
            fault: one.state.fault().map(|fault| fault.what),
        };
        self.shown().iter().map(of).collect()
    }

    /// What the matter is with them.
    pub(super) fn faults(&self) -> Vec<Unheard> {
        let of = |one: &Shown| {
            let Fault { what, mend, .. } = one.state.fault()?;
            let (listen, target) = (one.settings.listen, &one.settings.target);
            let what = format!("{listen} does not lead to {target}: {what}");
            Some(Unheard { subject: SUBJECT, what, mend })
        };
        self.shown().iter().filter_map(of).collect()
    }

    /// Ends all of them.
    pub(super) fn close(&self) {
        drop(self.desk.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn shown(&self) -> MutexGuard<'_, Vec<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that is open and as it is wanted.
fn stays(former: &mut Vec<OpenPort>, port: &ClientPort, loaded: &Loaded) -> Option<OpenPort> {
    let same = |one: &OpenPort| one.settings == *port && one.files == loaded.files;
    let at = former.iter().position(|one| same(one) && !one.task.is_finished())?;
    Some(former.swap_remove(at))
}

fn mend(error: &LocalError) -> &'static str {
    match error {
        LocalError::NotLoopback(_) => "listen on 127.0.0.1 or ::1",
        LocalError::Bind(..) => "end what has the port, or take another one",
    }
}

impl State {
    fn of(metrics: &Arc<Metrics>) -> Self {
        Self { fault: Mutex::default(), metrics: Arc::clone(metrics) }
    }

    /// Says so, unless that was said last.
    fn is(&self, fault: Fault, port: &ClientPort) {
        let mut present = self.present();
        if present.as_ref() != Some(&fault) {
            let Fault { reason, what, mend } = &fault;
            tracing::warn!(listen = %port.listen, target = %port.target, reason, "{what}; {mend}");
            *present = Some(fault);
        }
    }

    /// Counts it, and says it as all others.
    fn refuses(&self, fault: Fault, port: &ClientPort) {
        self.metrics.refused_at_home(fault.reason);
        self.is(fault, port);
    }

    fn heard(&self, event: &Event, port: &ClientPort) {
        let (listen, target) = (port.listen, &port.target);
        match event {
            Event::Listens(_) => {
                tracing::info!(%listen, %target, "a local port leads to a service")
            }
            Event::Refused(_, why) => {
                let (what, mend) = (why.to_string(), why.mend());
                self.refuses(Fault { reason: why.code(), what, mend }, port);
            }
            Event::Full(_) => {
                let what = "too many connections at once".to_owned();
                let mend = "find out which program has them";
                self.refuses(Fault { reason: "too_many_connections", what, mend }, port);
            }
            Event::Connected(_) => *self.present() = None,
            Event::PassedOver(_, what) => {
                *self.present() = None;
                tracing::debug!(%listen, %target, "connected, though {what}");
            }
            Event::Ended(..) => tracing::debug!(%listen, %target, "{event}"),
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.present().clone()
    }

    fn present(&self) -> MutexGuard<'_, Option<Fault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const THREADS: usize = 2;
/// The code of a port that is not there.
const NOT_OPEN: &str = "not_open";
/// As `check` names them.
const SUBJECT: &str = "local ports";
