//! The journal's line for what an administrator did: what, to whom, by whom.
//!
//! One line for each request that changed something and succeeded; questions have none.

use admin::request::{KickTarget, Request};
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
        let (what, subject) = match request {
            Request::UserAdd { name } => ("user added", name.clone()),
            Request::UserDisable { name } => ("user disabled", name.clone()),
            Request::UserEnable { name } => ("user enabled", name.clone()),
            Request::UserRemove { name } => ("user removed", name.clone()),
            Request::DeviceAdd { device, .. } => ("device added", device.to_string()),
            Request::DeviceRenew { device, .. } => ("device renewed", device.to_string()),
            Request::DeviceRevoke { device, .. } => ("device revoked", device.to_string()),
            Request::ProfileMaterial { device, renew: true } => {
                ("profile renewed", device.to_string())
            }
            Request::ProfileMaterial { device, renew: false } => {
                ("profile handed out", device.to_string())
            }
            Request::Kick { target } => ("sessions closed", kicked(target)),
            Request::ConfigSet { key, .. } => ("setting changed", key.clone()),
            Request::Reload => ("settings read again", String::new()),
            Request::UserList
            | Request::UserShow { .. }
            | Request::DeviceList { .. }
            | Request::DeviceShow { .. }
            | Request::CrlShow
            | Request::CaShow
            | Request::Status
            | Request::Sessions
            | Request::Events { .. }
            | Request::Check
            | Request::ConfigShow => return None,
        };
        Some(Self { what, subject })
    }
}

fn kicked(target: &KickTarget) -> String {
    match target {
        KickTarget::User { name } => name.clone(),
        KickTarget::Device { device } => device.to_string(),
        KickTarget::Session { id } => format!("session {id}"),
    }
}
