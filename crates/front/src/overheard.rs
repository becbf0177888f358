//! What both sides say until the client is let in, for whoever tells the handshake afterwards; and the client's first
//! message, for a backend that ends TLS itself.
//!
//! It lies beside the handshake instead of in it, so that it is still there when that is given up for its time.
//! Invariant: at most [`LONGEST`] bytes are held behind the first message, none of them what a client says in the clear,
//! and all of it goes with the moment at which the client is let in, or with the report of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::{Clock, Now};
use rustls::KeyLog;
use zeroize::Zeroizing;

use crate::hello::HANDSHAKE;

/// A handshake that is over.
#[derive(Debug)]
pub struct Overheard {
    /// What was said, in its order: records of TLS from the client's first message on, as far as it came.
    pub pieces: Vec<Piece>,
    /// The protocol in whose words the client asked for TLS before, where it did.
    pub after: Option<&'static str>,
    /// More was said than is held.
    pub lacks: bool,
    /// TLS ends behind the door, which reads no more than the first message of it.
    pub passed_on: bool,
    /// What opens it; nothing where it came to no keys, or TLS ends behind the door.
    pub secrets: Vec<Secret>,
}

/// Bytes that were read or written at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// When.
    pub at: Now,
    /// By whom.
    pub by: End,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Whoever came.
    Client,
    /// The door.
    Server,
}

/// A secret of a handshake, as key logs have them.
pub struct Secret {
    /// What it is for.
    pub label: String,
    /// Whose it is.
    pub client_random: Vec<u8>,
    /// The secret.
    pub secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Of which handshakes a report brings what was said in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Of none.
    #[default]
    Nothing,
    /// Of those that are refused.
    Refused,
    /// Of all.
    All,
}

/// What was heard of one so far.
pub(crate) struct Heard {
    wanted: Wanted,
    /// When the last of the first message came.
    pub(crate) at: Now,
    /// The first message, as far as it came.
    pub(crate) bytes: Vec<u8>,
    after: Option<&'static str>,
    passed_on: bool,
    ear: Option<Ear>,
}

impl Heard {
    /// Nothing yet.
    pub(crate) fn nothing(wanted: Wanted, clock: &Arc<dyn Clock>) -> Self {
        let ear = (wanted != Wanted::Nothing).then(|| Ear::new(clock));
        let (bytes, after, passed_on) = (Vec::new(), None, false);
        Self { wanted, at: clock.now(), bytes, after, passed_on, ear }
    }

    /// TLS begins after words of this protocol.
    pub(crate) fn begins_after(&mut self, protocol: Option<&'static str>) {
        self.after = protocol;
    }

    /// The door answers it itself, and that is all that it says.
    pub(crate) fn answered(&self, bytes: &[u8]) {
        if let Some(ear) = &self.ear {
            ear.hear(End::Server, bytes);
        }
    }

    /// What hears the rest, where it is wanted.
    pub(crate) fn ear(&self) -> Option<Ear> {
        self.ear.clone()
    }

    /// The first message, for whoever ends TLS behind us.
    pub(crate) fn pass_on(&mut self) -> Vec<u8> {
        self.passed_on = true;
        match self.wanted {
            Wanted::Nothing => std::mem::take(&mut self.bytes),
            Wanted::Refused | Wanted::All => self.bytes.clone(),
        }
    }

    /// TLS ends here, where the first message is read from elsewhere.
    pub(crate) fn was_read(&mut self) {
        match self.wanted {
            Wanted::Nothing => self.bytes = Vec::new(),
            Wanted::Refused | Wanted::All => self.bytes.shrink_to_fit(),
        }
    }

    /// The client was let in: for the report of that.
    pub(crate) fn let_in(&mut self) -> Option<Arc<Overheard>> {
        let told = match self.wanted {
            Wanted::All => self.take(),
            Wanted::Nothing | Wanted::Refused => None,
        };
        // The connection's TLS has the key log for as long as it lasts: nothing may be left in there.
        if let Some(ear) = self.ear.take() {
            ear.close();
        }
        self.bytes = Vec::new();
        told
    }

    /// For the report of a refusal. What is no TLS may be a password in the clear, and is nothing to anybody.
    pub(crate) fn refused(mut self) -> Option<Arc<Overheard>> {
        self.take()
    }

    fn take(&mut self) -> Option<Arc<Overheard>> {
        let (pieces, lacks, secrets) = self.ear.take()?.close();
        let first = std::mem::take(&mut self.bytes);
        if first.first() != Some(&HANDSHAKE) {
            return None;
        }
        let first = Piece { at: self.at, by: End::Client, bytes: first };
        let pieces = [first].into_iter().chain(pieces).collect();
        let (after, passed_on) = (self.after, self.passed_on);
        Some(Arc::new(Overheard { pieces, after, lacks, passed_on, secrets }))
    }
}

/// Hears what is said behind the first message, and what opens it. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Ear(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    /// Nothing once it is closed.
    held: Mutex<Option<Held>>,
}

#[derive(Default)]
struct Held {
    pieces: Vec<Piece>,
    length: usize,
    lacks: bool,
    secrets: Vec<Secret>,
}

impl Ear {
    fn new(clock: &Arc<dyn Clock>) -> Self {
        let held = Mutex::new(Some(Held::default()));
        Self(Arc::new(Inner { clock: Arc::clone(clock), held }))
    }

    /// These bytes were said now.
    pub(crate) fn hear(&self, by: End, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(held) = self.0.held().as_mut() {
            held.length += bytes.len();
            held.lacks |= held.length > LONGEST;
            if !held.lacks {
                held.pieces.push(Piece { at: self.0.clock.now(), by, bytes: bytes.to_vec() });
            }
        }
    }

    /// What takes the secrets.
    pub(crate) fn key_log(&self) -> Arc<dyn KeyLog> {
        Arc::clone(&self.0) as _
    }

    fn close(&self) -> (Vec<Piece>, bool, Vec<Secret>) {
        let Held { pieces, lacks, secrets, .. } = self.0.held().take().unwrap_or_default();
        (pieces, lacks, secrets)
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        // Nothing is ever half held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ear(..)")
    }
}

impl KeyLog for Inner {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if let Some(held) = self.held().as_mut() {
            let (label, client_random) = (label.to_owned(), client_random.to_vec());
            let secret = Zeroizing::new(secret.to_vec());
            held.secrets.push(Secret { label, client_random, secret });
        }
    }

    fn will_log(&self, label: &str) -> bool {
        OF_HANDSHAKES.contains(&label) && self.held().is_some()
    }
}

/// What opens handshakes: in TLS 1.2 all by one; in TLS 1.3 tickets and the last alert are under the traffic key of the
/// server. The client's is not among them, since its data may come along with the end of the handshake.
const OF_HANDSHAKES: [&str; 4] = [
    "CLIENT_RANDOM",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_TRAFFIC_SECRET_0",
];
/// Twice the longest handshake that honest ends have.
const LONGEST: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use clock::SystemClock;

    use super::*;

    fn heard(wanted: Wanted, first: &[u8]) -> Heard {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut heard = Heard::nothing(wanted, &clock);
        heard.bytes.extend_from_slice(first);
        heard
    }

    #[test]
    fn a_refusal_has_both_sides_and_the_secrets_and_none_come_behind_it() {
        let heard = heard(Wanted::Refused, &[HANDSHAKE, 1]);
        let ear = heard.ear().unwrap();
        let log = ear.key_log();
        log.log("CLIENT_HANDSHAKE_TRAFFIC_SECRET", &[1; 32], &[2; 32]);
        for label in ["EXPORTER_SECRET", "CLIENT_TRAFFIC_SECRET_0", "CLIENT_EARLY_TRAFFIC_SECRET"] {
            assert!(!log.will_log(label), "{label} is of data");
        }
        ear.hear(End::Server, &[22, 2]);
        let told = heard.refused().unwrap();
        let said: Vec<_> = told.pieces.iter().map(|one| (one.by, &one.bytes[..])).collect();
        assert_eq!(said, [(End::Client, &[HANDSHAKE, 1][..]), (End::Server, &[22, 2])]);
        assert_eq!((told.secrets.len(), told.lacks), (1, false));
        assert!(!format!("{told:?}").contains("2, 2, 2"), "{told:?}");
        log.log("SERVER_TRAFFIC_SECRET_0", &[1; 32], &[2; 32]);
        ear.hear(End::Client, &[23]);
        assert!(!log.will_log("SERVER_TRAFFIC_SECRET_0") && ear.close().2.is_empty());
    }

    #[test]
    fn who_is_let_in_leaves_nothing_unless_all_are_wanted() {
        let all = [(Wanted::Nothing, false), (Wanted::Refused, false), (Wanted::All, true)];
        for (wanted, is_told) in all {
            let mut heard = heard(wanted, &[HANDSHAKE]);
            let log = heard.ear().map(|ear| ear.key_log());
            assert_eq!(heard.let_in().is_some(), is_told, "{wanted:?}");
            assert!(log.is_none_or(|log| !log.will_log("SERVER_TRAFFIC_SECRET_0")));
            assert!(heard.refused().is_none());
        }
    }

    #[test]
    fn what_has_no_end_is_held_up_to_a_length_and_what_is_no_tls_not_at_all() {
        let endless = heard(Wanted::Refused, &[HANDSHAKE]);
        let ear = endless.ear().unwrap();
        (0..1_000).for_each(|_| ear.hear(End::Client, &[0; 1_000]));
        let told = endless.refused().unwrap();
        assert!(told.lacks && told.pieces.len() == 33, "{}", told.pieces.len());
        assert!(heard(Wanted::All, b"USER alice").refused().is_none());
    }
}
