//! The CAs that are at work here: each with its certificate, its row and, where it can sign, its signer.
//!
//! A retired one is trusted no longer; it goes on saying what becomes of the certificates that it issued.
//!
//! One of them signs the devices' certificates and one the gateway's own, which need not be the same
//! while devices with former profiles trust the former one only. Invariant: a list is never empty, both
//! of these are in it, and both can sign.

use std::sync::Arc;

use pki::{CaCertificate, SignError, Signer};
use store::{CaGeneration, CaGenerationId};

use crate::error::AuthorityError;

/// A CA that is at work here.
#[derive(Clone, Debug)]
pub struct Issuer {
    generation: CaGeneration,
    certificate: CaCertificate,
    signer: Option<Arc<dyn Signer>>,
    retired: bool,
}

/// All CAs that are at work here, in the order in which they were added.
#[derive(Clone, Debug)]
pub struct Issuers {
    all: Vec<Arc<Issuer>>,
    devices: CaGenerationId,
    gateway: CaGenerationId,
    former: Option<CaGenerationId>,
}

/// What a CA signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// The certificates of devices.
    Devices,
    /// The gateway's own certificates. Devices whose profile lacks this CA stay away from then on.
    Gateway,
}

impl Issuer {
    /// The CA of this row, with the signer that has its key, where there is one.
    pub(crate) fn new(
        generation: CaGeneration,
        signer: Option<Arc<dyn Signer>>,
    ) -> Result<Self, AuthorityError> {
        let certificate = match &signer {
            Some(signer) => signer.ca().clone(),
            None => CaCertificate::from_der(&generation.der)?,
        };
        Ok(Self { generation, certificate, signer, retired: false })
    }

    /// The same, and trusted no longer.
    pub(crate) fn retire(self) -> Self {
        Self { retired: true, ..self }
    }

    /// Whether it is trusted no longer.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// Its row.
    pub fn generation(&self) -> &CaGeneration {
        &self.generation
    }

    /// Its own certificate.
    pub fn certificate(&self) -> &CaCertificate {
        &self.certificate
    }

    /// Whether its key can be used here. Else others sign its CRL.
    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    pub(crate) fn signer(&self) -> Result<&Arc<dyn Signer>, AuthorityError> {
        self.signer.as_ref().ok_or(AuthorityError::Sign(SignError::NoSuchCa))
    }
}

impl Issuers {
    /// These; the first one that can sign signs what nobody was named for.
    pub(crate) fn new(
        all: Vec<Arc<Issuer>>,
        devices: Option<CaGenerationId>,
        gateway: Option<CaGenerationId>,
    ) -> Result<Self, AuthorityError> {
        let first = all.first().ok_or(AuthorityError::NoIssuer)?;
        let first = all.iter().find(|issuer| issuer.can_sign()).unwrap_or(first);
        let first = first.generation.id;
        let (devices, gateway) = (devices.unwrap_or(first), gateway.unwrap_or(first));
        let list = Self { devices, gateway, former: None, all };
        for id in [list.devices, list.gateway] {
            list.find(id)?.signer()?;
        }
        Ok(list)
    }

    /// These and one more, which signs nothing but its CRL yet.
    pub(crate) fn with(&self, issuer: Arc<Issuer>) -> Self {
        let mut more = self.clone();
        more.all.push(issuer);
        more
    }

    /// The same, with another one for what it is to sign.
    pub(crate) fn signed_by(
        &self,
        id: CaGenerationId,
        what: Signs,
    ) -> Result<Self, AuthorityError> {
        self.find(id)?.signer()?;
        let mut other = self.clone();
        match what {
            Signs::Devices => other.devices = id,
            Signs::Gateway => other.gateway = id,
        }
        Ok(other)
    }

    /// The same; this one's place was taken by another, or that of none.
    pub(crate) fn with_former(self, former: Option<CaGenerationId>) -> Self {
        Self { former, ..self }
    }

    /// The same without trust in this one, whose place another has taken for good.
    pub(crate) fn retiring(&self, id: CaGenerationId) -> Self {
        let retire = |issuer: &Arc<Issuer>| match issuer.generation.id == id {
            true => Arc::new(Issuer::clone(issuer).retire()),
            false => Arc::clone(issuer),
        };
        Self { all: self.all.iter().map(retire).collect(), former: None, ..self.clone() }
    }

    /// The same without the key of this one.
    pub(crate) fn without_key(&self, id: CaGenerationId) -> Self {
        let without = |issuer: &Arc<Issuer>| match issuer.generation.id == id {
            true => Arc::new(Issuer { signer: None, ..Issuer::clone(issuer) }),
            false => Arc::clone(issuer),
        };
        Self { all: self.all.iter().map(without).collect(), ..self.clone() }
    }

    /// The one whose place another has taken, while it is trusted still.
    pub fn former(&self) -> Option<&Arc<Issuer>> {
        self.former.and_then(|id| self.find(id).ok())
    }

    /// Those that are trusted.
    pub fn trusted(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.all.iter().filter(|issuer| !issuer.retired)
    }

    /// All, retired ones too, the oldest first.
    pub fn all(&self) -> &[Arc<Issuer>] {
        &self.all
    }

    /// The one that signs these certificates.
    pub fn signing(&self, what: Signs) -> &Arc<Issuer> {
        let id = match what {
            Signs::Devices => self.devices,
            Signs::Gateway => self.gateway,
        };
        // Both were found when the list was made.
        self.find(id).unwrap_or(&self.all[0])
    }

    /// The one of this row.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, id: CaGenerationId) -> Result<&Arc<Issuer>, AuthorityError> {
        let found = self.all.iter().find(|issuer| issuer.generation.id == id);
        found.ok_or(AuthorityError::UnknownIssuer(id))
    }

    /// The certificates of those that are trusted, PEM, the gateway's own issuer first: what profiles trust.
    pub fn to_pem(&self) -> String {
        let first = self.signing(Signs::Gateway);
        let others = self.trusted().filter(|issuer| !Arc::ptr_eq(issuer, first));
        std::iter::once(first).chain(others).map(|issuer| issuer.certificate.to_pem()).collect()
    }
}

impl Signs {
    /// The setting that holds the number of the CA that does.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Devices => "ca/signs-devices",
            Self::Gateway => "ca/signs-gateway",
        }
    }
}
