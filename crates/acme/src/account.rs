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
