//! Which rows of a listing are shown, and in which order: alice/phone2 before alice/phone10.
//!
//! The same rows in text and in JSON.

use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use admin::response::{Device, DeviceState, Response, User};
use clock::Timestamp;

use crate::args::order::Only;

/// The answer with the rows that fit, sorted by name.
pub(crate) fn select(answer: Response, only: &Only, now: Timestamp) -> Result<Response, Failure> {
    Ok(match answer {
        Response::Users(mut users) => {
            known(only, users.iter().all(|user| user.connected.is_some()))?;
            users.retain(|user| user_fits(user, only));
            users.sort_by_cached_key(|user| natural(user.name.as_str()));
            Response::Users(users)
        }
        Response::Devices(devices) => {
            known(only, devices.iter().all(|device| device.connected.is_some()))?;
            seen(only, devices.iter().all(|device| device.ever_seen.is_some()))?;
            // Each name is written once, and not for each comparison.
            let mut named: Vec<_> = devices
                .into_iter()
                .map(|device| (device.name.to_string(), device))
                .filter(|(name, device)| device_fits(name, device, only, now))
                .map(|(name, device)| (natural(&name), device))
                .collect();
            named.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            Response::Devices(named.into_iter().map(|(_, device)| device).collect())
        }
        other => other,
    })
}

fn user_fits(user: &User, only: &Only) -> bool {
    user.name.as_str().starts_with(&only.begins)
        && (!only.connected || user.connected > Some(0))
        && (!only.disabled || user.disabled)
}

fn device_fits(name: &str, device: &Device, only: &Only, now: Timestamp) -> bool {
    let ends_within = |d: u32| device.expires_at.is_some_and(|at| at.since(now) <= days(d));
    // By the gateway's word, and not by the clock of whoever asks.
    let not_seen_for = |d: u32| {
        let unseen = device.unseen_seconds.map(Duration::from_secs);
        device.connected != Some(true) && unseen.is_some_and(|unseen| unseen >= days(d))
    };
    name.starts_with(&only.begins)
        && (!only.connected || device.connected == Some(true))
        && (!only.disabled || device.state == DeviceState::Disabled)
        && (!only.outdated || device.profile_outdated == Some(true))
        && (!only.never_connected || device.ever_seen == Some(false))
        && only.not_seen.is_none_or(not_seen_for)
        && only.expiring.is_none_or(ends_within)
}

fn days(number: u32) -> Duration {
    Duration::from_secs(u64::from(number) * 86_400)
}

fn known(only: &Only, connected: bool) -> Result<(), Failure> {
    if !only.connected || connected {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::NotRunning,
        "who is connected is known to a running gateway only",
    )
    .hint("start it: `handfast up`, or leave out --connected"))
}

/// Who is not known to be gone is listed with nobody who is: devices that are listed so are removed.
fn seen(only: &Only, is_known: bool) -> Result<(), Failure> {
    if is_known || !only.never_connected && only.not_seen.is_none() {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Environment, "when devices were seen last can't be read")
        .hint("the gateway's log says why: journalctl -u handfast"))
}

/// Whether nothing is left of it.
pub(crate) fn is_empty(answer: &Response) -> bool {
    match answer {
        Response::Users(users) => users.is_empty(),
        Response::Devices(devices) => devices.is_empty(),
        _ => false,
    }
}

/// By which names are sorted: digits by their value, everything else by its letters, and by itself what is the same so.
///
/// Made once for each name, since thousands are compared again and again. A text ends with a zero octet, and so do all
/// parts; a number stands behind its length: so octets compare as the parts do.
fn natural(name: &str) -> Vec<u8> {
    let (mut key, mut rest) = (Vec::with_capacity(2 * name.len() + 16), name);
    while !rest.is_empty() {
        let (one, more) = part(rest);
        match number(one) {
            Some((length, digits)) => {
                key.push(b'0');
                key.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
                key.extend(digits.as_bytes());
            }
            None => {
                key.extend(one.as_bytes());
                key.push(0);
            }
        }
        rest = more;
    }
    key.push(0);
    key.extend(name.as_bytes());
    key
}

/// The digits that a text begins with, or what stands before its first digit.
fn part(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

/// A number by how long it is, then by its digits: no limit to its value.
fn number(part: &str) -> Option<(usize, &str)> {
    let digits = part.trim_start_matches('0');
    part.starts_with(|c: char| c.is_ascii_digit()).then_some((digits.len(), digits))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nobody_is_listed_as_gone_where_it_is_not_known_who_was_here() {
        let now = Timestamp::from_unix_secs(1_800_000_000);
        let gone = Only { not_seen: Some(90), ..Only::default() };
        let never = Only { never_connected: true, ..Only::default() };
        let devices = |ever_seen: Option<bool>| {
            let device = json!({
                "name": { "user": "alice", "device": "phone" }, "state": "active", "addresses": [], "serial": null,
                "expires_at": null, "connected": false, "last_seen_at": null,
                "ever_seen": ever_seen, "unseen_seconds": ever_seen.map(|_| 100 * 86_400),
                "added_at": Timestamp::from_unix_secs(0),
            });
            Response::Devices(vec![serde_json::from_value(device).expect("a device")])
        };
        for only in [&gone, &never] {
            let refused = select(devices(None), only, now).expect_err("it is not known");
            assert_eq!(refused.kind, FailureKind::Environment);
            assert!(!is_empty(&select(devices(Some(false)), only, now).expect("it never was")));
        }
        assert!(!is_empty(&select(devices(None), &Only::default(), now).expect("listed")));
    }

    #[test]
    fn a_device_is_not_seen_for_days_by_the_gateways_word_alone() {
        let device = |unseen: Option<u64>, connected: bool| -> Device {
            serde_json::from_value(json!({
                "name": { "user": "alice", "device": "phone" }, "state": "active", "addresses": [], "serial": null,
                "expires_at": null, "connected": connected, "last_seen_at": Timestamp::from_unix_secs(0),
                "unseen_seconds": unseen.map(|days| days * 86_400), "added_at": Timestamp::from_unix_secs(0),
            }))
            .expect("a device")
        };
        let only = Only { not_seen: Some(90), ..Only::default() };
        let now = Timestamp::from_unix_secs(1 << 40);
        let fits = |device: Device| device_fits("alice/phone", &device, &only, now);
        assert!(fits(device(Some(90), false)));
        assert!(!fits(device(Some(89), false)) && !fits(device(None, false)));
        assert!(!fits(device(Some(90), true)), "it is here");
    }

    #[test]
    fn numbers_in_names_are_sorted_by_their_value() {
        let mut names = [
            "bob/pc",
            "alice/phone10",
            "alice/phone2",
            "alice/phone",
            "alice/phone02",
            "al/99999999999999999999999",
            "al/100",
        ];
        names.sort_by_key(|name| natural(name));
        assert_eq!(
            names,
            [
                "al/100",
                "al/99999999999999999999999",
                "alice/phone",
                "alice/phone02",
                "alice/phone2",
                "alice/phone10",
                "bob/pc"
            ]
        );
    }

    #[test]
    fn names_that_differ_are_never_taken_for_the_same() {
        let names = ["a", "a0", "a00", "a1", "a01b", "a1b", "a1b2", "", "1", "01", "b"];
        for a in names {
            for b in names {
                assert_eq!(natural(a) == natural(b), a == b, "{a} {b}");
            }
        }
    }
}
