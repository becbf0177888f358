//! Users: added with their first device, listed, kept out, let in again, removed.

use admin::response::{Changed, User, UserDetail};
use store::{Actor, CertificateId, DeviceName};

use super::names::{fits_a_certificate, user_name};
use crate::error::GatewayError;
use crate::gateway::Gateway;

impl Gateway {
    pub(super) async fn user_add(
        &self,
        actor: &Actor,
        name: &str,
    ) -> Result<UserDetail, GatewayError> {
        let name = user_name(name)?;
        let first = DeviceName::default_device();
        fits_a_certificate(name.as_str(), first.as_str())?;
        let detail = self.store().user_add(actor, &name, Some(&first)).await?.value;
        Ok(self.look(|viewer| viewer.user_detail(&detail)).await)
    }

    pub(super) async fn user_list(&self) -> Result<Vec<User>, GatewayError> {
        let users = self.store().user_list().await?;
        Ok(self.look(|viewer| users.iter().map(|u| viewer.user(u)).collect()).await)
    }

    pub(super) async fn user_show(&self, name: &str) -> Result<UserDetail, GatewayError> {
        let detail = self.store().user_show(&user_name(name)?).await?;
        Ok(self.look(|viewer| viewer.user_detail(&detail)).await)
    }

    pub(super) async fn user_set_enabled(
        &self,
        actor: &Actor,
        name: &str,
        enabled: bool,
    ) -> Result<Changed, GatewayError> {
        let name = user_name(name)?;
        let before = self.store().user_show(&name).await?;
        let change = self.before_change(certificates(&before));
        let committed = self.store().user_set_enabled(actor, &name, enabled).await?;
        match committed.events.last() {
            Some(event) => self.after_change(change, event, &[]).await,
            None => Ok(Changed::default()),
        }
    }

    pub(super) async fn user_remove(
        &self,
        actor: &Actor,
        name: &str,
    ) -> Result<Changed, GatewayError> {
        let name = user_name(name)?;
        let before = self.store().user_show(&name).await?;
        let change = self.before_change(certificates(&before));
        let committed = self.store().user_remove(actor, &name).await?;
        match committed.events.last() {
            Some(event) => self.after_change(change, event, &committed.value).await,
            None => Ok(Changed::default()),
        }
    }
}

fn certificates(detail: &store::UserDetail) -> Vec<CertificateId> {
    detail.devices.iter().flat_map(|d| d.certificates.iter().map(|c| c.id)).collect()
}
