//! What an operator can ask for, executed: the same code whether the request came over the control
//! socket or from a command that opened the store itself.
//!
//! Every change follows one order: commit, then the effects on this machine (the CRL re-signed,
//! sessions closed), then the answer, which names what is still missing.

use std::collections::HashSet;
use std::pin::Pin;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::permission::{Caller, Permission};
use admin::protocol::Reply;
use admin::request::Request;
use admin::response::Response;
use journal::Deed;
use store::Actor;
use views::Viewer;

use crate::control::Execute;
use crate::error::GatewayError;
use crate::gateway::Gateway;

mod changes;
mod devices;
mod events;
mod journal;
mod material;
mod names;
mod status;
mod users;
pub(crate) mod views;

impl Execute for Gateway {
    fn execute<'a>(
        &'a self,
        caller: &'a Caller,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Reply> + Send + 'a>> {
        Box::pin(async move {
            if !caller.may(Permission::of(&request)) {
                return Err(not_allowed(caller));
            }
            let (by, deed) = (author(caller), Deed::of(&request));
            let response = self.carry_out(&by, request).await?;
            if changed_something(&response) {
                journal::note(&by, deed);
            }
            Ok(response)
        })
    }
}

impl Gateway {
    async fn carry_out(&self, by: &Actor, request: Request) -> Result<Response, GatewayError> {
        use Request as Q;
        use Response as R;
        match request {
            Q::UserAdd { name } => self.user_add(by, &name).await.map(R::User),
            Q::UserList => self.user_list().await.map(R::Users),
            Q::UserShow { name } => self.user_show(&name).await.map(R::User),
            Q::UserDisable { name } => {
                self.user_set_enabled(by, &name, false).await.map(R::Changed)
            }
            Q::UserEnable { name } => self.user_set_enabled(by, &name, true).await.map(R::Changed),
            Q::UserRemove { name } => self.user_remove(by, &name).await.map(R::Changed),
            Q::DeviceAdd { device, csr_pem } => {
                self.device_add(by, &device, csr_pem.as_deref()).await.map(R::Device)
            }
            Q::DeviceList { user } => self.device_list(user.as_deref()).await.map(R::Devices),
            Q::DeviceShow { device } => self.device_show(&device).await.map(R::Device),
            Q::DeviceRenew { device, csr_pem } => {
                self.device_renew(by, &device, &csr_pem).await.map(R::Device)
            }
            Q::DeviceRevoke { device, reason } => {
                self.device_revoke(by, &device, reason).await.map(R::Changed)
            }
            Q::ProfileMaterial { device, renew } => {
                self.profile_material(by, &device, renew).await.map(Box::new).map(R::Profile)
            }
            Q::CrlShow => self.crl_show().await.map(R::Crl),
            Q::CaShow => self.ca_show().await.map(R::Ca),
            Q::Status => self.status().await.map(Box::new).map(R::Status),
            Q::Sessions => self.sessions().await.map(R::Sessions),
            Q::Kick { target } => self.kick(by, &target).await.map(R::Kicked),
            Q::Events { after, limit, wait_ms } => {
                self.events(after, limit, wait_ms).await.map(R::Events)
            }
            Q::Check => Ok(R::Check(self.check().await)),
        }
    }

    /// Who is connected, where a VPN runs.
    async fn connected(&self) -> Option<HashSet<DeviceName>> {
        let doors = self.running().ok()?;
        Some(doors.sessions().await.into_iter().map(|s| s.device).collect())
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

/// What was so already is no deed.
fn changed_something(response: &Response) -> bool {
    !matches!(response, Response::Changed(changed) if changed.event.is_none())
}

/// Whom the log names for what this caller changes.
fn author(caller: &Caller) -> Actor {
    match caller {
        Caller::Local { uid, name } => Actor::Local { uid: *uid, name: name.clone() },
    }
}

fn not_allowed(caller: &Caller) -> Failure {
    Failure::new(FailureKind::Forbidden, format!("{caller} may not ask for this"))
}
