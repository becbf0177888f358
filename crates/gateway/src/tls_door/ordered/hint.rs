//! When a CA would have one certificate renewed, as far as it was asked.
//!
//! It is a hint: a CA may say so when it is about to revoke many certificates, or to spread those that it is asked for. Of
//! its window a moment is chosen by the certificate's hash, so that it is the same one after a restart. Invariant: whatever
//! a CA says, a certificate is renewed when nine tenths of its life are over.

use std::time::Duration;

use acme::{Pace, Renewal};
use clock::Timestamp;
use pki::{Fingerprint, Fit};

/// What was said of one certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    at: Option<Timestamp>,
    /// When it is asked again.
    again: Option<Timestamp>,
}

impl Hint {
    /// Whether the CA may be asked.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        // What is further away was set by a clock that was ahead.
        self.again.is_none_or(|again| again <= now || again.since(now) > LONGEST)
    }

    /// What it has said of this certificate; nothing where it was not reached, or has nothing to say.
    pub(super) fn heard(&mut self, said: Option<Renewal>, leaf: &Fingerprint, now: Timestamp) {
        self.again = Some(now.after(said.map_or(SILENT, |renewal| renewal.ask_again)));
        if let Some(Renewal { from, to, .. }) = said {
            self.at = Some(from.after(to.since(from).mul_f64(share(leaf))));
        }
    }

    /// Whether the CA knows of renewals.
    pub(super) fn is_known(&self) -> bool {
        self.at.is_some()
    }

    /// When it is renewed: when two thirds of its life are over, where the CA says nothing else.
    pub(super) fn renew_at(&self, fit: &Fit) -> Timestamp {
        let last = fit.since.after(fit.until.since(fit.since) * 9 / 10);
        self.at.map_or_else(|| Pace::renew_at(fit.since, fit.until), |at| at.min(last))
    }
}

/// A number from 0 to 1.
fn share(leaf: &Fingerprint) -> f64 {
    let first = leaf.as_bytes().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    f64::from(first) / f64::from(u32::MAX)
}

/// Until it is asked again.
const SILENT: Duration = Duration::from_secs(6 * 3600);
/// Nobody is told to wait for longer.
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use pki::{CertificateId, IssuerId, Serial};

    use super::*;

    #[test]
    fn a_moment_of_the_window_is_chosen_by_the_certificate_and_none_too_late() {
        let mut hint = Hint::default();
        assert_eq!(hint.renew_at(&fit()), at(600));
        let renewal = |from, to| Some(Renewal { from: at(from), to: at(to), ask_again: HOUR });
        for (first, moment) in [(0x00, 100), (0x80, 150), (0xff, 200)] {
            hint.heard(renewal(100, 200), &Fingerprint::from_bytes([first; 32]), at(0));
            let chosen = hint.renew_at(&fit());
            assert!(
                chosen.since(at(moment)).max(at(moment).since(chosen)) < HOUR / 3600,
                "{first}"
            );
        }
        hint.heard(renewal(880, 9_000_000), &Fingerprint::from_bytes([0x80; 32]), at(0));
        assert_eq!(hint.renew_at(&fit()), at(810), "nine tenths");
    }

    #[test]
    fn a_ca_is_asked_again_when_it_said_and_its_word_stays_while_it_is_silent() {
        let mut hint = Hint::default();
        assert!(hint.is_due(at(0)) && !hint.is_known());
        let leaf = Fingerprint::from_bytes([0; 32]);
        let said = Renewal { from: at(100), to: at(200), ask_again: HOUR };
        hint.heard(Some(said), &leaf, at(0));
        assert!(hint.is_known() && !hint.is_due(at(3599)) && hint.is_due(at(3600)));
        hint.heard(None, &leaf, at(3600));
        assert_eq!((hint.renew_at(&fit()), hint.is_due(at(3601))), (at(100), false));
        let behind = at(0).before(Duration::from_secs(2 * 86_400));
        assert!(hint.is_due(behind), "the clock was ahead");
    }

    /// 900 seconds.
    fn fit() -> Fit {
        let serial = Serial::from_bytes(&[7]).unwrap();
        let id = CertificateId { issuer: IssuerId::of_name(b"a CA"), serial };
        Fit { id, since: at(0), until: at(900) }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_secs(1_795_000_000 + seconds)
    }

    const HOUR: Duration = Duration::from_secs(3600);
}
