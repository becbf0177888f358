//! Certificates that another CA makes when it is asked by ACME: kept with the records, in service, renewed in time.
//!
//! One is ordered at a time. An order that the CA is not through with goes on when its turn comes again; the next start
//! begins it anew. Not here: when it is looked, and the protocol (`acme`). Invariant: nothing is asked of a CA before its
//! terms were agreed to, and nothing before it may be.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acme::Pace;
use clock::{Clock, Timestamp};
use front::{Settings, VirtualServer};
use pki::Fingerprint;
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use self::fault::OrderFault;
use self::hint::Hint;
use self::order::{Begun, Desk};
use self::stage::DoorStage;
use self::wanted::{Wanted, wanted};
use super::served::Served;
use crate::config::{Acme, Config};
use crate::context::Context;

mod account;
mod ca;
mod drawer;
mod fault;
mod gone;
mod hint;
mod order;
mod stage;
mod wanted;

/// Keeps them.
#[derive(Debug)]
pub(super) struct Ordered {
    desk: Arc<Desk>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Held {
    /// The CA that is asked.
    directory: String,
    all: HashMap<Wanted, State>,
    /// Of failures that are the CA's, whatever was ordered.
    ca: Pace,
    /// When it was looked for what nobody wants any longer.
    swept: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct State {
    served: Option<Served>,
    /// Whether that is for all names. One of before a name was added serves until the next comes.
    whole: bool,
    pace: Pace,
    /// When it was ordered last, so that those that fail take turns.
    asked: Option<Timestamp>,
    fault: Option<OrderFault>,
    /// What the CA is not through with.
    begun: Option<Begun>,
    /// When the CA would have it renewed.
    hint: Hint,
}

/// What a look has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// Another certificate serves, or something else is wrong.
    pub(super) news: bool,
    /// Until the next look.
    pub(super) pause: Duration,
}

/// What is wrong with a certificate, and whether one serves all the same.
#[derive(Debug)]
pub(super) struct Lacking {
    pub(super) what: String,
    pub(super) mend: &'static str,
    pub(super) serves: bool,
}

impl Ordered {
    pub(super) fn new(at: &Context) -> Self {
        let stage = DoorStage { proofs: at.keyring.proofs().clone(), tokens: at.tokens.clone() };
        let (store, clock) = (at.store.clone(), Arc::clone(&at.clock));
        let desk = Arc::new(Desk::new(store, Arc::clone(&clock), stage));
        Self { desk, clock, held: Mutex::default(), wake: Notify::new() }
    }

    /// Knows from here on what the settings want, and what was kept of it.
    pub(super) async fn follow(&self, config: &Config) {
        let directory = config.acme.directory.as_str();
        let all: HashSet<_> =
            config.tls.server.iter().flat_map(|server| wanted(server, directory)).collect();
        directory.clone_into(&mut self.held().directory);
        self.held().all.retain(|one, _| all.contains(one));
        for one in all {
            self.take_up(one).await;
        }
        self.held().agree(config.acme.terms_agreed);
    }

    /// What was kept, where nothing serves: by another clock, or another look at the records, it may.
    async fn take_up(&self, one: Wanted) {
        if self.held().all.get(&one).is_some_and(|state| state.served.is_some()) {
            return;
        }
        let (served, whole) = self.desk.kept(&one).await;
        let mut held = self.held();
        let state = held.all.entry(one).or_default();
        if state.served.is_none() && served.is_some() {
            (state.served, state.whole) = (served, whole);
        }
    }

    /// Orders the one that is due, if one is.
    pub(super) async fn look(&self, config: &Config) -> Looked {
        self.desk.write().await;
        let now = self.now();
        self.sweep(config, now).await;
        if config.acme.terms_agreed {
            self.ask_when(&config.acme, now).await;
        }
        let due = self.held().next(&config.tls, now).filter(|_| config.acme.terms_agreed);
        let Some((wanted, at)) = due else { return Looked { news: false, pause: LOOK } };
        if now < at {
            return Looked { news: false, pause: at.since(now).min(LOOK) };
        }
        self.take_up(wanted.clone()).await;
        if self.held().due(&wanted, now).is_some_and(|at| at <= now) {
            let ordered = self.order(config.acme.clone(), wanted.clone()).await;
            self.note(&wanted, ordered);
        }
        Looked { news: true, pause: Duration::ZERO }
    }

    /// Once a day.
    async fn sweep(&self, config: &Config, now: Timestamp) {
        let is_due = self.held().swept.is_none_or(|at| now.since(at) >= A_DAY || now < at);
        if is_due {
            let directory = config.acme.directory.as_str();
            let servers = config.tls.server.iter();
            self.desk.forget_all_but(servers.flat_map(|server| wanted(server, directory))).await;
            self.held().swept = Some(now);
        }
    }

    /// Asks the CA of one certificate when it would have it renewed, if one is due for that.
    async fn ask_when(&self, settings: &Acme, now: Timestamp) {
        let Some((wanted, leaf)) = self.held().unasked(now) else { return };
        let said = self.desk.renewal(settings, &leaf).await.unwrap_or_else(|fault| {
            tracing::debug!("the CA was not asked when to renew: {fault}");
            None
        });
        let mut held = self.held();
        let Some(state) = held.all.get_mut(&wanted) else { return };
        let former = state.hint;
        state.hint.heard(said, &Fingerprint::of(&leaf), now);
        if let Some(served) = state.served.as_ref().filter(|_| state.hint.is_known()) {
            let (at, before) = (state.hint.renew_at(&served.fit), former.renew_at(&served.fit));
            if at != before {
                let (name, at) = (wanted.names.first(), at.to_seconds());
                tracing::info!(
                    name,
                    at,
                    "the CA says when to renew a virtual server's certificate"
                );
            }
        }
    }

    /// In a task of its own: whatever a CA's answers break is that one order.
    async fn order(&self, settings: Acme, wanted: Wanted) -> Result<Served, OrderFault> {
        let (failures, mut begun) = self.held().take_begun(&wanted);
        let former = self.held().replaced(&wanted).filter(|_| failures == 0);
        let (desk, of) = (Arc::clone(&self.desk), wanted.clone());
        // Dropped, it ends the task.
        let mut order = JoinSet::new();
        order.spawn(async move {
            let former = former.as_ref();
            let ordered = desk.order(&settings, &of, former, failures, &mut begun).await;
            (ordered, begun)
        });
        let ended = order.join_next().await.and_then(Result::ok);
        let Some((ordered, begun)) = ended else { return Err(OrderFault::Broken) };
        if let Some(state) = self.held().all.get_mut(&wanted) {
            state.begun = begun;
        }
        ordered
    }

    fn note(&self, wanted: &Wanted, ordered: Result<Served, OrderFault>) {
        let (now, name) = (self.now(), wanted.names.first());
        let mut held = self.held();
        let Held { all, ca, .. } = &mut *held;
        let Some(state) = all.get_mut(wanted) else { return };
        state.asked = Some(now);
        match ordered {
            Ok(served) => {
                let until = served.fit.until.to_seconds();
                tracing::info!(name, until, "another CA made a virtual server's certificate");
                let pace = Pace::after(served.fit.since, served.fit.until, now);
                let asked = state.asked;
                let served = Some(served);
                *state = State { served, whole: true, pace, asked, ..State::default() };
                *ca = Pace::default();
            }
            Err(fault) => {
                let error = fault.error();
                state.pace.failed(&error, now);
                if error.is_of_the_ca() {
                    ca.failed(&error, now);
                }
                let again = state.pace.not_before(now).max(ca.not_before(now));
                let again = again.map(Timestamp::to_seconds);
                tracing::error!(name, again, "{fault}; {}", fault.mend());
                state.fault = Some(fault);
                held.share_pace(wanted);
            }
        }
    }

    /// Somebody may have mended what was wrong.
    pub(super) fn forgive(&self) {
        let mut held = self.held();
        held.ca.forgive();
        held.all.values_mut().for_each(|state| state.pace.forgive());
        drop(held);
        self.wake.notify_one();
    }

    /// Waits until somebody may have.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// What serves of a server's.
    pub(super) fn served(&self, server: &VirtualServer) -> Vec<Served> {
        let held = self.held();
        let states = wanted(server, &held.directory).into_iter();
        let states = states.filter_map(|one| held.all.get(&one));
        states.filter_map(|state| state.served.clone()).collect()
    }

    /// What is wrong with a server's.
    pub(super) fn lacking(&self, server: &VirtualServer) -> Vec<Lacking> {
        let held = self.held();
        let states = wanted(server, &held.directory).into_iter();
        states.filter_map(|one| held.all.get(&one)).filter_map(State::lacking).collect()
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The one that is due first; of those that are due at once, whoever was asked for longest ago, and then in the
    /// order of the settings.
    fn next(&self, settings: &Settings, now: Timestamp) -> Option<(Wanted, Timestamp)> {
        let all = settings.server.iter().flat_map(|server| wanted(server, &self.directory));
        let due = all.filter_map(|one| Some((self.due(&one, now)?, one)));
        let asked = |one: &Wanted| self.all.get(one).and_then(|state| state.asked);
        let (at, one) = due.min_by_key(|(at, one)| ((*at).max(now), asked(one)))?;
        Some((one, at))
    }

    fn due(&self, wanted: &Wanted, now: Timestamp) -> Option<Timestamp> {
        let at = self.all.get(wanted)?.due(now).max(self.ca.not_before(now));
        Some(at.unwrap_or_default())
    }

    /// One that serves, and of which the CA may be asked when to renew it.
    fn unasked(&self, now: Timestamp) -> Option<(Wanted, CertificateDer<'static>)> {
        let is_due = |state: &State| state.whole && state.hint.is_due(now);
        let leaf = |state: &State| state.served.as_ref()?.identity.cert.first().cloned();
        let mut due = self.all.iter().filter(|(_, state)| is_due(state));
        due.find_map(|(wanted, state)| Some((wanted.clone(), leaf(state)?)))
    }

    /// The certificate that another one takes the place of, where the CA knows of renewals.
    fn replaced(&self, wanted: &Wanted) -> Option<CertificateDer<'static>> {
        let state = self.all.get(wanted).filter(|state| state.hint.is_known())?;
        state.served.as_ref()?.identity.cert.first().cloned()
    }

    /// What was begun goes on, and by another way after each failure.
    fn take_begun(&mut self, wanted: &Wanted) -> (u32, Option<Begun>) {
        let state = self.all.get_mut(wanted);
        state.map(|state| (state.pace.failures(), state.begun.take())).unwrap_or_default()
    }

    /// A CA counts failures by names, whatever the key.
    fn share_pace(&mut self, wanted: &Wanted) {
        let Some(State { pace, asked, .. }) = self.all.get(wanted) else { return };
        let (pace, asked) = (pace.clone(), *asked);
        for (_, state) in self.all.iter_mut().filter(|(one, _)| one.names == wanted.names) {
            (state.pace, state.asked) = (pace.clone(), asked);
        }
    }

    /// Whether somebody has agreed to the CA's terms.
    fn agree(&mut self, agreed: bool) {
        let is_it = |state: &State| state.fault == Some(OrderFault::NotAgreed);
        let mut news = false;
        for state in self.all.values_mut() {
            match agreed {
                true if is_it(state) => state.fault = None,
                false if !is_it(state) => {
                    state.fault = Some(OrderFault::NotAgreed);
                    news = true;
                }
                _ => {}
            }
        }
        if news {
            let fault = OrderFault::NotAgreed;
            tracing::warn!("{fault}; {}", fault.mend());
        }
    }
}

impl State {
    /// When it is to be ordered; at once, where there is none for all names.
    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let whole = self.served.as_ref().filter(|_| self.whole);
        let fit = whole.map(|served| served.fit);
        let renewal = fit.map(|fit| self.hint.renew_at(&fit));
        renewal.max(self.pace.not_before(now))
    }

    fn lacking(&self) -> Option<Lacking> {
        let until = self.served.as_ref().map(|served| served.fit.until.to_seconds());
        match (&self.fault, until) {
            (Some(fault), Some(until)) => {
                let what =
                    format!("no other certificate, and the present one ends at {until}: {fault}");
                Some(Lacking { what, mend: fault.mend(), serves: true })
            }
            (Some(fault), None) => {
                Some(Lacking { what: fault.to_string(), mend: fault.mend(), serves: false })
            }
            _ if !self.whole => {
                let what = "the CA is asked for it at this moment".to_owned();
                let serves = self.served.is_some();
                Some(Lacking { what, mend: "wait a minute", serves })
            }
            _ => None,
        }
    }
}

/// A wall clock may be set, so that no timer can wait for two thirds of a certificate's life.
const LOOK: Duration = Duration::from_secs(60);
const A_DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests;
