//! Devices and their certificates in words.

use std::net::IpAddr;

use admin::response::{Certificate, CertificateState, Device, DeviceDetail, DeviceState};
use clock::Timestamp;

use super::table::{Table, Width, fields};
use super::time;
use super::words::{list, total, yes_no};

pub(crate) fn added(detail: &DeviceDetail) -> String {
    let device = &detail.device;
    let mut text = format!("added device {} with {}\n", device.name, list(&device.addresses));
    if let Some(certificate) = detail.certificates.first() {
        text.push_str(&issued(certificate));
    }
    text.push_str(&format!("next: handfast profile {} --out DIR\n", device.name));
    text
}

pub(crate) fn renewed(detail: &DeviceDetail) -> String {
    let mut text = format!("renewed device {}\n", detail.device.name);
    if let Some(certificate) = detail.certificates.first() {
        text.push_str(&issued(certificate));
    }
    for former in &detail.certificates {
        if let CertificateState::Superseding { until } = former.state {
            text.push_str(&format!(
                "the former one, {}, is revoked when this one connects, at the latest on {}\n",
                former.serial,
                until.date()
            ));
        }
    }
    text.push_str(&format!("next: handfast profile {} --out DIR\n", detail.device.name));
    text
}

fn issued(certificate: &Certificate) -> String {
    let (serial, until) = (&certificate.serial, certificate.not_after.date());
    format!("issued certificate {serial}, valid until {until}\n")
}

pub(crate) fn listing(devices: &[Device], width: Width) -> String {
    if devices.is_empty() {
        return "no devices yet; add one: handfast device add USER/DEVICE\n".into();
    }
    let mut table =
        Table::new(&["DEVICE", "STATE", "CONNECTED", "ADDRESSES", "EXPIRES", "LAST SEEN"]);
    for device in devices {
        table.row([
            device.name.to_string(),
            state_and_profile(device),
            yes_no(device.connected),
            list(inner(&device.addresses, width)),
            device.expires_at.map_or("-".into(), Timestamp::date),
            last_seen(device, |at| seen(at, width)),
        ]);
    }
    let connected = devices.iter().filter(|device| device.connected == Some(true)).count();
    table.text_in(width) + &total(devices.len(), "device", devices[0].connected.map(|_| connected))
}

/// Every address, or the first one, which is the IPv4 one.
pub(super) fn inner(addresses: &[IpAddr], width: Width) -> &[IpAddr] {
    match width {
        Width::Whole => addresses,
        Width::Terminal | Width::Pipe => &addresses[..addresses.len().min(1)],
    }
}

fn last_seen(device: &Device, said: impl Fn(Timestamp) -> String) -> String {
    match (device.last_seen_at, device.ever_seen) {
        (Some(at), _) => said(at),
        (None, None) => "not known".into(),
        (None, Some(_)) => "never".into(),
    }
}

fn seen(at: Timestamp, width: Width) -> String {
    match width {
        Width::Whole => at.to_seconds(),
        Width::Terminal | Width::Pipe => at.date(),
    }
}

pub(crate) fn detail(detail: &DeviceDetail, now: Timestamp) -> String {
    let device = &detail.device;
    let mut text = fields(&[
        ("device", device.name.to_string()),
        ("state", state_word(device.state).into()),
        ("addresses", list(&device.addresses)),
        ("connected", yes_no(device.connected)),
        ("last seen", last_seen(device, |at| time::moment(at, now))),
        ("added", time::moment(device.added_at, now)),
    ]);
    if device.profile_outdated == Some(true) {
        text.push_str(FORMER_SETTINGS);
    }
    if detail.certificates.is_empty() {
        text.push_str(&format!(
            "\nno certificate yet; make it: handfast profile {} --out DIR\n",
            device.name
        ));
        return text;
    }
    text.push('\n');
    text.push_str(&certificates(&detail.certificates));
    text
}

pub(super) fn certificates(certificates: &[Certificate]) -> String {
    let mut table = Table::new(&["CERTIFICATE", "KEY", "VALID FROM", "VALID UNTIL", "STATE"]);
    for certificate in certificates {
        table.row([
            certificate.serial.clone(),
            certificate.key_type.clone(),
            certificate.not_before.date(),
            certificate.not_after.date(),
            certificate_state(certificate.state),
        ]);
    }
    table.text()
}

pub(crate) fn certificate_state(state: CertificateState) -> String {
    match state {
        CertificateState::Valid => "valid".into(),
        CertificateState::Superseding { until } => {
            format!("superseded, revoked by {}", until.date())
        }
        CertificateState::Expired => "expired".into(),
        CertificateState::FormerCa => "of a former CA, refused".into(),
        CertificateState::OnHold { at } => format!("on hold since {}", at.to_seconds()),
        CertificateState::Revoked { at, reason } => {
            format!("revoked {} ({})", at.to_seconds(), reason.word())
        }
    }
}

/// One with former settings is nothing for a device that may not connect.
fn state_and_profile(device: &Device) -> String {
    match (device.state, device.profile_outdated) {
        (DeviceState::Active, Some(true)) => "active, outdated".into(),
        (state, _) => state_word(state).into(),
    }
}

const FORMER_SETTINGS: &str = "profile has former settings, or may have; write it again with its key: handfast profile --from OLD.ovpn\n";

fn state_word(state: DeviceState) -> &'static str {
    match state {
        DeviceState::New => "new",
        DeviceState::Active => "active",
        DeviceState::Expired => "expired",
        DeviceState::Revoked => "revoked",
        DeviceState::Disabled => "disabled",
        DeviceState::FormerCa => "former CA",
    }
}
