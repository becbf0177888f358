//! Visits: a device's connections to a virtual server, one behind the other, which leave one record. A browser makes a
//! dozen connections for a page, and a program one for each question.
//!
//! No clock, no store. Invariant: a device has one visit at most to each server, so that there are no more than records
//! and settings have names for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use clock::Timestamp;
use store::{DeviceId, SessionNote};

/// Those that are under way, and those that ended a moment ago.
#[derive(Debug, Default)]
pub(super) struct Visits {
    all: HashMap<Key, Visit>,
    /// Which visit an open connection belongs to, by its number.
    connections: HashMap<u64, Key>,
}

type Key = (DeviceId, String);

#[derive(Debug)]
struct Visit {
    /// As it is.
    note: SessionNote,
    /// What open connections carried, as far as is known.
    open: HashMap<u64, [u64; 2]>,
    /// What those carried that are gone.
    gone: [u64; 2],
    /// Why the last one of those ended.
    why: String,
}

/// A connection that was let in.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) number: u64,
    pub(super) device: DeviceId,
    pub(super) server: String,
    pub(super) source: SocketAddr,
    pub(super) opened: Timestamp,
}

impl Visits {
    /// A connection more. Gives the note of a visit that begins with it.
    pub(super) fn arrived(&mut self, arrived: Arrived, now: Timestamp) -> Option<SessionNote> {
        let key = (arrived.device, arrived.server.clone());
        self.connections.insert(arrived.number, key.clone());
        let begins = !self.all.contains_key(&key);
        let visit = self.all.entry(key).or_insert_with(|| Visit::of(&arrived, now));
        visit.open.insert(arrived.number, [0; 2]);
        visit.note.source = arrived.source;
        begins.then(|| visit.note.clone())
    }

    /// What an open connection has carried so far.
    pub(super) fn carried(
        &mut self,
        number: u64,
        bytes: [u64; 2],
        now: Timestamp,
    ) -> Option<SessionNote> {
        let visit = self.all.get_mut(self.connections.get(&number)?)?;
        visit.open.insert(number, bytes);
        Some(visit.noted(now))
    }

    /// One is gone. Where `at_once`, its visit ends with it, and with all others of it that are gone already.
    pub(super) fn gone(
        &mut self,
        number: u64,
        bytes: [u64; 2],
        (why, at_once): (&str, bool),
        now: Timestamp,
    ) -> Option<SessionNote> {
        let key = self.connections.remove(&number)?;
        let visit = self.all.get_mut(&key)?;
        visit.open.remove(&number);
        visit.gone = add(visit.gone, bytes);
        why.clone_into(&mut visit.why);
        let note = visit.noted(now);
        if !(at_once && visit.open.is_empty()) {
            return Some(note);
        }
        self.all.remove(&key).map(Visit::ended)
    }

    /// Ends those that have had no connection for so long.
    pub(super) fn end(&mut self, quiet: Duration, now: Timestamp) -> Vec<SessionNote> {
        let over = |visit: &Visit| visit.open.is_empty() && now.since(visit.note.seen) >= quiet;
        self.all.extract_if(|_, visit| over(visit)).map(|(_, visit)| visit.ended()).collect()
    }
}

impl Visit {
    fn of(arrived: &Arrived, now: Timestamp) -> Self {
        let note = SessionNote {
            opened: arrived.opened,
            number: arrived.number,
            device: arrived.device,
            source: arrived.source,
            tcp: true,
            addresses: Vec::new(),
            client: format!("{} over TLS", arrived.server),
            tells_profile: false,
            profile: None,
            seen: now,
            bytes_in: 0,
            bytes_out: 0,
            ended: None,
        };
        Self { note, open: HashMap::new(), gone: [0; 2], why: String::new() }
    }

    fn noted(&mut self, now: Timestamp) -> SessionNote {
        let [bytes_in, bytes_out] = self.open.values().fold(self.gone, |sum, one| add(sum, *one));
        (self.note.bytes_in, self.note.bytes_out, self.note.seen) = (bytes_in, bytes_out, now);
        self.note.clone()
    }

    fn ended(self) -> SessionNote {
        SessionNote { ended: Some(self.why), ..self.note }
    }
}

fn add(one: [u64; 2], other: [u64; 2]) -> [u64; 2] {
    [one[0] + other[0], one[1] + other[1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_one_behind_the_other_are_one_visit_with_all_that_they_carried() {
        let mut visits = Visits::default();
        assert_eq!(visits.arrived(connection(1, "wiki"), at(0)).unwrap().number, 1);
        assert!(visits.arrived(connection(2, "wiki"), at(1)).is_none());
        assert!(visits.arrived(connection(3, "files"), at(1)).is_some(), "another server");
        let note = visits.gone(1, [5, 7], ("finished", false), at(2)).unwrap();
        assert_eq!((note.bytes_in, note.ended.as_deref()), (5, None));
        assert_eq!(visits.carried(2, [10, 20], at(3)).unwrap().bytes_out, 27);
        assert!(visits.end(QUIET, at(100)).is_empty(), "one is open");
        visits.gone(2, [11, 21], ("idle", false), at(100));
        assert!(visits.end(QUIET, at(109)).is_empty());
        assert!(visits.arrived(connection(4, "wiki"), at(109)).is_none(), "it came back in time");
        visits.gone(4, [0, 0], ("idle", false), at(110));
        let ended = visits.end(QUIET, at(120));
        assert_eq!(ended.len(), 1);
        let note = &ended[0];
        assert_eq!((note.number, note.bytes_in, note.bytes_out), (1, 16, 28));
        assert_eq!((note.ended.as_deref(), note.seen), (Some("idle"), at(110)));
        assert_eq!(visits.arrived(connection(5, "wiki"), at(121)).unwrap().number, 5, "a new one");
    }

    #[test]
    fn a_right_that_ends_ends_the_visit_at_once() {
        let mut visits = Visits::default();
        visits.arrived(connection(1, "wiki"), at(0));
        visits.arrived(connection(2, "wiki"), at(0));
        let first = visits.gone(1, [1, 1], ("revoked", true), at(1)).unwrap();
        assert_eq!(first.ended, None);
        let last = visits.gone(2, [1, 1], ("revoked", true), at(1)).unwrap();
        assert_eq!((last.ended.as_deref(), last.bytes_in), (Some("revoked"), 2));
        assert!(visits.all.is_empty() && visits.connections.is_empty());
        assert!(visits.gone(2, [1, 1], ("revoked", true), at(1)).is_none());
    }

    fn connection(number: u64, server: &str) -> Arrived {
        let device = serde_json::from_value(1.into()).unwrap();
        let source = "192.0.2.7:4000".parse().unwrap();
        Arrived { number, device, server: server.to_owned(), source, opened: at(0) }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_secs(1_800_000_000 + seconds)
    }

    const QUIET: Duration = Duration::from_secs(10);
}
