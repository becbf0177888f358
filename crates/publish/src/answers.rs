//! Signed answers that are given again, until they are at half their life or something has changed.
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
    /// What the answers rest on; another one makes all of them void.
    basis: Basis,
    by_request: HashMap<Arc<[u8]>, (Arc<Document>, Timestamp)>,
    /// The same requests, in the order in which they came first.
    order: VecDeque<Arc<[u8]>>,
}

/// The records' revision, and how often something else was published.
pub(crate) type Basis = (u64, u64);

impl Answers {
    /// The answer to this request, where there is one and it is not to be signed anew.
    pub(crate) fn get(
        &self,
        basis: Basis,
        request: &[u8],
        now: Timestamp,
    ) -> Option<Arc<Document>> {
        let kept = self.locked();
        let (answer, refresh_at) = kept.by_request.get(request)?;
        (kept.basis == basis && now < *refresh_at && now >= answer.last_modified)
            .then(|| Arc::clone(answer))
    }

    /// Keeps an answer until half its life.
    pub(crate) fn keep(&self, basis: Basis, request: &[u8], answer: Arc<Document>) {
        if request.len() > LONGEST_KEPT {
            return;
        }
        let life = answer.fresh_until.since(answer.last_modified);
        let refresh_at = answer.last_modified.after(life / 2);
        let mut kept = self.locked();
        if kept.basis != basis {
            *kept = Kept { basis, ..Kept::default() };
        }
        kept.insert(request.into(), (answer, refresh_at));
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Whoever asks in many ways pushes out one answer by each, and pays for it with a signature's time.
    fn insert(&mut self, request: Arc<[u8]>, answer: (Arc<Document>, Timestamp)) {
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
        answers.keep((1, 0), b"asked", Arc::new(document));
        assert!(answers.get((1, 0), b"asked", at(1799)).is_some());
        assert!(answers.get((1, 0), b"asked", at(1800)).is_none());
        assert!(answers.get((2, 0), b"asked", at(1)).is_none());
        assert!(answers.get((1, 1), b"asked", at(1)).is_none());
        assert!(answers.get((1, 0), b"other", at(1)).is_none());
    }

    #[test]
    fn long_and_many_requests_fill_no_memory() {
        let answers = Answers::default();
        let now = Timestamp::from_unix_secs(1_800_000_000);
        let later = now.after(std::time::Duration::from_secs(3600));
        let document = Arc::new(Document::new("application/ocsp-response", vec![1], now, later));
        answers.keep((1, 0), &[7; LONGEST_KEPT + 1], Arc::clone(&document));
        assert!(answers.get((1, 0), &[7; LONGEST_KEPT + 1], now).is_none());
        for number in 0..MOST_KEPT + 10 {
            answers.keep((1, 0), &number.to_be_bytes(), Arc::clone(&document));
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
            answers.keep((1, 0), &number.to_be_bytes(), Arc::clone(&document));
        }
        let is_kept = |number: usize| answers.get((1, 0), &number.to_be_bytes(), now).is_some();
        assert!(!is_kept(0));
        assert!((1..=MOST_KEPT).all(is_kept));
    }
}
