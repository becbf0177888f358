//! Handshakes of the running gateway, for whoever asks later: what is kept of them, and their stories.
//!
//! Nobody can decrypt a handshake that is over, so it is read in memory as it runs. Not here: what a story says, which
//! is `explain`'s, and who may ask. Invariant: facts are kept and never a secret, at most
//! [`MOST_KEPT`](explain::kept::MOST_KEPT) of each connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use admin::names::DeviceName;
use clock::Now;
use engine::{Begun, Watcher};
use explain::kept::{Kept, Lack};
use front::Overheard;

use crate::config::Keep;
use crate::current_view::CurrentView;
use book::Book;
use tell::Known;
use watcher::HandshakeWatcher;

mod asked_records;
mod book;
mod drops;
pub(crate) mod front_reasons;
pub(crate) mod knocks;
mod known;
mod last;
mod overheard;
pub(crate) mod reasons;
pub(crate) mod tell;
mod watcher;

pub use known::ReasonOf;
pub(crate) use known::reason_of;
pub(crate) use last::{Refusal, revocation_in};
pub(crate) use tell::Subject;
pub(crate) use watcher::{micros, micros_at};

/// What is kept. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Explained(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    view: CurrentView,
    book: Mutex<Book>,
}

impl Explained {
    /// Nothing yet, under the settings that hold at each moment.
    pub(crate) fn new(view: CurrentView) -> Self {
        Self(Arc::new(Shared { view, book: Mutex::default() }))
    }

    /// Of which handshakes facts are kept.
    pub(crate) fn keep(&self) -> Keep {
        self.0.view.policy().config.explain.keep
    }

    /// Who watches a connection of the VPN's door that begins.
    pub(crate) fn watch(&self, begun: &Begun<'_>) -> Option<Box<dyn Watcher>> {
        let keep = self.keep();
        if keep == Keep::All {
            self.book().begun(begun.number);
        }
        (keep != Keep::Off)
            .then(|| Box::new(HandshakeWatcher::of(begun, keep, self.clone())) as Box<dyn Watcher>)
    }

    /// What is on record of it at this moment.
    fn known(&self, name: &DeviceName) -> Known {
        let snapshot = self.0.view.snapshot();
        let Some(user) = snapshot.users().find(|user| user.name == name.user) else {
            return Known::Nothing;
        };
        let mut devices = snapshot.devices();
        match devices.any(|device| device.user == user.id && device.name == name.device) {
            true => Known::Device,
            false => Known::User,
        }
    }

    /// Other settings hold: what they would not have kept goes.
    pub(crate) fn follow(&self) {
        let keep = self.keep();
        self.book().forget_but(keep);
    }

    /// What is kept of whom the TLS door refuses at this moment.
    pub(crate) fn refused_by_tls(
        &self,
        heard: Option<&Overheard>,
        now: Now,
    ) -> Result<Arc<Kept>, Lack> {
        if self.keep() == Keep::Off {
            return Err(Lack::Off);
        }
        let heard = heard.filter(|_| self.book().tls.may_read(now.wall.as_secs()));
        let kept = heard.and_then(|heard| overheard::keep(heard, false));
        kept.map(Arc::new).ok_or(Lack::NoMessage)
    }

    /// The TLS door let somebody in: what was said is kept until [`closed`](Self::closed).
    pub(crate) fn let_in_by_tls(&self, number: u64, heard: &Overheard) {
        if self.keep() == Keep::All
            && let Some(kept) = overheard::keep(heard, true)
        {
            let mut book = self.book();
            book.begun(number);
            book.opened(number, kept);
        }
    }

    /// A connection was refused, or a session's right was taken back. Gives the number to ask by.
    pub(crate) fn refused(&self, refusal: Refusal) -> u64 {
        self.book().refused(refusal)
    }

    /// A session ended for another reason. Of plain goodbyes the last one is told.
    pub(crate) fn ended(&self, end: Refusal, is_goodbye: bool) -> u64 {
        self.book().ended(end, is_goodbye)
    }

    /// A connection is over of which nothing is to be told: what was kept of it goes.
    pub(crate) fn closed(&self, number: u64) {
        self.book().closed(number, false);
    }

    /// A handshake failed at this second: whether there is time to read it.
    fn may_read(&self, second: u64) -> bool {
        self.book().handshakes.may_read(second)
    }

    /// What was begun under other settings is kept by those of its end.
    fn handshake_went_well(&self, number: u64, kept: Kept) {
        if self.keep() == Keep::All {
            self.book().opened(number, kept);
        }
    }

    fn renewal_went_well(&self, number: u64, kept: Kept) {
        self.book().renewed(number, kept);
    }

    fn renewal_failed(&self, number: u64, kept: Kept) {
        if self.keep() == Keep::All {
            self.book().renewal_failed(number, kept);
        }
    }

    fn handshake_failed(&self, number: u64, kept: Kept) {
        if self.keep() != Keep::Off {
            self.book().failed(number, kept);
        }
    }

    fn gone(&self, number: u64) {
        self.book().gone(number);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing is ever half kept.
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
