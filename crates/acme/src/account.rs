//! An account with a CA, which orders certificates.
//!
//! Not here: how an order goes (`order`). Invariant: an order goes on for a bounded time.

use std::fmt;
use std::time::Duration;

use pki::PrivateKey;
use tokio::time::timeout;

use crate::challenge::Method;
use crate::error::AcmeError;
use crate::http::Https;
use crate::nonces::Rounds;
use crate::order::{self, Placed};

/// An account with a CA.
pub struct Account {
    account: instant_acme::Account,
    http: Https,
}

impl Account {
    pub(crate) fn new(account: instant_acme::Account, http: Https) -> Self {
        Self { account, http }
    }

    /// Tells the CA whom it writes to from here on, and so finds out whether it knows the account still.
    ///
    /// # Errors
    /// [`AcmeError::AccountUnknown`] where it does not, or has been told to know it no longer.
    pub async fn write_to(&self, email: Option<&str>) -> Result<(), AcmeError> {
        let contact = email.map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        timeout(AT_MOST, self.tell(&contact)).await.unwrap_or(Err(AcmeError::slow(None)))
    }

    async fn tell(&self, contact: &[&str]) -> Result<(), AcmeError> {
        let mut rounds = Rounds::all();
        loop {
            let told = self.account.update_contacts(contact).await;
            let told = told.map_err(|error| AcmeError::of_account(error, &self.http));
            if let Some(over) = rounds.over(told) {
                return over;
            }
        }
    }

    /// A chain, as PEM, for this key under these names. Each is proved by the first of these methods that the CA offers.
    /// After [`AcmeError::Slow`] the same order, key and names go on; whatever else it ends by, `order` is over.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn certificate(
        &self,
        names: &[String],
        key: &PrivateKey,
        methods: &[Method],
        order: &mut Placed,
    ) -> Result<String, AcmeError> {
        let ordered = order::order(&self.account, &self.http, names, key, methods, order);
        timeout(AT_MOST, ordered).await.unwrap_or(Err(AcmeError::slow(None)))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.account.id())
    }
}

/// A CA looks from several places, and may take its time.
const AT_MOST: Duration = Duration::from_secs(300);
