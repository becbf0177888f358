//! The last refusals, the last ends of sessions and what was kept of handshakes, each list with an end.
//!
//! Anybody who has the tls-auth key can have as many handshakes fail as the machine bears. Invariant: strangers push
//! nobody who is known out of the refusals, and cost no more than so many readings a second.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use explain::kept::{Kept, Lack};

use super::last::{EACH, Last, Refusal};
use crate::config::Keep;

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Book {
    so_far: u64,
    /// Refusals, and sessions whose right was taken back.
    refused: Last,
    /// Sessions that ended otherwise.
    ended: Last,
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
        self.refused.push(refusal);
        self.so_far
    }

    /// A session ended whose right nobody took back, with what was kept of it. Numbered as refusals are; of plain goodbyes
    /// the last one stays.
    pub(super) fn ended(&mut self, mut end: Refusal, is_goodbye: bool) -> u64 {
        if let Some(connection) = end.connection {
            self.begun.remove(&connection);
            if let Some(kept) = self.open.remove(&connection) {
                end.kept = Ok(kept);
            }
        }
        self.so_far += 1;
        end.entry.number = self.so_far;
        match is_goodbye {
            true => self.ended.push_goodbye(end),
            false => self.ended.push(end),
        }
        self.so_far
    }

    /// The one of this number, or the last refusal.
    pub(super) fn refusal(&self, number: Option<u64>) -> Option<&Refusal> {
        match number {
            Some(number) => self.all().find(|one| one.entry.number == number),
            None => self.refused.all().max_by_key(|refusal| refusal.entry.number),
        }
    }

    /// The last one for this reason.
    pub(super) fn refusal_for(&self, reason: &str) -> Option<&Refusal> {
        let for_it = self.all().filter(|one| one.entry.reason == reason);
        for_it.max_by_key(|one| one.entry.number)
    }

    /// All reasons that there is one for.
    pub(super) fn reasons(&self) -> BTreeSet<String> {
        self.all().map(|one| one.entry.reason.clone()).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Refusal> {
        self.refused.all().chain(self.ended.all())
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

    /// A renewal was under way when its session ended, which may have been told before.
    pub(super) fn renewal_failed(&mut self, connection: u64, renewal: Kept) {
        let open = self.open.get_mut(&connection);
        let failed = self.failed.iter_mut().rev().find(|(number, _)| *number == connection);
        let ended = self.ended.all_mut().find(|end| end.connection == Some(connection));
        let ended = ended.and_then(|end| end.kept.as_mut().ok());
        if let Some(kept) = open.or(failed.map(|(_, kept)| kept)).or(ended) {
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
            let known = &self.refused.known;
            let of_known = |number: u64| known.iter().any(|of| of.connection == Some(number));
            let oldest = self.failed.iter().position(|(number, _)| !of_known(*number));
            self.failed.remove(oldest.unwrap_or(0));
        }
        self.failed.push_back((connection, kept));
    }

    /// Forgets what these settings would not have kept.
    pub(super) fn forget_but(&mut self, keep: Keep) {
        if keep != Keep::All {
            self.open = HashMap::new();
            self.ended.all_mut().for_each(|end| end.kept = Err(Lack::OnlyFailures));
        }
        if keep == Keep::Off {
            self.failed = VecDeque::new();
            let all = self.refused.all_mut().chain(self.ended.all_mut());
            all.for_each(|refusal| refusal.kept = Err(Lack::Off));
        }
    }

    /// What was kept of a connection's handshake.
    pub(super) fn kept(&self, connection: u64) -> Option<Arc<Kept>> {
        let failed = || self.failed.iter().rev().find(|(number, _)| *number == connection);
        self.open.get(&connection).or_else(|| Some(&failed()?.1)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use explain::KeyLog;
    use explain::kept::Trace;
    use wire::{KeyId, SessionId};

    use super::super::last::tests::refusal;
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
        assert!(book.refused.all().count() <= 2 * EACH);
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
        assert_eq!(book.refused.known.len(), 1);
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
    fn ends_push_no_refusal_out_and_are_told_by_number_and_reason_and_never_as_the_last_refusal() {
        let mut book = Book::default();
        let revoked = book.refused(refusal(1, Some("alice"), "revoked", 1));
        let end = |session: u64, reason| Refusal {
            since: Some(1),
            ..refusal(session, Some("bob"), reason, session)
        };
        book.begun(2);
        book.opened(2, kept());
        let kicked = book.ended(end(2, "kicked"), false);
        assert!(
            book.refusal(Some(kicked)).is_some_and(|end| end.kept.is_ok()),
            "and what was kept"
        );
        for session in 3..5_000 {
            book.ended(end(session, "ping_timeout"), false);
        }
        let number = |one: Option<&Refusal>| one.map(|one| one.entry.number);
        assert_eq!(number(book.refusal(None)), Some(revoked));
        assert_eq!(number(book.refusal_for("ping_timeout")), Some(kicked + 4_997));
        assert!(book.ended.all().count() <= 2 * EACH && book.open.is_empty());
        assert_eq!(Vec::from_iter(book.reasons()), ["ping_timeout", "revoked"]);
    }

    #[test]
    fn of_plain_goodbyes_the_last_one_stays() {
        let mut book = Book::default();
        book.ended(refusal(1, Some("alice"), "kicked", 1), false);
        for session in 2..2_000 {
            book.ended(refusal(session, Some("bob"), "peer_exit", session), true);
        }
        assert_eq!(book.ended.all().count(), 2);
    }

    #[test]
    fn a_renewal_that_failed_is_told_with_its_session_whatever_was_reported_first() {
        for is_told_before in [true, false] {
            let mut book = Book::default();
            book.begun(1);
            book.opened(1, kept());
            let size = book.kept(1).expect("kept").size();
            let end = refusal(1, Some("alice"), "renegotiation_timeout", 1);
            if is_told_before {
                book.ended(end.clone(), false);
            }
            book.renewal_failed(1, renewal());
            if !is_told_before {
                book.ended(end, false);
            }
            let end = book.refusal_for("renegotiation_timeout").expect("an end");
            assert!(end.kept.as_ref().is_ok_and(|kept| kept.size() > size), "{is_told_before}");
        }
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

    fn renewal() -> Kept {
        let id = |byte| SessionId::new([byte; 8]).expect("not zero");
        let first = Trace::begin(id(1), id(2), 0);
        let mut renewal = first.renewal(KeyId::FIRST.next(), 1);
        let reset = [0x19, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0];
        renewal.said(1, &reset);
        renewal.keep(KeyLog::default())
    }
}
