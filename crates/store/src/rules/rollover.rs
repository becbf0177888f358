//! A generation of the CA takes another one's place, and the former one is no longer trusted: each in one change.

use names::RevocationReason;
use pki::CertificateId;
use serde_json::json;

use super::Rules;
use super::known::there;
use crate::error::{Refused, StoreError};
use crate::event::EventKind;
use crate::ids::CaGenerationId;
use crate::records::{NewCertificate, NewRollover};
use crate::rollover::{FORMER, NONE, retired_setting};

impl Rules<'_> {
    pub(super) fn rollover_start(&mut self, new: &NewRollover) -> Result<(), StoreError> {
        self.known().issuer(new.former)?;
        if let Some(former) = self.lookup.setting(FORMER)?
            && former != NONE
        {
            return Err(Refused::RolloverUnderWay.into());
        }
        self.ca_generation_add(&new.generation)?;
        let issuer = &new.generation.issuer;
        let id = there(self.lookup.generation(issuer)?, || Refused::RolloverUnderWay)?;
        self.certificate_record(&new.by_former)?;
        self.certificate_record(&NewCertificate { issued_by: id, ..new.by_new.clone() })?;
        for role in &new.roles {
            self.setting_set(role, &id.to_string())?;
        }
        self.setting_set(FORMER, &new.former.to_string())?;
        let payload = json!({ "generation": id, "former": new.former });
        self.record(&EventKind::CA_ROLLOVER_STARTED, &payload).map(drop)
    }

    pub(super) fn rollover_finish(
        &mut self,
        former: CaGenerationId,
        vouched: &[CertificateId],
    ) -> Result<(), StoreError> {
        if self.lookup.setting(FORMER)? != Some(former.to_string()) {
            return Err(Refused::NoRollover.into());
        }
        for id in vouched {
            self.certificate_revoke(id, RevocationReason::Superseded)?;
        }
        self.setting_set(&retired_setting(former), "yes")?;
        self.setting_set(FORMER, NONE)?;
        let payload = json!({ "former": former });
        self.record(&EventKind::CA_ROLLOVER_FINISHED, &payload).map(drop)
    }
}
