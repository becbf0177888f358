//! Certificates that another CA makes when it is asked by ACME: kept with the records, in service, renewed in time.
//!
//! One is ordered at a time. What an order has come to is kept nowhere but at the CA, so that one that was cut off is
//! begun anew. Not here: when it is looked, and the protocol (`acme`). Invariant: nothing is asked of a CA before its
//! terms were agreed to, and nothing before it may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acme::Pace;
use clock::{Clock, Timestamp};
use front::{Settings, VirtualServer};
use tokio::sync::Notify;

use self::fault::OrderFault;
use self::order::Desk;
use self::stage::DoorStage;
use self::wanted::{Wanted, wanted};
use super::served::Served;
use crate::config::Config;
use crate::context::Context;

mod ca;
mod fault;
mod order;
mod stage;
mod wanted;

/// Keeps them.
#[derive(Debug)]
pub(super) struct Ordered {
    desk: Desk,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Held {
    all: HashMap<Wanted, State>,
    /// Of failures that are the CA's, whatever was ordered.
    ca: Pace,
}

#[derive(Debug, Default)]
struct State {
    served: Option<Served>,
    /// Whether that is for all names. One of before a name was added serves until the next comes.
    whole: bool,
    pace: Pace,
    fault: Option<OrderFault>,
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
        let desk = Desk { store, clock: Arc::clone(&clock), stage };
        Self { desk, clock, held: Mutex::default(), wake: Notify::new() }
    }

    /// Knows from here on what the settings want, and what was kept of it.
    pub(super) async fn follow(&self, config: &Config) {
        let wanted: Vec<_> = config.tls.server.iter().flat_map(wanted).collect();
        self.held().all.retain(|one, _| wanted.contains(one));
        for one in wanted {
            if self.held().all.contains_key(&one) {
                continue;
            }
            let (served, whole) = self.desk.kept(&one).await;
            self.held().all.insert(one, State { served, whole, ..State::default() });
        }
        self.held().agree(config.acme.terms_agreed);
    }

    /// Orders the one that is due, if one is.
    pub(super) async fn look(&self, config: &Config) -> Looked {
        let now = self.now();
        let due = self.held().next(&config.tls).filter(|_| config.acme.terms_agreed);
        let Some((wanted, at)) = due else { return Looked { news: false, pause: LOOK } };
        if now < at {
            return Looked { news: false, pause: at.since(now).min(LOOK) };
        }
        let failures = self.held().all.get(&wanted).map_or(0, |state| state.pace.failures());
        let ordered = self.desk.order(&config.acme, &wanted, failures).await;
        self.note(&wanted, ordered);
        Looked { news: true, pause: Duration::ZERO }
    }

    fn note(&self, wanted: &Wanted, ordered: Result<Served, OrderFault>) {
        let (now, name) = (self.now(), wanted.names.first());
        let mut held = self.held();
        let Held { all, ca } = &mut *held;
        let Some(state) = all.get_mut(wanted) else { return };
        match ordered {
            Ok(served) => {
                let until = served.fit.until.to_seconds();
                tracing::info!(name, until, "another CA made a virtual server's certificate");
                *state = State { served: Some(served), whole: true, ..State::default() };
                *ca = Pace::default();
            }
            Err(fault) => {
                let error = fault.error();
                state.pace.failed(&error, now);
                if error.is_of_the_ca() {
                    ca.failed(&error, now);
                }
                let again = state.pace.not_before().max(ca.not_before());
                let again = again.map(Timestamp::to_seconds);
                tracing::error!(name, again, "{fault}; {}", fault.mend());
                state.fault = Some(fault);
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
        let states = wanted(server).into_iter().filter_map(|one| held.all.get(&one));
        states.filter_map(|state| state.served.clone()).collect()
    }

    /// What is wrong with a server's.
    pub(super) fn lacking(&self, server: &VirtualServer) -> Vec<Lacking> {
        let held = self.held();
        let states = wanted(server).into_iter().filter_map(|one| held.all.get(&one));
        states.filter_map(State::lacking).collect()
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The one that is due first, in the order of the settings among those that are due at once.
    fn next(&self, settings: &Settings) -> Option<(Wanted, Timestamp)> {
        let all = settings.server.iter().flat_map(wanted);
        let due = all.filter_map(|one| {
            let at = self.all.get(&one)?.due().max(self.ca.not_before());
            Some((one, at.unwrap_or_default()))
        });
        due.min_by_key(|(_, at)| *at)
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
    fn due(&self) -> Option<Timestamp> {
        let whole = self.served.as_ref().filter(|_| self.whole);
        let fit = whole.map(|served| served.fit);
        let renewal = fit.map(|fit| Pace::renew_at(fit.since, fit.until));
        renewal.max(self.pace.not_before())
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

#[cfg(test)]
mod tests;
