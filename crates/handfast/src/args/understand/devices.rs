//! Users and devices: from what was typed to a request, or to profiles.

use admin::failure::{Failure, FailureKind};
use admin::request::Request;

use super::profiles::profile_order;
use super::words::{device_name, revoke_reason, user_name};
use crate::args::order::{Action, Only};
use crate::args::typed::devices::{Device, OnlyDevices, OnlyUsers, User};

pub(super) fn understand_user(command: User) -> Result<Action, Failure> {
    Ok(Action::Ask(match command {
        User::Add { name } => Request::UserAdd { name: user_name(name)? },
        User::List { only } => {
            return Ok(Action::List { request: Request::UserList, only: only_users(only) });
        }
        User::Show { name } => Request::UserShow { name: user_name(name)? },
        User::Disable { name } => Request::UserDisable { name: user_name(name)? },
        User::Enable { name } => Request::UserEnable { name: user_name(name)? },
        User::Rename { name, to } => {
            Request::UserRename { name: user_name(name)?, to: user_name(to)? }
        }
        User::Remove { name } => Request::UserRemove { name: user_name(name)? },
    }))
}

pub(super) fn understand_device(command: Device) -> Result<Action, Failure> {
    Ok(match command {
        Device::Add { device, csr } => {
            if !device.contains('/') {
                return Err(device_without_name(&device));
            }
            match csr {
                Some(csr) => {
                    Action::AskWithCsr { csr, renew: false, device: device_name(&device)? }
                }
                None => {
                    Action::Ask(Request::DeviceAdd { device: device_name(&device)?, csr_pem: None })
                }
            }
        }
        Device::List { user, only } => {
            let request = Request::DeviceList { user: user.map(user_name).transpose()? };
            Action::List { request, only: only_devices(only) }
        }
        Device::Show { device } => {
            Action::Ask(Request::DeviceShow { device: device_name(&device)? })
        }
        Device::Renew { device, csr: Some(csr), .. } => {
            Action::AskWithCsr { csr, renew: true, device: device_name(&device)? }
        }
        Device::Renew { device, csr: None, files } => {
            Action::Profile(profile_order(&device, true, files)?)
        }
        Device::Revoke { device, reason } => Action::Ask(Request::DeviceRevoke {
            device: device_name(&device)?,
            reason: revoke_reason(reason),
        }),
        Device::Disable { device } => {
            Action::Ask(Request::DeviceDisable { device: device_name(&device)? })
        }
        Device::Enable { device } => {
            Action::Ask(Request::DeviceEnable { device: device_name(&device)? })
        }
        Device::Remove { device } if !device.contains('/') => {
            return Err(whole_user_or_device(&device));
        }
        Device::Remove { device } => {
            Action::Ask(Request::DeviceRemove { device: device_name(&device)? })
        }
    })
}

fn only_users(only: OnlyUsers) -> Only {
    let OnlyUsers { begins, connected, disabled } = only;
    Only { begins: begins.unwrap_or_default(), connected, disabled, ..Only::default() }
}

fn only_devices(only: OnlyDevices) -> Only {
    Only {
        begins: only.begins.unwrap_or_default(),
        connected: only.connected,
        disabled: only.disabled,
        never_connected: only.never_connected,
        outdated: only.outdated,
        not_seen: only.not_seen,
        expiring: only.expiring,
    }
}

/// What is forgotten is named whole.
fn whole_user_or_device(user: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("{user:?} names no device"))
        .hint(format!("name the device: `handfast device remove {user}/default`"))
        .hint(format!("or remove the user with all devices: `handfast user remove {user}`"))
}

fn device_without_name(user: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("{user:?} names no device"))
        .because(format!("`handfast user add` made {user}/default already"))
        .hint(format!("name the further device: `handfast device add {user}/phone`"))
}
