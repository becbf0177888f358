//! Signed answers that are given again, until they are at half their life or something has changed; then those that
//! were asked for since are signed anew before anybody asks again.
//!
//! Only such as [`pki::ocsp::respond`] calls reusable, for requests that are no longer than those that ask for
//! a certificate or two: one certificate can be asked for in any number of long ways.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pki::Timestamp;

use crate::document::Document;

/// Answers by the octets of their request.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_request: HashMap<Arc<[u8]>, Answer>,
    /// The same requests, in the order in which they came first.
    order: VecDeque<Arc<[u8]>>,
}

#[derive(Debug)]
struct Answer {
    document: Arc<Document>,
    /// By which CA, as its addresses have it.
    tag: String,
    /// What it rests on; with another one it is void.
    basis: Basis,
    refresh_at: Timestamp,
    /// Since it was signed.
    was_asked: bool,
}

/// The records' revision, and how often something else was published.
pub(crate) type Basis = (u64, u64);

/// A request that is to be answered anew, and by which CA.
pub(crate) type Due = (String, Arc<[u8]>);

impl Answer {
    fn serves(&self, basis: Basis, now: Timestamp) -> bool {
        self.basis == basis && now < self.refresh_at && now >= self.document.last_modified
    }
}

impl Answers {
    /// The answer to this request, where there is one and it is not to be signed anew.
    pub(crate) fn get(
        &self,
        basis: Basis,
        request: &[u8],
        now: Timestamp,
    ) -> Option<Arc<Document>> {
        let mut kept = self.locked();
        let answer = kept.by_request.get_mut(request)?;
        answer.was_asked = true;
        answer.serves(basis, now).then(|| Arc::clone(&answer.document))
    }

    /// Keeps an answer until half its life.
    pub(crate) fn keep(&self, basis: Basis, tag: &str, request: &[u8], document: Arc<Document>) {
        if request.len() > LONGEST_KEPT {
            return;
        }
        let life = document.fresh_until.since(document.last_modified);
        let refresh_at = document.last_modified.after(life / 2);
        let (tag, was_asked) = (tag.to_owned(), false);
        self.locked()
            .insert(request.into(), Answer { document, tag, basis, refresh_at, was_asked });
    }

    /// At most so many of those that serve no longer and were asked for since they were signed.
    pub(crate) fn due(&self, basis: Basis, now: Timestamp, most: usize) -> Vec<Due> {
        let kept = self.locked();
        let due = kept
            .by_request
            .iter()
            .filter(|(_, answer)| answer.was_asked && !answer.serves(basis, now));
        due.take(most).map(|(request, answer)| (answer.tag.clone(), Arc::clone(request))).collect()
    }

    /// Forgets an answer that there is no other in place of.
    pub(crate) fn forget(&self, request: &[u8]) {
        let mut kept = self.locked();
        kept.by_request.remove(request);
        kept.order.retain(|known| **known != *request);
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Whoever asks in many ways pushes out one answer by each, and pays for it with a signature's time.
    fn insert(&mut self, request: Arc<[u8]>, answer: Answer) {
        if self.by_request.insert(Arc::clone(&request), answer).is_some() {
            return;
        }
        self.order.push_back(request);
        if self.order.len() > MOST_KEPT
            && let Some(first) = self.order.pop_front()
        {
            self.by_request.remove(&first);
        }
    }
}

/// A certificate by SHA-1 takes some 80 octets, by SHA-256 some 110.
const LONGEST_KEPT: usize = 256;
/// With answers of two thousand octets at most this is less than 20 MB.
const MOST_KEPT: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_again_until_half_its_life_or_a_change() {
        let answers = Answers::default();
        let at = |seconds| Timestamp::from_unix_secs(1_800_000_000_u64 + seconds);
        let document = Document::new("application/ocsp-response", vec![1], at(0), at(3600));
        assert!(answers.get((1, 0), b"asked", at(0)).is_none());
        answers.keep((1, 0), "tag", b"asked", Arc::new(document));
        assert!(answers.get((1, 0), b"asked", at(1799)).is_some());
        assert!(answers.get((1, 0), b"asked", at(1800)).is_none());
        assert!(answers.get((2, 0), b"asked", at(1)).is_none());
        assert!(answers.get((1, 1), b"asked", at(1)).is_none());
        assert!(answers.get((1, 0), b"other", at(1)).is_none());
    }

    #[test]
    fn what_was_asked_for_is_due_at_half_its_life_and_after_a_change_and_nothing_else_is() {
        let answers = Answers::default();
        let at = |seconds| Timestamp::from_unix_secs(1_800_000_000_u64 + seconds);
        let document =
            Arc::new(Document::new("application/ocsp-response", vec![1], at(0), at(3600)));
        answers.keep((1, 0), "tag", b"asked", Arc::clone(&document));
        answers.keep((1, 0), "tag", b"never again", Arc::clone(&document));
        assert!(answers.get((1, 0), b"asked", at(1)).is_some());
        assert!(answers.due((1, 0), at(1799), 10).is_empty());
        let due = |basis, seconds, most| answers.due(basis, at(seconds), most);
        assert_eq!(due((1, 0), 1800, 10), [("tag".to_owned(), b"asked"[..].into())]);
        assert_eq!(due((2, 0), 1, 10).len(), 1);
        assert!(due((2, 0), 1, 0).is_empty());
        answers.keep((2, 0), "tag", b"asked", document);
        assert!(due((2, 0), 1, 10).is_empty(), "it was signed, and nobody has asked since");
        answers.forget(b"asked");
        assert!(answers.get((2, 0), b"asked", at(1)).is_none());
    }

    #[test]
    fn long_and_many_requests_fill_no_memory() {
        let answers = Answers::default();
        let now = Timestamp::from_unix_secs(1_800_000_000);
        let later = now.after(std::time::Duration::from_secs(3600));
        let document = Arc::new(Document::new("application/ocsp-response", vec![1], now, later));
        answers.keep((1, 0), "tag", &[7; LONGEST_KEPT + 1], Arc::clone(&document));
        assert!(answers.get((1, 0), &[7; LONGEST_KEPT + 1], now).is_none());
        for number in 0..MOST_KEPT + 10 {
            answers.keep((1, 0), "tag", &number.to_be_bytes(), Arc::clone(&document));
        }
        let kept = answers.locked();
        assert_eq!((kept.by_request.len(), kept.order.len()), (MOST_KEPT, MOST_KEPT));
    }

    #[test]
    fn one_request_too_many_pushes_out_the_first_and_no_other() {
        let answers = Answers::default();
        let now = Timestamp::from_unix_secs(1_800_000_000);
        let later = now.after(std::time::Duration::from_secs(3600));
        let document = Arc::new(Document::new("application/ocsp-response", vec![1], now, later));
        for number in 0..=MOST_KEPT {
            answers.keep((1, 0), "tag", &number.to_be_bytes(), Arc::clone(&document));
        }
        let is_kept = |number: usize| answers.get((1, 0), &number.to_be_bytes(), now).is_some();
        assert!(!is_kept(0));
        assert!((1..=MOST_KEPT).all(is_kept));
    }
}
