//! What an operator can ask for, executed: the same code whether the request came over the control
//! socket or from a command that opened the store itself.
//!
//! Every change follows one order: commit, then the effects on this machine (the CRL re-signed,
//! sessions closed), then the answer, which names what is still missing.

use std::pin::Pin;

use admin::failure::{Failure, FailureKind};
use admin::permission::{Caller, Permission};
use admin::protocol::Reply;
use admin::request::Request;
use admin::response::Response;
use ca::Ca;
use certs::{Certs, Wanted};
use devices::Devices;
use events::Log;
use handshakes::Handshakes;
use journal::Deed;
use many::Many;
use material::Material;
use rollover::RolloverView;
use sessions::Sessions;
use settings::SettingsFile;
use status::Overview;
use store::{Actor, Depth};
use users::Users;

use crate::check::check;
use crate::control::Execute;
use crate::error::GatewayError;
use crate::gateway::Gateway;

mod ca;
pub(crate) mod certs;
mod changes;
mod common;
pub(crate) mod devices;
mod events;
mod handshakes;
mod journal;
pub(crate) mod lost_doors;
mod many;
mod material;
mod names;
pub(crate) mod rollover;
mod sessions;
mod settings;
pub(crate) mod status;
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
            let response = carry_out(self, &by, request).await?;
            if changed_something(&response) {
                journal::note(&by, deed);
            }
            Ok(response)
        })
    }
}

async fn carry_out(
    gateway: &Gateway,
    by: &Actor,
    request: Request,
) -> Result<Response, GatewayError> {
    use Request as Q;
    use Response as R;
    let at = gateway.context();
    match request {
        Q::UserAdd { name } => Users { at }.add(by, &name).await.map(R::User),
        Q::UserList => Users { at }.list().await.map(R::Users),
        Q::UserShow { name } => Users { at }.show(&name).await.map(R::User),
        Q::UserDisable { name } => Users { at }.set_enabled(by, &name, false).await.map(R::Changed),
        Q::UserEnable { name } => Users { at }.set_enabled(by, &name, true).await.map(R::Changed),
        Q::UserRename { name, to } => Users { at }.rename(by, &name, &to).await.map(R::Changed),
        Q::UserRemove { name } => Users { at }.remove(by, &name).await.map(R::Changed),
        Q::UsersDo { names, deed } => {
            Many { at }.users(by, names, deed).await.map(Box::new).map(R::ChangedAll)
        }
        Q::DevicesDo { devices, deed } => {
            Many { at }.devices(by, devices, deed).await.map(Box::new).map(R::ChangedAll)
        }
        Q::DeviceAdd { device, csr_pem } => {
            Devices { at }.add(by, &device, csr_pem.as_deref()).await.map(R::Device)
        }
        Q::DeviceList { user } => Devices { at }.list(user.as_ref()).await.map(R::Devices),
        Q::DeviceShow { device } => Devices { at }.show(&device).await.map(R::Device),
        Q::DeviceRenew { device, csr_pem } => {
            Devices { at }.renew(by, &device, &csr_pem).await.map(R::Device)
        }
        Q::DeviceRevoke { device, reason } => {
            Devices { at }.revoke(by, &device, reason).await.map(R::Changed)
        }
        Q::DeviceDisable { device } => {
            Devices { at }.set_enabled(by, &device, false).await.map(R::Changed)
        }
        Q::DeviceEnable { device } => {
            Devices { at }.set_enabled(by, &device, true).await.map(R::Changed)
        }
        Q::DeviceRemove { device } => Devices { at }.remove(by, &device).await.map(R::Changed),
        Q::ProfileMaterial { device, renew } => {
            Material { at }.of(by, &device, renew).await.map(Box::new).map(R::Profile)
        }
        Q::ProfileAgain { certificate_pem } => {
            Material { at }.again(&certificate_pem).await.map(Box::new).map(R::Profile)
        }
        Q::CertIssue { name, usage, hosts, days, csr_pem, elsewhere } => {
            let wanted = Wanted { name, usage, hosts, days, csr_pem, elsewhere };
            Certs { at }.issue(by, wanted).await.map(R::Named)
        }
        Q::CertList => Certs { at }.list().await.map(R::NamedList),
        Q::CertShow { name } => Certs { at }.show(&name).await.map(R::Named),
        Q::CertRenew { name, csr_pem, elsewhere } => {
            Certs { at }.renew(by, &name, &csr_pem, elsewhere).await.map(R::Named)
        }
        Q::CertRevoke { name, reason } => {
            Certs { at }.revoke(by, &name, reason).await.map(R::Changed)
        }
        Q::CrlShow => Ca { at }.crl().await.map(R::Crl),
        Q::RolloverStart => gateway.rollover_start(by).await.map(R::Rollover),
        Q::RolloverStatus => RolloverView { at }.status().await.map(R::Rollover),
        Q::RolloverFinish { force } => gateway.rollover_finish(by, force).await.map(R::Rollover),
        Q::CaUnlock { passphrase } => Ca { at }.unlock(&passphrase).await.map(R::Ca),
        Q::CaShow => Ca { at }.show().await.map(R::Ca),
        Q::Status => Overview { at }.status().await.map(Box::new).map(R::Status),
        Q::Sessions => Sessions { at }.list().await.map(R::Sessions),
        Q::SessionHistory(asked) => Sessions { at }.history(&asked).await.map(R::History),
        Q::TlsList => at.running().map(|doors| R::TlsServers(doors.virtual_servers())),
        Q::TlsShow { name } => at.running()?.virtual_server(&name).map(Box::new).map(R::TlsServer),
        Q::Kick { target } => Sessions { at }.kick(by, &target).await.map(R::Kicked),
        Q::Events { after, since, limit, wait_ms } => {
            Log { at }.events(after, since, limit, wait_ms).await.map(R::Events)
        }
        Q::Check { whole } => Ok(R::Check(check(at, depth(whole)).await)),
        Q::ConfigShow => SettingsFile { at }.show().map(R::Settings),
        Q::ConfigSet { key, values } => SettingsFile { at }.set(&key, &values).map(R::Settings),
        Q::Reload => gateway.reload_and_mend().await.map(R::Reloaded),
        Q::Explain { which } => Handshakes { at }.told(by, &which).await.map(R::Stories),
    }
}

fn depth(whole: bool) -> Depth {
    if whole { Depth::Whole } else { Depth::New }
}

/// What was so already is no deed.
fn changed_something(response: &Response) -> bool {
    match response {
        Response::Changed(changed) => changed.event.is_some(),
        Response::ChangedAll(changed) => changed.did.event.is_some(),
        _ => true,
    }
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
