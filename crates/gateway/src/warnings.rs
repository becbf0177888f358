//! Warnings of certificates that end: an event and a line in the log, each once, 30, 7 and 1 days before; for a
//! CA a year before as well.
//!
//! The records remember what was said, so that a start does not say it again; where the machine was off, what it
//! missed is said at once, and only the latest of it. Not here: what renews itself in time, and findings of
//! `check`, which says how things are at any moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, AuthorityError};
use clock::Timestamp;
use names::CertificateName;
use pki::Fit;
use serde_json::json;
use store::{Actor, CertificateEntry, EventKind, Holder, Snapshot, Store};

use crate::doors::Foreign;
use crate::renewed_here::RenewedHere;
use crate::words::device_name;

/// Whoever ends, and what was to be said of it before.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    /// The setting that remembers.
    setting: String,
    name: String,
    not_after: Timestamp,
    /// The nearest threshold that has passed.
    days: u32,
}

/// Says what is to be said at this moment.
pub(crate) async fn look(
    store: &Store,
    authority: &Authority,
    here: &RenewedHere,
    foreign: &[Foreign],
    now: Timestamp,
) -> Result<(), AuthorityError> {
    let said = store.settings_below(WARNED).await?;
    // The nearest ends first.
    let mut endings = of_cas(authority, now);
    endings.extend(of_leaves(&store.snapshot(), here, now));
    endings.extend(foreign.iter().filter_map(|one| of_foreign(one, now)));
    endings.sort_by_key(|ending| ending.not_after);
    for ending in unsaid(endings, &said) {
        say(store, &ending).await?;
    }
    Ok(())
}

/// As many as one look says, of those of whom it was not said yet. Said once for a nearer threshold, it needs no
/// further one.
fn unsaid(endings: Vec<Ending>, said: &BTreeMap<String, String>) -> impl Iterator<Item = Ending> {
    let said = |ending: &Ending| said.get(&ending.setting)?.parse::<u32>().ok();
    let is_said = move |ending: &Ending| said(ending).is_some_and(|said| said <= ending.days);
    endings.into_iter().filter(move |ending| !is_said(ending)).take(MOST)
}

async fn say(store: &Store, ending: &Ending) -> Result<(), AuthorityError> {
    let Ending { setting, name, not_after, days } = ending;
    let until = not_after.date();
    let payload = json!({ "name": name, "days": days, "until": until });
    let (value, kind) = (days.to_string(), EventKind::CERTIFICATE_ENDING);
    let once = store.event_once(&Actor::Gateway, (setting, &value), kind, payload).await?;
    if !once.is_unchanged() {
        tracing::warn!(name, until, "a certificate ends within {days} days");
    }
    Ok(())
}

fn of_leaves(snapshot: &Snapshot, here: &RenewedHere, now: Timestamp) -> Vec<Ending> {
    let ending = |entry: &Arc<CertificateEntry>| {
        let name = whose(snapshot, entry)?;
        let days = threshold(&USUAL, entry.not_after, now, days_of(entry))?;
        let setting = format!("{WARNED}{}/{}", entry.id.issuer, entry.id.serial);
        Some(Ending { setting, name, not_after: entry.not_after, days })
    };
    newest(snapshot, here).into_values().filter_map(ending).collect()
}

fn of_foreign(foreign: &Foreign, now: Timestamp) -> Option<Ending> {
    let Fit { id, since, until } = foreign.fit;
    let days = threshold(&USUAL, until, now, whole_days(until.since(since)))?;
    let setting = format!("{WARNED}{}/{}", id.issuer, id.serial);
    Some(Ending { setting, name: foreign.name.clone(), not_after: until, days })
}

fn of_cas(authority: &Authority, now: Timestamp) -> Vec<Ending> {
    let issuers = authority.issuers();
    let ending = |issuer: &Arc<authority::Issuer>| {
        let generation = issuer.generation();
        let days = threshold(&OF_A_CA, generation.not_after, now, u32::MAX)?;
        let setting = format!("{WARNED}ca/{}", generation.id);
        let name = generation.subject.trim_start_matches("CN=").to_owned();
        Some(Ending { setting, name, not_after: generation.not_after, days })
    };
    issuers.trusted().filter_map(ending).collect()
}

/// The certificate that each holder has and nobody has taken the place of: the one that ends last.
fn newest<'s>(
    snapshot: &'s Snapshot,
    here: &RenewedHere,
) -> BTreeMap<String, &'s Arc<CertificateEntry>> {
    let mut newest: BTreeMap<String, &Arc<CertificateEntry>> = BTreeMap::new();
    let of_people = snapshot.certificates().filter(|entry| !here.has(&entry.holder, &entry.id));
    for entry in of_people.filter(|entry| snapshot.standing(entry).is_none()) {
        let holder = match &entry.holder {
            Holder::Device(id) => format!("device {id}"),
            Holder::Other(name) => format!("name {name}"),
            // It renews its own, and `check` says where it can't.
            Holder::Gateway => continue,
        };
        let known = newest.entry(holder).or_insert(entry);
        if known.not_after < entry.not_after {
            *known = entry;
        }
    }
    newest
}

/// Its name; nothing of what renews itself.
fn whose(snapshot: &Snapshot, entry: &CertificateEntry) -> Option<String> {
    match &entry.holder {
        Holder::Device(id) => Some(device_name(snapshot.device(*id)?).to_string()),
        Holder::Other(name) => CertificateName::new(name).ok().map(|_| name.clone()),
        Holder::Gateway => None,
    }
}

/// How long this one lives, whatever others live that are issued today.
fn days_of(entry: &CertificateEntry) -> u32 {
    whole_days(entry.not_after.since(entry.recorded_at))
}

fn whole_days(life: Duration) -> u32 {
    u32::try_from(life.as_secs().div_ceil(DAY.as_secs())).unwrap_or(u32::MAX)
}

/// The least of these numbers of days that are left at most. What lives no longer than that is not warned of.
fn threshold(days: &[u32], not_after: Timestamp, now: Timestamp, life: u32) -> Option<u32> {
    let within = |days: u32| not_after <= now.after(DAY * days);
    let passed = days.iter().copied().filter(|days| *days < life && within(*days));
    passed.min().filter(|_| now < not_after)
}

const USUAL: [u32; 3] = [30, 7, 1];
const OF_A_CA: [u32; 4] = [365, 30, 7, 1];
const DAY: Duration = Duration::from_secs(86_400);
/// Where the records remember what was said.
const WARNED: &str = "warned/";
/// In a minute: a house that enrolled everybody on one day is told by and by.
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_threshold_counts_and_what_is_over_or_short_lived_none() {
        let now = Timestamp::from_unix_secs(1_800_000_000);
        let in_days = |days: u32| now.after(DAY * days);
        let of = |days: u32, life: u32| threshold(&USUAL, in_days(days), now, life);
        assert_eq!(of(31, 365), None);
        assert_eq!(of(30, 365), Some(30));
        assert_eq!(of(8, 365), Some(30));
        assert_eq!(of(7, 365), Some(7));
        assert_eq!(of(1, 365), Some(1));
        assert_eq!(of(0, 365), None, "it is over");
        assert_eq!(of(20, 30), None, "it lives for 30 days");
        assert_eq!(of(7, 30), Some(7));
        assert_eq!(threshold(&OF_A_CA, in_days(300), now, u32::MAX), Some(365));
    }

    #[test]
    fn those_of_whom_it_was_said_take_no_place_from_those_of_whom_it_was_not() {
        let ending = |number: usize| Ending {
            setting: format!("{WARNED}{number}"),
            name: number.to_string(),
            not_after: Timestamp::from_unix_secs(1_800_000_000),
            days: 30,
        };
        let first = 0..MOST;
        let said = first.map(|number| (ending(number).setting, "30".to_owned())).collect();
        let all = || (0..=MOST).map(ending).collect::<Vec<_>>();
        assert_eq!(unsaid(all(), &BTreeMap::new()).count(), MOST);
        assert_eq!(unsaid(all(), &said).collect::<Vec<_>>(), [ending(MOST)]);
        let nearer = |number| Ending { days: 7, ..ending(number) };
        assert_eq!(unsaid(vec![nearer(1)], &said).collect::<Vec<_>>(), [nearer(1)]);
    }
}
