//! Which certificates have their keys beside the records, and are so made and renewed here.

use std::collections::HashSet;

use store::{CertificateId, Reader};

use crate::error::AuthorityError;
use crate::issuance::{SERVER_KEYS, server_key};

/// The names of the keys, without the keys.
#[derive(Debug, Default)]
pub struct KeptKeys(HashSet<String>);

impl KeptKeys {
    pub(crate) async fn of(store: &Reader) -> Result<Self, AuthorityError> {
        Ok(Self(store.secret_names_below(SERVER_KEYS).await?))
    }

    /// Whether the key of this certificate is among them.
    pub fn has(&self, id: &CertificateId) -> bool {
        self.0.contains(&server_key(&id.serial))
    }
}
