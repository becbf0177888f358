//! The last refusals and what was kept of handshakes, each list with an end.
//!
//! Anybody who has the tls-auth key can have as many handshakes fail as the machine bears. Invariant: strangers push
//! nobody who is known out of the refusals, and cost no more than so many readings a second.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use admin::response::RefusalEntry;
use explain::kept::{Kept, Lack, Verdict};
use explain::story::Protocol;
use sources::Source;

use crate::config::Keep;

/// A refused connection, or a session whose right was taken back.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The connection's number, where it had one: at the TLS door it has none before it is let in.
    pub(crate) connection: Option<u64>,
    /// What was spoken there.
    pub(crate) protocol: Protocol,
    /// What is known of it without a number, or why nothing is.
    pub(crate) kept: Result<Arc<Kept>, Lack>,
    /// `udp` or `tcp`.
    pub(crate) transport: &'static str,
    /// The address of ours that it spoke to, where that is known.
    pub(crate) server: Option<String>,
    /// When, in microseconds since 1970.
    pub(crate) at: u64,
    /// As log and status have it.
    pub(crate) entry: RefusalEntry,
    /// As its story has it.
    pub(crate) verdict: Verdict,
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Book {
    so_far: u64,
    known: VecDeque<Refusal>,
    strangers: VecDeque<Refusal>,
    /// Of open sessions.
    open: HashMap<u64, Arc<Kept>>,
    /// Connections of which something may come to be kept as of open sessions: neither has their end been told, nor is
    /// their task over. The two come in any order.
    begun: HashSet<u64>,
    /// Of connections that failed, the oldest first. Some are not refused yet, and some never.
    failed: VecDeque<(u64, Arc<Kept>)>,
    /// Failed handshakes of the VPN's door.
    pub(super) handshakes: Readings,
    /// Handshakes of whom the TLS door refused.
    pub(super) tls: Readings,
}

/// How many were read in this second.
#[derive(Debug, Default)]
pub(super) struct Readings {
    second: u64,
    so_far: u32,
}

impl Readings {
    /// Whether there is time for one more.
    pub(super) fn may_read(&mut self, second: u64) -> bool {
        if self.second != second {
            *self = Self { second, so_far: 0 };
        }
        self.so_far += 1;
        self.so_far <= READ_A_SECOND
    }
}

/// How many refusals are kept of those who are known, and as many of strangers.
const EACH: usize = 500;
/// How many of each door are read in a second.
const READ_A_SECOND: u32 = 50;

impl Book {
    /// Numbered from 1. One that repeats the former takes its place.
    pub(super) fn refused(&mut self, mut refusal: Refusal) -> u64 {
        if let Some(connection) = refusal.connection {
            self.closed(connection, true);
        }
        self.so_far += 1;
        refusal.entry.number = self.so_far;
        let list = match refusal.entry.device {
            Some(_) => &mut self.known,
            None => &mut self.strangers,
        };
        list.retain(|former| !repeats(&former.entry, &refusal.entry));
        list.truncate(EACH - 1);
        list.push_front(refusal);
        self.so_far
    }

    /// The one of this number, or the last one.
    pub(super) fn refusal(&self, number: Option<u64>) -> Option<&Refusal> {
        let all = self.known.iter().chain(&self.strangers);
        match number {
            Some(number) => all.into_iter().find(|refusal| refusal.entry.number == number),
            None => all.max_by_key(|refusal| refusal.entry.number),
        }
    }

    /// The last one for this reason.
    pub(super) fn refusal_for(&self, reason: &str) -> Option<&Refusal> {
        let all = self.known.iter().chain(&self.strangers);
        let for_it = all.filter(|refusal| refusal.entry.reason == reason);
        for_it.max_by_key(|refusal| refusal.entry.number)
    }

    /// A connection of which something will be kept if it becomes a session.
    pub(super) fn begun(&mut self, connection: u64) {
        self.begun.insert(connection);
    }

    /// Whether it is one of those, and not over.
    pub(super) fn is_begun(&self, connection: u64) -> bool {
        self.begun.contains(&connection)
    }

    /// Its handshake went well. Whose end was told before that is no open session's.
    pub(super) fn opened(&mut self, connection: u64, kept: Kept) {
        if self.begun.contains(&connection) {
            self.open.insert(connection, Arc::new(kept));
        }
    }

    /// Its task is over: nothing more comes of it.
    pub(super) fn gone(&mut self, connection: u64) {
        self.begun.remove(&connection);
    }

    /// A session's keys were renewed of whose first handshake something is kept.
    pub(super) fn renewed(&mut self, connection: u64, renewal: Kept) {
        if let Some(kept) = self.open.get_mut(&connection) {
            *kept = Arc::new(kept.renewed(renewal));
        }
    }

    pub(super) fn failed(&mut self, connection: u64, kept: Kept) {
        self.keep_failed(connection, Arc::new(kept));
    }

    pub(super) fn closed(&mut self, connection: u64, is_refusal: bool) {
        self.begun.remove(&connection);
        let kept = self.open.remove(&connection);
        if let Some(kept) = kept.filter(|_| is_refusal) {
            self.keep_failed(connection, kept);
        }
    }

    fn keep_failed(&mut self, connection: u64, kept: Arc<Kept>) {
        if self.failed.len() >= 2 * EACH {
            let of_known = |number: u64| self.known.iter().any(|of| of.connection == Some(number));
            let oldest = self.failed.iter().position(|(number, _)| !of_known(*number));
            self.failed.remove(oldest.unwrap_or(0));
        }
        self.failed.push_back((connection, kept));
    }

    /// Forgets what these settings would not have kept.
    pub(super) fn forget_but(&mut self, keep: Keep) {
        if keep != Keep::All {
            self.open = HashMap::new();
        }
        if keep == Keep::Off {
            self.failed = VecDeque::new();
            let refusals = self.known.iter_mut().chain(&mut self.strangers);
            refusals.for_each(|refusal| refusal.kept = Err(Lack::Off));
        }
    }

    /// What was kept of a connection's handshake.
    pub(super) fn kept(&self, connection: u64) -> Option<Arc<Kept>> {
        let failed = || self.failed.iter().rev().find(|(number, _)| *number == connection);
        self.open.get(&connection).or_else(|| Some(&failed()?.1)).cloned()
    }
}

fn repeats(former: &RefusalEntry, entry: &RefusalEntry) -> bool {
    let host = |of: &RefusalEntry| Source::host(of.source.ip());
    former.reason == entry.reason && former.device == entry.device && host(former) == host(entry)
}

#[cfg(test)]
mod tests {
    use admin::names::DeviceName;
    use explain::kept::Trace;
    use explain::{KeyLog, Side};
    use wire::SessionId;

    use super::*;

    #[test]
    fn strangers_push_nobody_who_is_known_out_however_many_come() {
        let mut book = Book::default();
        let alice = book.refused(refusal(1, Some("alice"), "revoked", 1));
        book.failed(1, kept());
        for stranger in 2..5_000 {
            book.refused(refusal(stranger, None, "silent", stranger));
            book.failed(stranger, kept());
        }
        assert_eq!(book.refusal(Some(alice)).map(|of| of.entry.reason.as_str()), Some("revoked"));
        assert!(book.kept(1).is_some(), "with its handshake");
        assert!(book.known.len() + book.strangers.len() <= 2 * EACH);
        assert!(book.failed.len() <= 2 * EACH);
        assert_eq!(book.refusal(None).map(|of| of.connection), Some(Some(4_999)));
        assert_eq!(book.refusal_for("revoked").map(|of| of.entry.number), Some(alice));
    }

    #[test]
    fn one_that_comes_again_and_again_has_one_place() {
        let mut book = Book::default();
        for connection in 1..100 {
            book.refused(refusal(connection, Some("alice"), "revoked", 7));
        }
        assert_eq!(book.known.len(), 1);
        assert_eq!(book.refusal(None).map(|of| of.connection), Some(Some(99)));
    }

    #[test]
    fn what_a_flood_has_fail_is_read_up_to_a_number_in_each_second() {
        let mut book = Book::default();
        let read = (0..10_000).filter(|_| book.handshakes.may_read(5)).count();
        assert_eq!(read, READ_A_SECOND as usize);
        assert!(book.tls.may_read(5), "the other door has its own");
        assert!(book.handshakes.may_read(6));
    }

    #[test]
    fn what_was_kept_of_a_session_goes_with_it_unless_its_right_was_taken_back() {
        let mut book = Book::default();
        for session in [1, 2] {
            book.begun(session);
            book.opened(session, kept());
        }
        book.closed(1, false);
        book.closed(2, true);
        assert!(book.kept(1).is_none() && book.kept(2).is_some());
    }

    #[test]
    fn whatever_comes_first_nothing_is_kept_as_of_an_open_session_once_its_end_was_told() {
        let mut book = Book::default();
        // It opened here, and was refused before anybody heard of that.
        book.begun(1);
        book.opened(1, kept());
        book.refused(refusal(1, Some("alice"), "kicked", 1));
        assert!(book.kept(1).is_some(), "it is a refusal's");
        // It was refused while it opened.
        book.begun(2);
        book.refused(refusal(2, Some("alice"), "replaced", 1));
        book.opened(2, kept());
        // It ended before it was watched.
        book.closed(3, false);
        book.begun(3);
        book.gone(3);
        book.opened(3, kept());
        for connection in [1, 2, 3] {
            book.gone(connection);
        }
        assert!(book.open.is_empty() && book.begun.is_empty(), "{book:?}");
    }

    #[test]
    fn what_other_settings_kept_is_forgotten() {
        let mut book = Book::default();
        book.begun(1);
        book.opened(1, kept());
        book.failed(2, kept());
        let kept_of = Ok(Arc::new(kept()));
        book.refused(Refusal { kept: kept_of, ..refusal(9, None, "silent", 1) });
        book.forget_but(Keep::All);
        assert!(book.kept(1).is_some() && book.kept(2).is_some());
        book.forget_but(Keep::Failures);
        assert!(book.kept(1).is_none() && book.kept(2).is_some());
        book.forget_but(Keep::Off);
        assert!(book.kept(2).is_none());
        let refusal = book.refusal(None).expect("its reason stays");
        assert!(refusal.kept.is_err());
    }

    fn kept() -> Kept {
        let id = |byte| SessionId::new([byte; 8]).expect("not zero");
        Trace::begin(id(1), id(2), 0).keep(KeyLog::default())
    }

    fn refusal(connection: u64, user: Option<&str>, reason: &str, host: u64) -> Refusal {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + host as u32);
        let device = user.map(|user| DeviceName::parse(user).expect("a name"));
        let entry = RefusalEntry {
            number: 0,
            at: clock::Timestamp::from_unix_secs(1),
            source: (address, 5).into(),
            device,
            reason: reason.to_owned(),
            sentence: String::new(),
        };
        let verdict = Verdict {
            code: reason.to_owned(),
            by: Some(Side::Server),
            after: &[],
            sentence: String::new(),
            mends: Vec::new(),
        };
        Refusal {
            connection: Some(connection),
            protocol: Protocol::OpenVpn,
            kept: Err(Lack::NotThere),
            transport: "udp",
            server: None,
            at: 0,
            entry,
            verdict,
        }
    }
}
