//! A certificate that another CA made, in service or about to be: with its key, after a look at whether it serves.

use std::sync::Arc;

use clock::Timestamp;
use pki::{Fit, IdentityError, Unfit, fits, identity_from_pem};
use rustls::sign::CertifiedKey;

/// A certificate with its key. Its key is nowhere in `Debug`.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) identity: Arc<CertifiedKey>,
    pub(super) fit: Fit,
}

/// Why one does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotServed {
    /// Key and certificate don't belong together, or one can't be read.
    Identity(IdentityError),
    /// The chain is not for that server, at that moment.
    Chain(Unfit),
}

impl Served {
    /// What these PEM texts hold, if it serves under all of these names.
    pub(super) fn of(
        chain: &str,
        key: &str,
        names: &[String],
        now: Timestamp,
    ) -> Result<Self, NotServed> {
        let identity = identity_from_pem(chain, key).map_err(NotServed::Identity)?;
        let fit = fits(&identity.cert, names, now).map_err(NotServed::Chain)?;
        Ok(Self { identity, fit })
    }

    /// Whether it is over.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.fit.until < now.whole_second()
    }
}
