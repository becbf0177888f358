//! Changes in words: what was done, and which effect is still missing.

use admin::request::{DeviceDeed, Request, UserDeed};
use admin::response::{Changed, ChangedAll, Effect};

use super::words::{count, effect_word};

pub(crate) fn text(request: &Request, changed: &Changed) -> String {
    let (done, already) = words(request);
    if changed.event.is_none() {
        let held = changed.held.as_deref().map(held).unwrap_or_default();
        return format!("{already} already; nothing was changed\n{held}");
    }
    let mut text = format!("{done}{}\n", effects(changed));
    for serial in &changed.revoked {
        text.push_str(&format!("revoked certificate {serial}\n"));
    }
    text + &afterwards(changed)
}

/// The same of many: whom by number, since whoever named them knows them.
pub(crate) fn of_many(request: &Request, all: &ChangedAll) -> String {
    let (done, noun) = words_of_many(request);
    let mut text = match all.changed.len() {
        0 => "nothing was changed\n".to_owned(),
        changed => format!("{done} {}{}\n", count(changed, noun), effects(&all.did)),
    };
    if !all.already.is_empty() {
        text.push_str(&format!("{done} already: {}\n", first_ones(&all.already)));
    }
    text + &afterwards(&all.did)
}

fn words_of_many(request: &Request) -> (&'static str, &'static str) {
    match request {
        Request::UsersDo { deed, .. } => match deed {
            UserDeed::Disable => ("disabled", "user"),
            UserDeed::Enable => ("enabled", "user"),
            UserDeed::Remove => ("removed", "user"),
        },
        Request::DevicesDo { deed, .. } => match deed {
            DeviceDeed::Disable => ("disabled", "device"),
            DeviceDeed::Enable => ("enabled", "device"),
            DeviceDeed::Remove => ("removed", "device"),
            DeviceDeed::Revoke { .. } => ("revoked", "device"),
        },
        _ => ("changed", "record"),
    }
}

/// The names of some, and how many more there are.
pub(super) fn first_ones(names: &[String]) -> String {
    match names.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..NAMED].join(", ")),
    }
}

/// What was done to certificates, sessions and the CRL.
fn effects(changed: &Changed) -> String {
    let mut effects = Vec::new();
    if !changed.revoked.is_empty() {
        effects.push(format!("{} revoked", count(changed.revoked.len(), "certificate")));
    }
    if changed.sessions_closed > 0 {
        let sessions = usize::try_from(changed.sessions_closed).unwrap_or(usize::MAX);
        effects.push(format!("{} closed", count(sessions, "session")));
    }
    for (serials, word) in [(&changed.on_hold, "put on hold"), (&changed.off_hold, "good again")] {
        if !serials.is_empty() {
            effects.push(format!("{} {word}", count(serials.len(), "certificate")));
        }
    }
    if let Some(number) = changed.crl_number {
        effects.push(format!("CRL {number} signed"));
    }
    let colon = if effects.is_empty() { "" } else { ": " };
    format!("{colon}{}", effects.join(", "))
}

/// When all of it was in force, and what is not yet.
fn afterwards(changed: &Changed) -> String {
    let mut text = delays(&changed.effects);
    text.push_str(&changed.held.as_deref().map(held).unwrap_or_default());
    for pending in &changed.pending {
        text.push_str(&format!("still missing: {pending}\n"));
    }
    text
}

/// When each effect was in force, where a gateway runs that has more than the CRL to follow.
fn delays(effects: &[Effect]) -> String {
    if effects.len() < 2 {
        return String::new();
    }
    let said = |effect: &Effect| format!("{} {} ms", effect_word(&effect.of), effect.after_ms);
    let each: Vec<_> = effects.iter().map(said).collect();
    format!("in force after: {}\n", each.join(", "))
}

/// What is said of a change that is in force and not on the disk.
pub(super) fn held(why: &str) -> String {
    format!(
        "not on the disk yet: {why}; it is in force, is written as soon as the disk takes it, and is lost \
         if the gateway ends before\n"
    )
}

/// What was done, and how it reads where it was so before.
fn words(request: &Request) -> (String, String) {
    match request {
        Request::UserDisable { name } => {
            (format!("disabled user {name}"), format!("user {name} is disabled"))
        }
        Request::UserEnable { name } => {
            (format!("enabled user {name}"), format!("user {name} is enabled"))
        }
        Request::UserRename { name, to } => {
            (format!("renamed user {name} to {to}"), format!("user {name} has that name"))
        }
        Request::UserRemove { name } => {
            (format!("removed user {name}"), format!("user {name} is removed"))
        }
        Request::CertRevoke { name, .. } => {
            (format!("revoked {name}"), format!("{name} is revoked"))
        }
        Request::DeviceRevoke { device, .. } => {
            (format!("revoked device {device}"), format!("device {device} is revoked"))
        }
        Request::DeviceDisable { device } => {
            (format!("disabled device {device}"), format!("device {device} is disabled"))
        }
        Request::DeviceEnable { device } => {
            (format!("enabled device {device}"), format!("device {device} is enabled"))
        }
        Request::DeviceRemove { device } => {
            (format!("removed device {device}"), format!("device {device} is removed"))
        }
        _ => ("done".into(), "it is so".into()),
    }
}

/// In a line for people.
const NAMED: usize = 10;

#[cfg(test)]
mod tests {
    use admin::names::DeviceName;
    use names::{RevocationReason, UserName};

    use super::*;

    #[test]
    fn a_change_that_waits_for_the_disk_says_so() {
        let request = Request::UserDisable { name: UserName::new("alice").unwrap() };
        let held = Some("no space is left".to_owned());
        let changed = Changed { event: Some(7), held: held.clone(), ..Changed::default() };
        let text_of = |changed| text(&request, &changed);
        let said = text_of(changed);
        assert!(
            said.starts_with("disabled user alice\nnot on the disk yet: no space is left;"),
            "{said}"
        );
        let said = text_of(Changed { held, ..Changed::default() });
        assert!(said.contains("nothing was changed\nnot on the disk yet"), "{said}");
    }

    #[test]
    fn of_many_it_is_said_how_many_were_changed_and_whom_it_was_so_of() {
        let devices = vec![DeviceName::parse("alice/phone").unwrap(); 3];
        let request = Request::DevicesDo { devices, deed: DeviceDeed::Disable };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let did = Changed { event: Some(9), on_hold: names(&["0a"]), ..Changed::default() };
        let (changed, already) = (names(&["alice/phone", "bob/tv"]), names(&["carol/pc"]));
        assert_eq!(
            of_many(&request, &ChangedAll { changed, already, did }),
            "disabled 2 devices: 1 certificate put on hold\ndisabled already: carol/pc\n"
        );
        let already = (0..12).map(|number| format!("u{number}")).collect();
        assert_eq!(
            of_many(&request, &ChangedAll { already, ..ChangedAll::default() }),
            "nothing was changed\n\
             disabled already: u0, u1, u2, u3, u4, u5, u6, u7, u8, u9 and 2 more\n"
        );
    }

    #[test]
    fn a_revocation_tells_its_effects_and_what_is_missing() {
        let device = DeviceName::parse("alice/phone").unwrap();
        let request = Request::DeviceRevoke { device, reason: RevocationReason::KeyCompromise };
        let changed = Changed {
            event: Some(7),
            revoked: vec!["0a".into()],
            sessions_closed: 1,
            crl_number: Some(3),
            pending: vec!["the session of 192.0.2.1:4 is not confirmed closed".into()],
            ..Changed::default()
        };
        assert_eq!(
            text(&request, &changed),
            "revoked device alice/phone: 1 certificate revoked, 1 session closed, CRL 3 signed\n\
             revoked certificate 0a\n\
             still missing: the session of 192.0.2.1:4 is not confirmed closed\n"
        );
        let effect = |of: &str, after_ms| Effect { of: of.to_owned(), after_ms };
        let effects = vec![effect("crl", 4), effect("published", 6), effect("vpn_sessions", 9)];
        let on_hold = vec!["0a".to_owned(), "0b".to_owned()];
        let changed = Changed { event: Some(8), on_hold, effects, ..Changed::default() };
        let device = DeviceName::parse("alice/phone").unwrap();
        assert_eq!(
            text(&Request::DeviceDisable { device }, &changed),
            "disabled device alice/phone: 2 certificates put on hold\n\
             in force after: CRL 4 ms, CRL and OCSP answers 6 ms, VPN sessions 9 ms\n"
        );
        assert_eq!(
            text(&request, &Changed::default()),
            "device alice/phone is revoked already; nothing was changed\n"
        );
    }
}
