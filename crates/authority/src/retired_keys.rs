//! The key of a CA that was retired goes once the last certificate that it issued has been over for a month.
//!
//! Since when that is stands in the records, and is counted anew where the clock was wrong. The signer looks for itself:
//! it lets go of no key whose CA was made last, and of none whose list holds. Without its key a CA is as one whose key
//! is elsewhere.

use std::sync::Arc;
use std::time::Duration;

use clock::Timestamp;
use store::{Actor, CaGenerationId};

use crate::error::AuthorityError;
use crate::issuance::Issuance;

impl Issuance {
    pub(crate) async fn forget_retired_keys(&self) -> Result<(), AuthorityError> {
        let issuers = self.issuers.load_full();
        for issuer in issuers.all().iter().filter(|ca| ca.is_retired() && ca.can_sign()) {
            let id = issuer.generation().id;
            let holds =
                self.store.snapshot().crl(id).is_some_and(|crl| crl.next_update >= self.now());
            if self.over_for(id, self.is_over(issuer)).await? < MONTH || holds {
                continue;
            }
            let _one_making = self.making.lock().await;
            let _one = self.signing.lock().await;
            self.line.forget(issuer.certificate()).await?;
            self.issuers.rcu(|present| Arc::new(present.without_key(id)));
            let of = &issuer.generation().subject;
            tracing::info!(of, "the key of a CA is gone, as all that it issued has ended");
        }
        Ok(())
    }

    /// How long ago it was first seen that this CA has nothing to say any more.
    async fn over_for(
        &self,
        id: CaGenerationId,
        is_over: bool,
    ) -> Result<Duration, AuthorityError> {
        let (name, now) = (format!("ca/{id}/over-since"), self.now());
        let noted = self.store.setting_get(&name).await?;
        let since =
            noted.as_deref().and_then(|text| text.parse().ok()).map(Timestamp::from_unix_secs);
        let value = match (is_over, since) {
            (true, Some(since)) if since <= now => return Ok(now.since(since)),
            (true, _) => now.unix_secs().to_string(),
            (false, Some(_)) => NOT_OVER.to_owned(),
            (false, None) => return Ok(Duration::ZERO),
        };
        self.store.setting_set(&Actor::Gateway, &name, &value).await?;
        Ok(Duration::ZERO)
    }
}

const MONTH: Duration = Duration::from_secs(30 * 86_400);
/// In the place of the moment.
const NOT_OVER: &str = "no";
