//! The CRL: signed anew at every revocation and at half its life, without anyone asking.

use std::time::Duration;

use pki::{CrlRequest, Timestamp};
use store::{Actor, Crl, EventId, NewCrl, Revocation};

use crate::error::AuthorityError;
use crate::issuer::{DAY, Issuer};

impl Issuer {
    /// Sees to it that the present CRL lists every revocation and is not past half its life.
    /// Gives its number. Callers that come together share one signature.
    pub(crate) async fn crl_catch_up(&self) -> Result<u64, AuthorityError> {
        let _one = self.signing.lock().await;
        let latest = self.store.crl_latest(self.generation.id).await?;
        let (revocations, through) = self.store.revocation_list(self.generation.id).await?;
        match latest {
            Some(crl) if complete(&crl, &revocations) && !self.is_due(&crl) => Ok(crl.number),
            latest => {
                let number = latest.map_or(1, |crl| crl.number + 1);
                self.sign_crl(number, &revocations, through).await
            }
        }
    }

    async fn sign_crl(
        &self,
        number: u64,
        revocations: &[Revocation],
        through: EventId,
    ) -> Result<u64, AuthorityError> {
        let this_update = self.now();
        let days = u64::from(self.settings.load().crl_days);
        let next_update = this_update.after(Duration::from_secs(days * DAY));
        let revoked = revocations.iter().map(|r| (r.id.serial, entry(r))).collect();
        let request = CrlRequest { number, this_update, next_update, revoked };
        let crl = pki::sign_crl(&*self.signer, request).await?;
        let new = NewCrl {
            generation: self.generation.id,
            number,
            this_update: this_update.unix_secs(),
            next_update: next_update.unix_secs(),
            through,
            der: crl.der().to_vec(),
        };
        self.store.crl_record(&Actor::Gateway, new).await?;
        tracing::info!(number, revoked = revocations.len(), "CRL signed");
        Ok(number)
    }

    /// Half its life is over, or it is dated into a future that a wrong clock believed in.
    fn is_due(&self, crl: &Crl) -> bool {
        let now = self.now().unix_secs();
        let half = crl.next_update.saturating_sub(crl.this_update) / 2;
        now >= crl.this_update.saturating_add(half) || now < crl.this_update
    }
}

fn complete(crl: &Crl, revocations: &[Revocation]) -> bool {
    revocations.iter().all(|revocation| revocation.event <= crl.through)
}

fn entry(revocation: &Revocation) -> pki::Revocation {
    pki::Revocation { at: Timestamp::from_unix_secs(revocation.at), reason: revocation.reason }
}
