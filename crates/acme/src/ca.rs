//! A CA, and who asks it.
//!
//! Invariant: no account is made, nor anything else asked, by whoever has not agreed to the CA's terms; that is for the
//! caller to know, and [`Ca`] is only made of one who has.

use std::fmt;

use instant_acme::{AccountBuilder, AccountCredentials, ExternalAccountKey, NewAccount};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::error::AcmeError;
use crate::http::{Https, Trust};
use crate::nonces::Rounds;
use crate::renewal::{self, Renewal};

/// A CA, and who asks it.
#[derive(Debug)]
pub struct Ca {
    directory: String,
    http: Https,
    email: Option<String>,
    eab: Option<Eab>,
}

/// What binds an account to one that somebody has with that CA otherwise (RFC 8555 section 7.3.4).
pub struct Eab {
    /// What the CA calls it.
    pub id: String,
    /// The key that the CA gave, decoded.
    pub key: Zeroizing<Vec<u8>>,
}

/// An account as it is kept: a secret.
pub struct Kept(pub Zeroizing<Vec<u8>>);

impl Ca {
    /// The CA with this directory, whose terms were agreed to. `trust` says whom its web server's certificate has to
    /// come from.
    pub fn new(directory: String, trust: Trust, email: Option<String>, eab: Option<Eab>) -> Self {
        Self { directory, http: Https::new(trust), email, eab }
    }

    /// When it would have the certificate renewed; nothing where it says nothing of that. This needs no account.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn renewal(&self, leaf: &CertificateDer<'_>) -> Result<Option<Renewal>, AcmeError> {
        renewal::ask(&self.http, &self.directory, leaf).await
    }

    /// The account that was kept, or one that is made now and has to be kept.
    ///
    /// # Errors
    /// [`AcmeError::AccountUnknown`] is only found out by the first order.
    pub async fn account(&self, kept: Option<&Kept>) -> Result<(Account, Option<Kept>), AcmeError> {
        if let Some(credentials) = kept.and_then(Kept::read) {
            let account = self.builder().from_credentials(credentials).await;
            let account = account.map_err(|error| AcmeError::of(error, &self.http))?;
            return Ok((Account::new(account, self.http.clone()), None));
        }
        let mut rounds = Rounds::all();
        loop {
            if let Some(over) = rounds.over(self.make().await) {
                return over;
            }
        }
    }

    async fn make(&self) -> Result<(Account, Option<Kept>), AcmeError> {
        let contact = self.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let eab = self.eab.as_ref().map(|eab| ExternalAccountKey::new(eab.id.clone(), &eab.key));
        let made = self.builder().create(&new, self.directory.clone(), eab.as_ref()).await;
        let (account, credentials) = made.map_err(|error| AcmeError::of(error, &self.http))?;
        let kept = Kept::write(&credentials);
        Ok((Account::new(account, self.http.clone()), kept))
    }

    fn builder(&self) -> AccountBuilder {
        instant_acme::Account::builder_with_http(Box::new(self.http.clone()))
    }
}

impl Kept {
    /// What can't be read is none: another account is made.
    fn read(&self) -> Option<AccountCredentials> {
        serde_json::from_slice(&self.0).ok()
    }

    fn write(credentials: &AccountCredentials) -> Option<Self> {
        serde_json::to_vec(credentials).ok().map(|text| Self(Zeroizing::new(text)))
    }
}

impl fmt::Debug for Eab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Eab({})", self.id)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
