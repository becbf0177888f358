//! The CRLs, one of each issuer: signed anew at every revocation and at half their life, without anyone
//! asking.

use std::time::Duration;

use pki::CrlRequest;
use store::{Actor, Crl, EventId, NewCrl, Revocation};

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
        for issuer in self.issuers.load().all().iter().filter(|issuer| issuer.can_sign()) {
            // One that fails keeps no other from being signed.
            outcome = outcome.and(self.crl_catch_up(issuer).await);
        }
        outcome
    }

    async fn crl_catch_up(&self, issuer: &Issuer) -> Result<(), AuthorityError> {
        let generation = issuer.generation().id;
        let latest = self.store.crl_latest(generation).await?;
        let (revocations, through) = self.store.revocation_list(generation).await?;
        match latest {
            Some(crl) if complete(&crl, &revocations) && !self.is_due(&crl) => Ok(()),
            latest => {
                let number = latest.map_or(1, |crl| crl.number + 1);
                self.sign_crl(issuer, number, &revocations, through).await
            }
        }
    }

    async fn sign_crl(
        &self,
        issuer: &Issuer,
        number: u64,
        revocations: &[Revocation],
        through: EventId,
    ) -> Result<(), AuthorityError> {
        let this_update = self.now();
        let days = u64::from(self.settings.load().crl_days);
        let next_update = this_update.after(Duration::from_secs(days * DAY));
        let revoked = revocations.iter().map(|r| (r.id.serial, entry(r))).collect();
        let request = CrlRequest { number, this_update, next_update, revoked };
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
        tracing::info!(of, number, revoked = revocations.len(), "CRL signed");
        Ok(())
    }

    /// Half its life is over, or it is dated into a future that a wrong clock believed in.
    fn is_due(&self, crl: &Crl) -> bool {
        let now = self.now();
        let half = crl.next_update.since(crl.this_update) / 2;
        now >= crl.this_update.after(half) || now < crl.this_update
    }
}

fn complete(crl: &Crl, revocations: &[Revocation]) -> bool {
    revocations.iter().all(|revocation| revocation.event <= crl.through)
}

fn entry(revocation: &Revocation) -> pki::Revocation {
    pki::Revocation { at: revocation.at, reason: revocation.reason }
}
