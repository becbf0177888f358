//! Certificates that are renewed by themselves go from the records, with their keys, once they have ended for long: the
//! gateway's own, those of virtual servers, and those of who signs OCSP answers. The log goes on telling of them.
//!
//! Those of devices stay, those whose key is elsewhere, and those that were revoked: the CRL goes on listing them.

use std::time::Duration;

use clock::Timestamp;
use store::{Actor, CertificateEntry, Ended, Holder};

use crate::error::AuthorityError;
use crate::issuance::{DAY, Issuance, server_key};
use crate::kept_keys::KeptKeys;
use crate::rollover::is_of_ocsp;

impl Issuance {
    pub(crate) async fn forget_ended(&self) -> Result<(), AuthorityError> {
        let (now, snapshot) = (self.now(), self.store.snapshot());
        let is_over = |entry: &&CertificateEntry| {
            entry.revoked.is_none() && forgotten_at(entry.recorded_at, entry.not_after) < now
        };
        let over = snapshot.certificates().map(|entry| &**entry).filter(is_over);
        let over: Vec<_> = over.filter(|e| !matches!(e.holder, Holder::Device(_))).collect();
        if over.is_empty() {
            return Ok(());
        }
        let kept = KeptKeys::of(&self.store).await?;
        let ended = |entry: &&CertificateEntry| {
            let key = kept.has(&entry.id).then(|| server_key(&entry.id.serial));
            let is_own = key.is_some() || is_of_ocsp(&entry.holder);
            is_own.then_some(Ended { id: entry.id, key })
        };
        let ended: Vec<_> = over.iter().filter_map(ended).take(AT_ONCE).collect();
        if !ended.is_empty() {
            self.store.certificates_forget(&Actor::Gateway, ended, now).await?;
        }
        Ok(())
    }
}

/// As long after its end as it lived, which is a day at least and a month at most: a clock that was ahead for a while
/// has cost nothing by then.
fn forgotten_at(issued: Timestamp, not_after: Timestamp) -> Timestamp {
    not_after.after(not_after.since(issued).clamp(DAY, MONTH))
}

const MONTH: Duration = Duration::from_secs(30 * 86_400);
/// So that others wait for the disk no longer than for any change.
const AT_ONCE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lived_for_minutes_goes_after_a_day_and_what_lived_for_years_after_a_month() {
        let issued = Timestamp::from_unix_secs(1_700_000_000);
        for (life, after) in [(DAY / 144, DAY), (DAY * 14, DAY * 14), (DAY * 825, MONTH)] {
            let end = issued.after(life);
            assert_eq!(forgotten_at(issued, end), end.after(after));
        }
    }
}
