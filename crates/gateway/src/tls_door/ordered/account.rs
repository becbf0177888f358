//! The gateway's account with a CA: made once, kept, and told who it is.
//!
//! Not here: what is ordered by it. Invariant: an account that was made is used, whether or not the disk took it.

use std::sync::Arc;

use acme::{Account, Ca, Kept};
use store::{Secret, Store};
use zeroize::Zeroizing;

use super::drawer::Drawer;
use super::fault::OrderFault;
use crate::config::Acme;

/// Those of all CAs, each in its place.
#[derive(Debug)]
pub(super) struct Accounts {
    drawer: Arc<Drawer<Store>>,
}

impl Accounts {
    pub(super) fn kept_in(drawer: Arc<Drawer<Store>>) -> Self {
        Self { drawer }
    }

    /// The one that was kept, or one that is made and kept.
    pub(super) async fn account(&self, settings: &Acme, ca: &Ca) -> Result<Account, OrderFault> {
        let place = place(settings);
        let kept = self.drawer.get(&place).await;
        let kept = kept.map_err(|error| OrderFault::Records { why: error.to_string() })?;
        let kept = kept.map(|secret| Kept(Zeroizing::new(secret.expose().to_vec())));
        let (account, made) = ca.account(kept.as_ref()).await?;
        if let Some(Kept(made)) = made {
            self.drawer.put(&place, Secret::from(made)).await;
            let directory = settings.directory.as_str();
            tracing::info!(directory, "there is an account with a CA");
        }
        Ok(account)
    }

    /// The CA does not know it: another one is made.
    pub(super) async fn forget(&self, settings: &Acme) {
        // What can't be read is none.
        self.drawer.put(&place(settings), Secret::new(Vec::new())).await;
    }
}

/// Each CA has its own.
fn place(settings: &Acme) -> String {
    format!("acme/account/{}", settings.directory.as_str())
}
