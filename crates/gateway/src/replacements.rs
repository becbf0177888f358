//! Devices whose sessions replace each other again and again: one profile on two machines, which throw each
//! other out for ever, each for the time that the other needs to notice.
//!
//! A device has one address, so its older session goes when a newer one comes. Once is a client that came
//! back from elsewhere; often within minutes is worth an administrator's look. No clock is read here, and
//! what is remembered is bounded in devices and in times.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use admin::names::DeviceName;
use clock::Timestamp;

/// Which sessions were replaced lately, by device.
#[derive(Debug, Default)]
pub(crate) struct Replacements(Mutex<BTreeMap<DeviceName, VecDeque<Replaced>>>);

/// A device that two machines seem to use in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TakenInTurn {
    /// Whose profile it is.
    pub(crate) device: DeviceName,
    /// How often a session of it was replaced within [`Replacements::WINDOW`].
    pub(crate) times: usize,
    /// Where its sessions came from.
    pub(crate) sources: BTreeSet<IpAddr>,
}

/// When a session was replaced, and where it had come from.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    at: Timestamp,
    source: IpAddr,
}

impl Replacements {
    /// How long a replacement counts.
    pub(crate) const WINDOW: Duration = Duration::from_secs(600);

    /// A session of this device, from there, was replaced at this wall time.
    pub(crate) fn note(&self, device: &DeviceName, source: IpAddr, at: Timestamp) {
        let mut of = self.locked();
        of.retain(|_, replaced| replaced.back().is_some_and(|last| is_recent(*last, at)));
        if of.len() >= DEVICES && !of.contains_key(device) {
            return;
        }
        let replaced = of.entry(device.clone()).or_default();
        replaced.push_back(Replaced { at, source });
        let excess = replaced.len().saturating_sub(TIMES);
        replaced.drain(..excess);
    }

    /// The devices that were replaced too often for a client that moves about, by name.
    pub(crate) fn taken_in_turn(&self, now: Timestamp) -> Vec<TakenInTurn> {
        let of = self.locked();
        let judge = |(device, replaced): (&DeviceName, &VecDeque<Replaced>)| {
            let recent: Vec<_> = replaced.iter().filter(|one| is_recent(**one, now)).collect();
            let sources = recent.iter().map(|one| one.source).collect();
            let often = recent.len() >= OFTEN;
            often.then(|| TakenInTurn { device: device.clone(), times: recent.len(), sources })
        };
        of.iter().filter_map(judge).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<DeviceName, VecDeque<Replaced>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that was set back makes nothing older.
fn is_recent(one: Replaced, now: Timestamp) -> bool {
    now.since(one.at) <= Replacements::WINDOW
}

/// Two machines take turns about once a minute by the usual timers; a client on its way between networks
/// comes back less often.
const OFTEN: usize = 4;
/// More than these says nothing more.
const TIMES: usize = 64;
/// So many shared profiles at once are enough to see that something is wrong.
const DEVICES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str) -> DeviceName {
        DeviceName::parse(name).expect("a name")
    }

    /// So many seconds after a moment.
    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_secs(1_790_000_000 + seconds)
    }

    fn source(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_device_that_is_replaced_again_and_again_is_named_with_its_sources() {
        let replacements = Replacements::default();
        for turn in 0..6_u8 {
            replacements.note(&device("alice"), source(turn % 2), at(60 * u64::from(turn)));
        }
        let named = replacements.taken_in_turn(at(300));
        assert_eq!(named.len(), 1, "{named:?}");
        assert_eq!((named[0].times, named[0].sources.len()), (6, 2));
        assert_eq!(named[0].device, device("alice"));
        assert_eq!(replacements.taken_in_turn(at(301).after(Replacements::WINDOW)), []);
    }

    #[test]
    fn a_client_that_comes_back_now_and_then_is_not() {
        let replacements = Replacements::default();
        for time in 0..20 {
            replacements.note(&device("bob"), source(1), at(300 * time));
            assert_eq!(replacements.taken_in_turn(at(300 * time)), []);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let replacements = Replacements::default();
        for number in 0..2 * DEVICES {
            replacements.note(&device(&format!("user{number}")), source(1), at(0));
        }
        for _ in 0..2 * TIMES {
            replacements.note(&device("user0"), source(1), at(0));
        }
        assert_eq!(replacements.locked().len(), DEVICES);
        assert_eq!(replacements.taken_in_turn(at(0))[0].times, TIMES);
        replacements.note(&device("late"), source(1), at(1).after(Replacements::WINDOW));
        assert_eq!(replacements.locked().len(), 1, "old ones make room");
    }
}
