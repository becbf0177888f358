//! What connections carried since the door was opened: those that ended and those that are open, in one sum.
//!
//! Invariant: no sum gets smaller. What a connection carried is added when it leaves the registry, under the same lock
//! under which open ones are looked at.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::holder::Holder;
use crate::traffic::Traffic;

/// What some connections carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many there were.
    pub connections: u64,
    /// Requests that came over them.
    pub requests: u64,
    /// Bytes from clients, inside TLS.
    pub incoming: u64,
    /// Bytes to clients, inside TLS.
    pub outgoing: u64,
}

/// By virtual server and by device. There are as many as the settings and the records have had names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// By the server's first name.
    pub servers: BTreeMap<String, Sum>,
    /// Of those who showed a certificate.
    pub devices: HashMap<Holder, Sum>,
}

impl Sum {
    fn add(&mut self, traffic: &Traffic) {
        self.connections += 1;
        self.requests += traffic.requests();
        self.incoming += traffic.incoming();
        self.outgoing += traffic.outgoing();
    }
}

impl Sums {
    /// With one connection more.
    pub(crate) fn add(&mut self, server: &str, holder: Option<&Holder>, traffic: &Traffic) {
        match self.servers.get_mut(server) {
            Some(sum) => sum.add(traffic),
            None => self.servers.entry(server.to_owned()).or_default().add(traffic),
        }
        let Some(holder) = holder else { return };
        match self.devices.get_mut(holder) {
            Some(sum) => sum.add(traffic),
            None => self.devices.entry(holder.clone()).or_default().add(traffic),
        }
    }
}

/// Requests that were refused and answers that broke off, by server and reason.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<String, Arc<Counts>>>);

/// Those of one server.
#[derive(Debug)]
pub(crate) struct Counts {
    refused: [AtomicU64; web::Refusal::ALL.len()],
    broke: AtomicU64,
}

/// The same at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    /// Refused requests by the reason's code; all reasons, from zero.
    pub refused: BTreeMap<&'static str, u64>,
    /// Refused requests by whose fault it was: the client's, the backend's, ours.
    pub by_fault: [u64; 3],
    /// Answers that broke off behind their beginning.
    pub broke: u64,
}

impl Failures {
    /// Those of the server of this label.
    pub(crate) fn of(&self, label: &str) -> Arc<Counts> {
        let mut all = self.all();
        match all.get(label) {
            Some(counts) => Arc::clone(counts),
            None => Arc::clone(all.entry(label.to_owned()).or_default()),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Counts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    pub(crate) fn refused(&self, refusal: web::Refusal) {
        if let Some(at) = web::Refusal::ALL.iter().position(|one| *one == refusal) {
            self.refused[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn broke(&self) {
        self.broke.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn at_present(&self) -> Failed {
        let mut failed = Failed { broke: self.broke.load(Ordering::Relaxed), ..Failed::default() };
        for (refusal, count) in web::Refusal::ALL.iter().zip(&self.refused) {
            let count = count.load(Ordering::Relaxed);
            failed.refused.insert(refusal.code(), count);
            failed.by_fault[refusal.fault() as usize] += count;
        }
        failed
    }
}

impl Default for Counts {
    fn default() -> Self {
        let refused = std::array::from_fn(|_| AtomicU64::new(0));
        Self { refused, broke: AtomicU64::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use web::Refusal;

    use super::*;

    #[test]
    fn what_was_refused_is_counted_by_reason_and_by_fault_from_zero() {
        let failures = Failures::default();
        let counts = failures.of("wiki");
        counts.refused(Refusal::NotFound);
        counts.refused(Refusal::BackendDown);
        counts.refused(Refusal::BackendSilent);
        failures.of("wiki").broke();
        let failed = counts.at_present();
        assert_eq!((failed.by_fault, failed.broke), ([1, 2, 0], 1));
        assert_eq!(failed.refused.len(), Refusal::ALL.len());
        assert_eq!((failed.refused["http-not-found"], failed.refused["http-internal"]), (1, 0));
        assert_eq!(failures.of("other").at_present().by_fault, [0; 3]);
    }
}
