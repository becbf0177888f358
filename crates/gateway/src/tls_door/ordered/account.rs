//! The gateway's account with a CA: made once, kept, and told who it is.
//!
//! Not here: what is ordered by it. Invariant: an account that was made is used, whether or not the disk took it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acme::{Account, AcmeError, Ca, Kept};
use store::{Secret, Store};
use zeroize::Zeroizing;

use super::drawer::Drawer;
use super::fault::OrderFault;
use crate::config::Acme;

/// Those of all CAs, each in its place.
#[derive(Debug)]
pub(super) struct Accounts {
    drawer: Arc<Drawer<Store>>,
    /// What the CA that was asked last knows of us.
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    place: String,
    email: Option<String>,
}

impl Accounts {
    pub(super) fn kept_in(drawer: Arc<Drawer<Store>>) -> Self {
        Self { drawer, known: Mutex::default() }
    }

    /// The one that was kept, once the CA has said that it knows it, or one that is made and kept.
    pub(super) async fn account(&self, settings: &Acme, ca: &Ca) -> Result<Account, OrderFault> {
        let place = place(settings);
        let kept = self.drawer.get(&place).await;
        let kept = kept.map_err(|error| OrderFault::Records { why: error.to_string() })?;
        let kept = kept.map(|secret| Kept(Zeroizing::new(secret.expose().to_vec())));
        let (account, made) = ca.account(kept.as_ref()).await?;
        match made {
            Some(Kept(made)) => {
                self.drawer.put(&place, Secret::from(made)).await;
                let directory = settings.directory.as_str();
                tracing::info!(directory, "there is an account with a CA");
                *self.known() = Some(known(settings));
            }
            None => self.make_known(settings, &account).await?,
        }
        Ok(account)
    }

    /// Another address may stand in the settings than when the account was made.
    async fn make_known(&self, settings: &Acme, account: &Account) -> Result<(), OrderFault> {
        if *self.known() == Some(known(settings)) {
            return Ok(());
        }
        match account.write_to(settings.email.as_deref()).await {
            Err(AcmeError::AccountUnknown) => {
                self.forget(settings).await;
                return Err(AcmeError::AccountUnknown.into());
            }
            // It may issue all the same.
            Err(error) => tracing::warn!("the CA was not told whom to write to: {error}"),
            Ok(()) => {}
        }
        *self.known() = Some(known(settings));
        Ok(())
    }

    /// The CA has refused something: it may be the account. The next order asks.
    pub(super) fn doubt(&self) {
        *self.known() = None;
    }

    /// The CA does not know it: another one is made.
    pub(super) async fn forget(&self, settings: &Acme) {
        // What can't be read is none.
        self.drawer.put(&place(settings), Secret::new(Vec::new())).await;
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn known(settings: &Acme) -> Known {
    Known { place: place(settings), email: settings.email.clone() }
}

/// Each CA has its own.
fn place(settings: &Acme) -> String {
    format!("acme/account/{}", settings.directory.as_str())
}
