//! The same done to many: which names were given, and what is asked for them.
//!
//! Not here: reading them. Invariant: where one of them can be no name, nothing is asked.

use std::collections::HashSet;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::request::{DeviceDeed, KickTarget, MOST_AT_ONCE, Request, UserDeed};

use super::words::{device_name, user_name};
use crate::args::order::{ManyDeed, ManyOrder, Names};

/// As they were typed.
pub(super) enum Typed {
    One(String),
    Many(Names),
}

/// One name alone is asked for as ever; a dash stands for those on standard input.
pub(super) fn one_or_many(mut typed: Vec<String>) -> Result<Typed, Failure> {
    if !typed.iter().any(|name| name == STDIN) {
        return Ok(match (typed.pop(), typed.is_empty()) {
            (Some(one), true) => Typed::One(one),
            (last, _) => {
                typed.extend(last);
                Typed::Many(Names::These(typed))
            }
        });
    }
    match typed.len() {
        1 => Ok(Typed::Many(Names::OnStdin)),
        _ => Err(Failure::new(FailureKind::Usage, "names are typed, and are to be read too")
            .hint("give either names or `-`, which reads all of them from standard input")),
    }
}

impl ManyOrder {
    /// What is asked for these: as little as can be.
    pub(crate) fn requests(deed: ManyDeed, names: Vec<String>) -> Result<Vec<Request>, Failure> {
        match deed {
            ManyDeed::Users(deed) => {
                let names: Vec<_> = names.into_iter().map(user_name).collect::<Result<_, _>>()?;
                let batch = |names: &[_]| Request::UsersDo { names: names.to_vec(), deed };
                Ok(names.chunks(MOST_AT_ONCE).map(batch).collect())
            }
            ManyDeed::Devices(deed) => {
                let devices = named_devices(&names, deed == DeviceDeed::Remove)?;
                let batch = |some: &[_]| Request::DevicesDo { devices: some.to_vec(), deed };
                Ok(devices.chunks(MOST_AT_ONCE).map(batch).collect())
            }
            ManyDeed::Kick => {
                let mut seen = HashSet::new();
                let each_once = names.into_iter().filter(|name| seen.insert(name.clone()));
                each_once.map(|name| Ok(Request::Kick { target: user_or_device(name)? })).collect()
            }
        }
    }
}

/// Devices by these names.
pub(crate) fn named_devices(names: &[String], whole: bool) -> Result<Vec<DeviceName>, Failure> {
    if let Some(user) = names.iter().find(|name| whole && !name.contains('/')) {
        return Err(whole_user_or_device(user));
    }
    names.iter().map(|name| device_name(name)).collect()
}

/// Whose sessions are meant.
pub(super) fn user_or_device(name: String) -> Result<KickTarget, Failure> {
    match name.contains('/') {
        true => Ok(KickTarget::Device { device: device_name(&name)? }),
        false => Ok(KickTarget::User { name: user_name(name)? }),
    }
}

/// The request for one user.
pub(super) fn of_user(name: String, deed: UserDeed) -> Result<Request, Failure> {
    let name = user_name(name)?;
    Ok(match deed {
        UserDeed::Disable => Request::UserDisable { name },
        UserDeed::Enable => Request::UserEnable { name },
        UserDeed::Remove => Request::UserRemove { name },
    })
}

/// The request for one device.
pub(super) fn of_device(name: &str, deed: DeviceDeed) -> Result<Request, Failure> {
    if deed == DeviceDeed::Remove && !name.contains('/') {
        return Err(whole_user_or_device(name));
    }
    let device = device_name(name)?;
    Ok(match deed {
        DeviceDeed::Disable => Request::DeviceDisable { device },
        DeviceDeed::Enable => Request::DeviceEnable { device },
        DeviceDeed::Remove => Request::DeviceRemove { device },
        DeviceDeed::Revoke { reason } => Request::DeviceRevoke { device, reason },
    })
}

/// What is forgotten is named whole.
fn whole_user_or_device(user: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("{user:?} names no device"))
        .hint(format!("name the device: `handfast device remove {user}/default`"))
        .hint(format!("or remove the user with all devices: `handfast user remove {user}`"))
}

/// In the place of names.
const STDIN: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_no_list_and_a_dash_stands_alone() {
        let typed =
            |names: &[&str]| one_or_many(names.iter().map(|name| (*name).to_owned()).collect());
        assert!(matches!(typed(&["alice"]), Ok(Typed::One(name)) if name == "alice"));
        let Ok(Typed::Many(Names::These(both))) = typed(&["alice", "bob"]) else { panic!("two") };
        assert_eq!(both, ["alice", "bob"]);
        assert!(matches!(typed(&["-"]), Ok(Typed::Many(Names::OnStdin))));
        assert!(typed(&["alice", "-"]).is_err());
    }

    #[test]
    fn where_one_is_no_name_nothing_is_asked() {
        let requests = |deed, names: &[&str]| {
            ManyOrder::requests(deed, names.iter().map(|name| (*name).to_owned()).collect())
        };
        let disable = ManyDeed::Devices(DeviceDeed::Disable);
        let devices = requests(disable, &["alice", "bob/tv"]).unwrap();
        let [Request::DevicesDo { devices, .. }] = &devices[..] else { panic!("{devices:?}") };
        assert_eq!(
            devices.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["alice/default", "bob/tv"]
        );
        for (deed, wrong) in [
            (disable, "3 devices"),
            (ManyDeed::Devices(DeviceDeed::Remove), "alice"),
            (ManyDeed::Users(UserDeed::Disable), "alice/phone"),
            (ManyDeed::Kick, ".."),
        ] {
            let failure = requests(deed, &["bob", wrong]).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Usage, "{wrong}");
        }
    }
}
