//! What a CA has revoked, by the last list that it signed: the memory that no asker can talk out of it.
//!
//! Invariant: a revocation that was signed stays on every later list, but for a hold, which may be lifted or
//! become a revocation for good; and numbers only grow (RFC 5280 section 5.2.3).

use std::collections::BTreeMap;

use pki::{Crl, CrlRequest, Revocation, RevocationReason, Serial, SignError, Timestamp};

/// What is known of the last list that a CA signed.
#[derive(Clone, Debug)]
pub enum Last {
    /// There was none.
    None,
    /// It is this one.
    List(Crl),
    /// There was one, and it can't be read.
    Unreadable,
}

impl Last {
    /// What these octets tell of it.
    pub(crate) fn of_der(der: &[u8]) -> Self {
        Crl::from_der(der).map_or(Self::Unreadable, Self::List)
    }
}

/// The last list of one CA.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    number: Option<u64>,
    next_update: Option<Timestamp>,
    /// Those that were revoked for good.
    revoked: Vec<Serial>,
}

impl Listed {
    /// The memory of this list, whose signature the caller has checked.
    pub(crate) fn of(crl: &Crl) -> Self {
        let next_update = Some(crl.next_update());
        Self { number: crl.number(), next_update, revoked: for_good(crl.revoked()) }
    }

    /// Whether this list may come after the last one.
    pub(crate) fn allows(&self, next: &CrlRequest) -> Result<(), SignError> {
        // The first one has its bound as well.
        let last = self.number.unwrap_or(0);
        if next.number <= last {
            return Err(SignError::NumberNotHigher { last });
        }
        if next.number - last > MOST_AHEAD {
            return Err(SignError::NumberTooHigh);
        }
        let held = |serial: &&Serial| match next.revoked.get(serial) {
            None => true,
            Some(entry) => entry.reason == RevocationReason::CertificateHold,
        };
        match self.revoked.iter().find(held) {
            Some(dropped) => Err(SignError::RevocationDropped(*dropped)),
            None => Ok(()),
        }
    }

    /// This list was signed.
    pub(crate) fn becomes(&mut self, list: &CrlRequest) {
        let (number, next_update) = (Some(list.number), Some(list.next_update));
        *self = Self { number, next_update, revoked: for_good(&list.revoked) };
    }

    /// Whether this was revoked for good.
    pub(crate) fn has(&self, serial: &Serial) -> bool {
        self.revoked.contains(serial)
    }

    /// Until when the last list holds, where there was one.
    pub(crate) fn holds_until(&self) -> Option<Timestamp> {
        self.next_update
    }
}

fn for_good(revoked: &BTreeMap<Serial, Revocation>) -> Vec<Serial> {
    let for_good = |entry: &Revocation| entry.reason != RevocationReason::CertificateHold;
    revoked.iter().filter(|(_, entry)| for_good(entry)).map(|(serial, _)| *serial).collect()
}

/// A number beyond all others would leave none for the lists after it. The seconds since 1970 are below this.
const MOST_AHEAD: u64 = 1 << 32;
