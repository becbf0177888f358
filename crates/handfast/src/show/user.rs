//! Users in words.

use admin::response::{User, UserDetail};
use clock::Timestamp;

use super::table::{Table, Width, fields};
use super::words::{list, total};
use super::{device, time};

pub(crate) fn added(detail: &UserDetail) -> String {
    let name = &detail.user.name;
    let devices: String = detail
        .device_list
        .iter()
        .map(|device| format!("added device {} with {}\n", device.name, list(&device.addresses)))
        .collect();
    format!("added user {name}\n{devices}next: handfast profile {name} --out DIR\n")
}

pub(crate) fn listing(users: &[User], width: Width) -> String {
    if users.is_empty() {
        return "no users yet; add one: handfast user add NAME\n".into();
    }
    let mut table = Table::new(&["USER", "STATE", "DEVICES", "CONNECTED", "ADDED"]);
    for user in users {
        table.row([
            user.name.to_string(),
            state(user).into(),
            user.devices.to_string(),
            user.connected.map_or("-".into(), |n| n.to_string()),
            user.added_at.date(),
        ]);
    }
    let connected = users.iter().filter(|user| user.connected > Some(0)).count();
    table.text_in(width) + &total(users.len(), "user", users[0].connected.map(|_| connected))
}

pub(crate) fn detail(detail: &UserDetail, now: Timestamp, width: Width) -> String {
    let user = &detail.user;
    let head = fields(&[
        ("user", user.name.to_string()),
        ("state", state(user).into()),
        ("added", time::moment(user.added_at, now)),
    ]);
    format!("{head}\n{}", device::listing(&detail.device_list, width))
}

fn state(user: &User) -> &'static str {
    if user.disabled { "disabled" } else { "active" }
}
