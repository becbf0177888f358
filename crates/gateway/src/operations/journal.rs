//! The journal's line for what an administrator did: what, to whom, by whom.
//!
//! One line for each request that changed something and succeeded; questions have none.

use admin::permission::Permission;
use admin::request::{DeviceDeed, Request, UserDeed};
use store::Actor;

/// Writes the line, where the request is one that changes something.
pub(super) fn note(by: &Actor, deed: Option<Deed>) {
    if let Some(Deed { what, subject }) = deed {
        tracing::info!(%by, subject, "{what}");
    }
}

/// What a request does, and to whom.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Deed {
    what: &'static str,
    subject: String,
}

impl Deed {
    /// Of this request; nothing for a question.
    pub(super) fn of(request: &Request) -> Option<Self> {
        if Permission::of(request) == Permission::Read {
            return None;
        }
        let (what, subject) = match request {
            Request::UserAdd { name } => ("user added", name.to_string()),
            Request::UserDisable { name } => ("user disabled", name.to_string()),
            Request::UserEnable { name } => ("user enabled", name.to_string()),
            Request::UserRename { name, to } => ("user renamed", format!("{name} to {to}")),
            Request::UserRemove { name } => ("user removed", name.to_string()),
            Request::UsersDo { names, deed } => (
                match deed {
                    UserDeed::Disable => "users disabled",
                    UserDeed::Enable => "users enabled",
                    UserDeed::Remove => "users removed",
                },
                some(names),
            ),
            Request::DevicesDo { devices, deed } => (
                match deed {
                    DeviceDeed::Disable => "devices disabled",
                    DeviceDeed::Enable => "devices enabled",
                    DeviceDeed::Remove => "devices removed",
                    DeviceDeed::Revoke { .. } => "devices revoked",
                },
                some(devices),
            ),
            Request::DeviceAdd { device, .. } => ("device added", device.to_string()),
            Request::DeviceRenew { device, .. } => ("device renewed", device.to_string()),
            Request::DeviceRevoke { device, .. } => ("device revoked", device.to_string()),
            Request::DeviceDisable { device } => ("device disabled", device.to_string()),
            Request::DeviceEnable { device } => ("device enabled", device.to_string()),
            Request::DeviceRemove { device } => ("device removed", device.to_string()),
            Request::CertIssue { name, .. } => ("certificate issued", name.to_string()),
            Request::CertRenew { name, .. } => ("certificate renewed", name.to_string()),
            Request::CertRevoke { name, .. } => ("certificate revoked", name.to_string()),
            Request::RolloverStart => ("rollover of the CA begun", String::new()),
            Request::RolloverFinish { .. } => ("rollover of the CA finished", String::new()),
            Request::ProfileMaterial { device, renew: true } => {
                ("profile renewed", device.to_string())
            }
            Request::ProfileMaterial { device, renew: false } => {
                ("profile handed out", device.to_string())
            }
            Request::ProfileAgain { .. } => ("profile written again", String::new()),
            Request::Kick { target } => ("sessions closed", target.to_string()),
            Request::ConfigSet { key, .. } => ("setting changed", key.clone()),
            Request::CaUnlock { .. } => ("CA key opened", String::new()),
            Request::Reload => ("settings read again", String::new()),
            // Whatever is more than a question has its line, with or without words of its own.
            _ => ("something changed", String::new()),
        };
        Some(Self { what, subject })
    }
}

/// The first ones, and how many there are; each has its event in the log.
fn some(names: &[impl ToString]) -> String {
    let first: Vec<_> = names.iter().take(NAMED).map(ToString::to_string).collect();
    match names.len() {
        count if count > NAMED => format!("{} and {} more", first.join(" "), count - NAMED),
        _ => first.join(" "),
    }
}

/// In one line of the log.
const NAMED: usize = 20;
