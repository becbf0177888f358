//! The CRLs, one of each issuer: signed anew at every revocation, at every hold and its end, and at half their
//! life, without anyone asking.
//!
//! Whether one is due is told by what it lists: a hold that was lifted leaves no trace in the records.

use std::collections::BTreeMap;

use pki::{CrlRequest, Revocation, RevocationReason, Serial, SignError, Timestamp};
use store::{Actor, EventId, Listed, NewCrl};

use crate::error::AuthorityError;
use crate::issuance::{DAY, Issuance};
use crate::issuer::Issuer;

impl Issuance {
    /// Sees to it that the present CRL of each issuer that can sign lists every revocation of its
    /// certificates and is not past half its life. Callers that come together share the signatures.
    pub(crate) async fn crls_catch_up(&self) -> Result<(), AuthorityError> {
        let _one = self.signing.lock().await;
        // A CRL tells of what is recorded; it would lack what is in force beyond that.
        if self.store.waiting().borrow().changes > 0 {
            return Err(AuthorityError::Waiting);
        }
        let mut outcome = Ok(());
        for issuer in self
            .issuers
            .load()
            .all()
            .iter()
            .filter(|issuer| issuer.can_sign() && !self.is_over(issuer))
        {
            // One that fails keeps no other from being signed.
            outcome = outcome.and(self.crl_catch_up(issuer).await);
        }
        outcome
    }

    async fn crl_catch_up(&self, issuer: &Issuer) -> Result<(), AuthorityError> {
        let generation = issuer.generation().id;
        let latest = self.store.crl_latest(generation).await?;
        let Listed { revocations, holds, through } = self.store.listed(generation).await?;
        let revoked: BTreeMap<_, _> = revocations
            .iter()
            .map(|r| (r.id.serial, Revocation { at: r.at, reason: r.reason }))
            .chain(holds.iter().map(|hold| (hold.id.serial, on_hold(hold))))
            .collect();
        let now = self.now();
        // One that would speak of a time before the CA was made takes the place of a good one for nothing.
        let early = now < issuer.certificate().validity().not_before;
        if let Some(crl) = &latest
            && let Ok(crl) = pki::Crl::from_der(&crl.der)
            && *crl.revoked() == revoked
            && (early || !crl.is_due(now))
        {
            return Ok(());
        }
        if early {
            return Err(AuthorityError::Clock { now });
        }
        let last = latest.map_or(0, |crl| crl.number);
        match self.sign_crl(issuer, after(last, now), &revoked, through).await {
            // It was signed and not recorded: the process ended in between.
            Err(AuthorityError::Sign(SignError::NumberNotHigher { last })) => {
                self.sign_crl(issuer, after(last, now), &revoked, through).await
            }
            signed => signed,
        }
    }

    async fn sign_crl(
        &self,
        issuer: &Issuer,
        number: u64,
        revoked: &BTreeMap<Serial, Revocation>,
        through: EventId,
    ) -> Result<(), AuthorityError> {
        let this_update = self.now();
        let next_update = this_update.after(DAY * self.settings.load().crl_days);
        let request = CrlRequest { number, this_update, next_update, revoked: revoked.clone() };
        let crl = pki::sign_crl(&**issuer.signer()?, request).await?;
        let new = NewCrl {
            generation: issuer.generation().id,
            number,
            this_update,
            next_update,
            through,
            der: crl.der().to_vec(),
        };
        self.store.crl_record(&Actor::Gateway, new).await?;
        let of = &issuer.generation().subject;
        tracing::info!(of, number, revoked = revoked.len(), "CRL signed");
        Ok(())
    }
}

/// The number after this one. Records that were put back have a former one as the last; clients that know of the
/// lists in between take none with a lower number, so that it never falls behind the seconds that went by.
fn after(last: u64, now: Timestamp) -> u64 {
    now.unix_secs().max(last.saturating_add(1))
}

fn on_hold(hold: &store::Hold) -> Revocation {
    Revocation { at: hold.at, reason: RevocationReason::CertificateHold }
}
