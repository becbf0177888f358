//! A CA takes another one's place.
//!
//! At the start the new one is recorded together with two certificates in which each vouches for the other; both
//! are trusted from then on, and the new one signs. The gateway's own chain then has the certificate by the former
//! CA in it, so that profiles that know that one only take the gateway for what it is. At the end the former one is
//! trusted no longer, and the new one's word for it is revoked; its list and its OCSP answers go on until the last certificate that it issued is over.
//!
//! Each is one change of the records. What follows from it here is made of the records again at every start.

use std::sync::Arc;
use std::time::Duration;

use pki::{
    CaCertificate, CertificateId, CrossRequest, KeyId, Profile, Serial, SignError, Signer,
    Validity, cross_sign,
};
use rustls::pki_types::CertificateDer;
use store::{Actor, CaGenerationId, CertificateEntry, Holder, NewCertificate, NewRollover};

use crate::error::AuthorityError;
use crate::issuance::Issuance;
use crate::issuer::{Issuer, Signs};
use crate::ocsp::SIGNERS;
use crate::random;
use crate::start::{self, NewIssuer};

impl Issuance {
    /// Another CA of the kind that the settings name takes the place of the one that signs.
    pub(crate) async fn rollover_start(&self, actor: &Actor) -> Result<(), AuthorityError> {
        let _one_making = self.making.lock().await;
        let issuers = self.issuers.load_full();
        if issuers.former().is_some() {
            return Err(AuthorityError::Store(store::Refused::RolloverUnderWay.into()));
        }
        let former = issuers.signing(Signs::Gateway);
        let id = former.generation().id;
        start::plausible(self.now())?;
        let wish = NewIssuer::of(&self.settings.load());
        self.certifies_the_gateway(&wish)?;
        let (signer, generation) =
            match start::left_over(&self.store, &self.line, &wish, self.now()).await? {
                Some(made) => made,
                None => start::new_ca(&self.line, wish).await?,
            };
        let new = NewRollover {
            former: id,
            by_former: self.cross(&**former.signer()?, signer.ca(), id).await?,
            by_new: self.cross(&*signer, former.certificate(), id).await?,
            generation,
            roles: vec![Signs::Devices.setting(), Signs::Gateway.setting()],
        };
        // No list is compared with records that have a CA more than there are issuers.
        let _one = self.signing.lock().await;
        let row = self.store.rollover_start(actor, new).await?.value;
        let new = row.id;
        let list = issuers.with(Arc::new(Issuer::new(row, Some(signer))?));
        let list = list.signed_by(new, Signs::Devices)?.signed_by(new, Signs::Gateway)?;
        self.issuers.store(Arc::new(list.with_former(Some(id))));
        Ok(())
    }

    /// Whether the gateway gets certificates of the CA to be made: without, nobody is let in any more.
    fn certifies_the_gateway(&self, wish: &NewIssuer) -> Result<(), AuthorityError> {
        let names = self.settings.load().names.clone();
        Ok(Profile::Gateway { names }.check_names(&wish.names)?)
    }

    /// The former CA is trusted no longer.
    pub(crate) async fn rollover_finish(&self, actor: &Actor) -> Result<(), AuthorityError> {
        let _one_making = self.making.lock().await;
        let _one = self.signing.lock().await;
        let issuers = self.issuers.load_full();
        let Some(former) = issuers.former() else {
            return Err(AuthorityError::Store(store::Refused::NoRollover.into()));
        };
        let vouched = self.vouched(former, issuers.signing(Signs::Gateway));
        let former = former.generation().id;
        self.store.rollover_finish(actor, former, vouched).await?;
        self.issuers.store(Arc::new(issuers.retiring(former)));
        Ok(())
    }

    /// The certificates in which one CA vouches for the other. Whoever trusts the one and looks at its list stops
    /// trusting the other when they are on it.
    fn vouched(&self, other: &Issuer, by: &Issuer) -> Vec<CertificateId> {
        let (holder, by) = (vouched_for(other.certificate()), by.generation().id);
        let snapshot = self.store.snapshot();
        let holds = |entry: &&Arc<CertificateEntry>| {
            entry.issued_by == by && entry.holder == holder && entry.revoked.is_none()
        };
        snapshot.certificates().filter(holds).map(|entry| entry.id).collect()
    }

    /// The certificate in which this signer's CA vouches for the other. Where a start before this one was cut off, it is
    /// the one of then, with its number and its time.
    async fn cross(
        &self,
        signer: &dyn Signer,
        other: &CaCertificate,
        issued_by: CaGenerationId,
    ) -> Result<NewCertificate, AuthorityError> {
        let serial = Serial::from_random(random::bytes()?);
        let validity = Validity::starting(self.now(), AS_LONG_AS_BOTH);
        let validity = validity.within(signer.ca().validity()).within(other.validity());
        let publishing = self.publishing(signer.ca())?;
        let request = CrossRequest { serial, other: other.der().to_vec(), validity, publishing };
        let der = cross_sign(signer, request).await?;
        let signed = CaCertificate::from_der(&der).map_err(|_| SignError::WrongAnswer)?;
        Ok(NewCertificate {
            serial: signed.serial(),
            holder: vouched_for(other),
            subject: format!("CN={}", other.name()),
            not_before: signed.validity().not_before,
            not_after: signed.validity().not_after,
            issued_by,
            public_key: KeyId::of_spki(other.spki()),
            der: der.to_vec(),
            key: None,
            setting: None,
            supersedes_within: None,
        })
    }

    /// The certificates in which others vouch for this CA, and for those in turn: what stands behind a leaf in the
    /// gateway's chain.
    pub(crate) async fn crosses(
        &self,
        of: CaGenerationId,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let issuers = self.issuers.load_full();
        let (mut chain, mut seen) = (Vec::new(), vec![of]);
        let mut next = 0;
        while let Some(id) = seen.get(next).copied() {
            next += 1;
            // Of these alone: a gateway may have thousands of others, and this is asked for each of its servers.
            let vouched = vouched_as(issuers.find(id)?.certificate());
            for row in self.store.certificates_held_as(vouched).await? {
                let holds = row.revocation.is_none()
                    && self.now() < row.not_after
                    && !seen.contains(&row.issued_by);
                if holds {
                    seen.push(row.issued_by);
                    chain.push(CertificateDer::from(row.der));
                }
            }
        }
        Ok(chain)
    }

    /// Whether a CA has said all that it has to say: it is trusted no longer, and what it issued is over.
    pub(crate) fn is_over(&self, issuer: &Issuer) -> bool {
        let (id, now) = (issuer.generation().id, self.now());
        let snapshot = self.store.snapshot();
        let mut holding = snapshot
            .certificates()
            // Who signs its answers lives for them alone.
            .filter(|entry| entry.issued_by == id && !is_of_ocsp(&entry.holder))
            .filter(|entry| entry.not_after >= now);
        issuer.is_retired() && holding.next().is_none()
    }
}

/// Under which name a CA's certificates by others are recorded; nobody can type it.
fn vouched_for(ca: &CaCertificate) -> Holder {
    Holder::Other(vouched_as(ca))
}

/// As its holder is recorded.
fn vouched_as(ca: &CaCertificate) -> String {
    format!("CA {}", ca.tag())
}

pub(crate) fn is_of_ocsp(holder: &Holder) -> bool {
    matches!(holder, Holder::Other(name) if name.starts_with(SIGNERS))
}

/// Cut to what is left of both.
const AS_LONG_AS_BOTH: Duration = Duration::from_secs(36_500 * 86_400);
