//! What is known of a certificate at a moment, by what its CA said of it in one way and the other.
//!
//! Nothing is checked here: what comes was judged before. Invariant: a revocation that is no hold outweighs
//! everything, whatever its age.

use crate::ocsp::{CLOCK_TOLERANCE, OcspStatus, OcspVerdict};
use crate::{Crl, Revocation, Serial, Timestamp};

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The CA's OCSP responder; the peer sent it along.
    Staple,
    /// The CA's OCSP responder.
    Ocsp,
    /// The CA's list.
    Crl,
}

/// What is known of a certificate at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Good {
        /// Until when that may be gone by.
        until: Timestamp,
        /// From when on it should be asked again.
        ask_from: Timestamp,
        /// Who said it last.
        by: Source,
    },
    /// It was revoked.
    Revoked(Revocation),
    /// Nobody said anything, or what was said is stale.
    Open,
}

/// What one of them says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opinion {
    revoked: Option<Revocation>,
    of: Timestamp,
    until: Timestamp,
    by: Source,
}

impl Opinion {
    pub(super) fn of_answer(verdict: &OcspVerdict, by: Source) -> Self {
        let OcspVerdict { status, this_update, next_update } = *verdict;
        let revoked = match status {
            OcspStatus::Revoked(why) => Some(why),
            OcspStatus::Good | OcspStatus::Unknown => None,
        };
        Self { revoked, of: this_update, until: next_update.after(CLOCK_TOLERANCE), by }
    }

    pub(super) fn of_list(crl: &Crl, serial: Serial) -> Self {
        let revoked = crl.revoked().get(&serial).copied();
        Self { revoked, of: crl.this_update(), until: crl.next_update(), by: Source::Crl }
    }

    /// The newer one counts; of two of one moment, the one that says that it was revoked. A revocation does not
    /// become stale, but one that may have been lifted does.
    pub(super) fn together(one: Option<Self>, other: Option<Self>, now: Timestamp) -> Verdict {
        let both = [one, other].into_iter().flatten();
        let for_good = |said: &Self| said.revoked.is_some_and(|why| why.is_for_good());
        let weight = |said: &Self| (for_good(said), said.of, said.revoked.is_some());
        let Some(newest) = both.clone().max_by_key(weight) else { return Verdict::Open };
        match newest.revoked {
            Some(why) if !why.is_for_good() && now > newest.until => return Verdict::Open,
            Some(why) => return Verdict::Revoked(why),
            None => {}
        }
        let fresh = both.filter(|said| said.revoked.is_none() && now <= said.until);
        match fresh.max_by_key(|said| said.until) {
            None => Verdict::Open,
            Some(Self { of, until, by, .. }) => {
                Verdict::Good { until, ask_from: of.after(until.since(of) / 2), by }
            }
        }
    }
}
