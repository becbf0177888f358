//! Who signs an issuer's OCSP answers: a key that is made here and lives in memory alone, and a short-lived
//! certificate in which the issuer appoints it.

use pki::ocsp::OcspSigner;
use pki::{KeyType, OCSP_SIGNER_LIFETIME, Profile};
use store::{Actor, Holder};

use crate::error::AuthorityError;
use crate::issuance::{Issuance, IssueRequest, KeptKey, generate};
use crate::issuer::Issuer;

/// Under which names such certificates are recorded; nobody can type them.
pub(crate) const SIGNERS: &str = "OCSP ";

impl Issuance {
    /// Somebody new to sign this CA's OCSP answers, recorded like every certificate.
    pub(crate) async fn ocsp_signer(&self, issuer: &Issuer) -> Result<OcspSigner, AuthorityError> {
        let key = generate(KeyType::P256).await?;
        let name = format!("{SIGNERS}{}", issuer.certificate().tag());
        let request = IssueRequest {
            profile: Profile::OcspSigner { name: name.clone() },
            public_key: key.public_key().clone(),
            subject: format!("CN={name}"),
            holder: Holder::Other(name),
            life: OCSP_SIGNER_LIFETIME,
            key: KeptKey::HandedOut,
            supersedes_within: None,
        };
        let certificate = self.sign_and_record(&Actor::Gateway, issuer, request).await?;
        Ok(OcspSigner::new(certificate.der.into(), key)?)
    }
}
