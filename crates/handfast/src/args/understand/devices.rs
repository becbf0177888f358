//! Users and devices: from what was typed to a request, or to profiles.

use admin::failure::{Failure, FailureKind};
use admin::request::{DeviceDeed, Request, UserDeed};

use super::many::{Typed, of_device, of_user, one_or_many};
use super::profiles::profile_order;
use super::words::{device_name, revoke_reason, user_name};
use crate::args::order::{Action, ManyDeed, ManyOrder, Only};
use crate::args::typed::devices::{Device, OnlyDevices, OnlyUsers, User, UserNames};

pub(super) fn understand_user(command: User) -> Result<Action, Failure> {
    Ok(match command {
        User::Add { name } => Action::Ask(Request::UserAdd { name: user_name(name)? }),
        User::List { only } => Action::List { request: Request::UserList, only: only_users(only) },
        User::Show { name } => Action::Ask(Request::UserShow { name: user_name(name)? }),
        User::Rename { name, to } => {
            Action::Ask(Request::UserRename { name: user_name(name)?, to: user_name(to)? })
        }
        User::Disable { names } => users_do(names, UserDeed::Disable)?,
        User::Enable { names } => users_do(names, UserDeed::Enable)?,
        User::Remove { names } => users_do(names, UserDeed::Remove)?,
    })
}

fn users_do(names: UserNames, deed: UserDeed) -> Result<Action, Failure> {
    Ok(match one_or_many(names.names)? {
        Typed::One(name) => Action::Ask(of_user(name, deed)?),
        Typed::Many(names) => Action::Many(ManyOrder { names, deed: ManyDeed::Users(deed) }),
    })
}

fn devices_do(names: Vec<String>, deed: DeviceDeed) -> Result<Action, Failure> {
    Ok(match one_or_many(names)? {
        Typed::One(name) => Action::Ask(of_device(&name, deed)?),
        Typed::Many(names) => Action::Many(ManyOrder { names, deed: ManyDeed::Devices(deed) }),
    })
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
        Device::Revoke { devices, reason } => {
            let reason = revoke_reason(reason);
            devices_do(devices.devices, DeviceDeed::Revoke { reason })?
        }
        Device::Disable { devices } => devices_do(devices.devices, DeviceDeed::Disable)?,
        Device::Enable { devices } => devices_do(devices.devices, DeviceDeed::Enable)?,
        Device::Remove { devices } => devices_do(devices, DeviceDeed::Remove)?,
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

fn device_without_name(user: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("{user:?} names no device"))
        .because(format!("`handfast user add` made {user}/default already"))
        .hint(format!("name the further device: `handfast device add {user}/phone`"))
}
