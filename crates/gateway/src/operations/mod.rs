//! What an operator can ask for, executed: the same code whether the request came over the control
//! socket or from a command that opened the store itself.
//!
//! Every change follows one order: commit, then the effects on this machine (the CRL re-signed,
//! sessions closed), then the answer, which names what is still missing.

use std::collections::HashSet;
use std::pin::Pin;

use store::{Actor, UserName};

use crate::admin::failure::{Failure, FailureKind};
use crate::admin::protocol::{DeviceName, Reply, Request, Response};
use crate::control::Execute;
use crate::failures::from_store;
use crate::gateway::Gateway;
use views::Viewer;

mod changes;
mod devices;
mod events;
mod material;
mod status;
mod users;
pub(crate) mod views;

impl Execute for Gateway {
    fn execute<'a>(
        &'a self,
        actor: &'a Actor,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Reply> + Send + 'a>> {
        Box::pin(async move {
            match &request {
                Request::UserAdd { .. }
                | Request::UserList
                | Request::UserShow { .. }
                | Request::UserDisable { .. }
                | Request::UserEnable { .. }
                | Request::UserRemove { .. } => self.about_users(actor, request).await,
                Request::DeviceAdd { .. }
                | Request::DeviceList { .. }
                | Request::DeviceShow { .. }
                | Request::DeviceRenew { .. }
                | Request::DeviceRevoke { .. }
                | Request::ProfileMaterial { .. } => self.about_devices(actor, request).await,
                _ => self.about_the_gateway(actor, request).await,
            }
        })
    }
}

impl Gateway {
    async fn about_users(&self, actor: &Actor, request: Request) -> Reply {
        match request {
            Request::UserAdd { name } => self.user_add(actor, &name).await.map(Response::User),
            Request::UserList => self.user_list().await.map(Response::Users),
            Request::UserShow { name } => self.user_show(&name).await.map(Response::User),
            Request::UserDisable { name } => {
                self.user_set_enabled(actor, &name, false).await.map(Response::Changed)
            }
            Request::UserEnable { name } => {
                self.user_set_enabled(actor, &name, true).await.map(Response::Changed)
            }
            Request::UserRemove { name } => {
                self.user_remove(actor, &name).await.map(Response::Changed)
            }
            other => Err(misdirected(&other)),
        }
    }

    async fn about_devices(&self, actor: &Actor, request: Request) -> Reply {
        match request {
            Request::DeviceAdd { device, csr_pem } => {
                self.device_add(actor, &device, csr_pem.as_deref()).await.map(Response::Device)
            }
            Request::DeviceList { user } => {
                self.device_list(user.as_deref()).await.map(Response::Devices)
            }
            Request::DeviceShow { device } => self.device_show(&device).await.map(Response::Device),
            Request::DeviceRenew { device, csr_pem } => {
                self.device_renew(actor, &device, &csr_pem).await.map(Response::Device)
            }
            Request::DeviceRevoke { device, reason } => {
                self.device_revoke(actor, &device, reason).await.map(Response::Changed)
            }
            Request::ProfileMaterial { device, renew } => {
                let material = self.profile_material(actor, &device, renew).await?;
                Ok(Response::Profile(Box::new(material)))
            }
            other => Err(misdirected(&other)),
        }
    }

    async fn about_the_gateway(&self, actor: &Actor, request: Request) -> Reply {
        match request {
            Request::CrlShow => self.crl_show().await.map(Response::Crl),
            Request::CaShow => self.ca_show().await.map(Response::Ca),
            Request::Status => self.status().await.map(|s| Response::Status(Box::new(s))),
            Request::Sessions => Ok(Response::Sessions(self.running()?.sessions().await)),
            Request::Kick { target } => self.kick(actor, &target).await.map(Response::Kicked),
            Request::Events { after, limit, wait_ms } => {
                self.events(after, limit, wait_ms).await.map(Response::Events)
            }
            Request::Check => Ok(Response::Check(self.check().await)),
            other => Err(misdirected(&other)),
        }
    }

    /// Who is connected, where a VPN runs.
    async fn connected(&self) -> Option<HashSet<DeviceName>> {
        let running = self.running().ok()?;
        Some(running.sessions().await.into_iter().map(|s| s.device).collect())
    }

    async fn look<T>(&self, at: impl FnOnce(&Viewer<'_>) -> T) -> T {
        let connected = self.connected().await;
        let snapshot = self.store().snapshot();
        at(&Viewer {
            snapshot: &snapshot,
            now: self.now(),
            addressing: self.live().policy().addressing,
            connected,
        })
    }
}

/// A user's name, checked.
fn user_name(name: &str) -> Result<UserName, Failure> {
    UserName::new(name).map_err(|e| bad_name(name, &e))
}

/// A device's full name, checked.
fn device_names(name: &DeviceName) -> Result<(UserName, store::DeviceName), Failure> {
    let device = store::DeviceName::new(&name.device).map_err(|e| bad_name(&name.device, &e))?;
    Ok((user_name(&name.user)?, device))
}

/// Both names of a device that is to be added: a certificate holds them as one common name.
fn fits_a_certificate(user: &str, device: &str) -> Result<(), Failure> {
    if user.len() + 1 + device.len() <= LONGEST_COMMON_NAME {
        return Ok(());
    }
    let message = format!("{user}/{device} is longer than {LONGEST_COMMON_NAME} characters");
    Err(Failure::new(FailureKind::Usage, message)
        .because("a certificate holds user and device as one name")
        .hint("choose shorter names"))
}

fn bad_name(name: &str, error: &store::NameError) -> Failure {
    Failure::new(FailureKind::Usage, format!("{name:?} can't be a name")).caused_by(error)
}

fn misdirected(request: &Request) -> Failure {
    Failure::new(FailureKind::Failed, format!("nobody here answers {request:?}"))
}

impl From<store::StoreError> for Failure {
    fn from(error: store::StoreError) -> Self {
        from_store(&error)
    }
}

/// ub-common-name of RFC 5280.
const LONGEST_COMMON_NAME: usize = 64;
