//! Users: added with their first device, listed, kept out, let in again, renamed, removed.

use ::names::UserName;
use admin::names::DeviceName;
use admin::request::KickTarget;
use admin::response::{Changed, User, UserDetail};
use store::{Actor, CertificateId};

use super::changes::Before;
use super::names::fits_a_certificate;
use super::views::look;
use crate::context::Context;
use crate::error::GatewayError;

/// The users of these records.
#[derive(Debug)]
pub(super) struct Users<'a> {
    pub(super) at: &'a Context,
}

impl Users<'_> {
    pub(super) async fn add(
        &self,
        actor: &Actor,
        name: &UserName,
    ) -> Result<UserDetail, GatewayError> {
        let first = DeviceName { user: name.clone(), device: names::DeviceName::default_device() };
        fits_a_certificate(&first)?;
        let detail = self.at.store.user_add(actor, name, Some(&first.device)).await?.value;
        Ok(look(self.at, |viewer| viewer.user_detail(&detail)).await)
    }

    pub(super) async fn list(&self) -> Result<Vec<User>, GatewayError> {
        let users = self.at.store.user_list().await?;
        Ok(look(self.at, |viewer| users.iter().map(|u| viewer.user(u)).collect()).await)
    }

    pub(super) async fn show(&self, name: &UserName) -> Result<UserDetail, GatewayError> {
        let detail = self.at.store.user_show(name).await?;
        Ok(look(self.at, |viewer| viewer.user_detail(&detail)).await)
    }

    pub(super) async fn set_enabled(
        &self,
        actor: &Actor,
        name: &UserName,
        enabled: bool,
    ) -> Result<Changed, GatewayError> {
        let before = self.at.store.user_show(name).await?;
        let change = Before::of(self.at, certificates(&before));
        let committed = self.at.store.user_set_enabled(actor, name, enabled).await?;
        change.after(&committed, committed.events.last(), &[]).await
    }

    /// Open sessions have the former name, and are closed: their clients come back under the other one.
    pub(super) async fn rename(
        &self,
        actor: &Actor,
        name: &UserName,
        to: &UserName,
    ) -> Result<Changed, GatewayError> {
        let before = self.at.store.user_show(name).await?;
        for device in &before.devices {
            let device = device.device.name.clone();
            fits_a_certificate(&DeviceName { user: to.clone(), device })?;
        }
        let change = Before::of(self.at, certificates(&before));
        let committed = self.at.store.user_rename(actor, name, to).await?;
        if committed.is_unchanged() {
            return Ok(Changed::default());
        }
        let former = KickTarget::User { name: name.clone() };
        let mut closed = self.at.doors.kick(&former).await;
        let mut changed = change.after(&committed, committed.events.last(), &[]).await?;
        // Who was admitted under the former name meanwhile.
        closed.extend(self.at.doors.kick(&former).await);
        changed.sessions_closed = u32::try_from(closed.len()).unwrap_or(u32::MAX);
        Ok(changed)
    }

    pub(super) async fn remove(
        &self,
        actor: &Actor,
        name: &UserName,
    ) -> Result<Changed, GatewayError> {
        let before = self.at.store.user_show(name).await?;
        let change = Before::of(self.at, certificates(&before));
        let committed = self.at.store.user_remove(actor, name).await?;
        change.after(&committed, committed.events.last(), &committed.value).await
    }
}

fn certificates(detail: &store::UserDetail) -> Vec<CertificateId> {
    detail.devices.iter().flat_map(|d| d.certificates.iter().map(|c| c.id)).collect()
}
