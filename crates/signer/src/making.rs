//! A CA in the making, on a thread that is there for that alone: an RSA key takes seconds, which nobody else waits for.
//!
//! Invariant: there is one at most, and what it has made goes to whoever asks for the same again, or to nobody.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use pki::{LocalSigner, NameConstraints, NewCa, SignError};

use crate::protocol::CaWish;

/// One that was begun.
#[derive(Debug)]
pub(crate) struct Making {
    wish: CaWish,
    made: Receiver<Made>,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Progress {
    /// It goes on.
    Going(Making),
    /// It is there, or could not be made.
    Done(Made),
}

/// What came of it.
type Made = Result<Box<LocalSigner>, SignError>;

impl Making {
    /// Begins. Where no thread can be had, it is made at once.
    pub(crate) fn begin(wish: CaWish, new: NewCa) -> Self {
        let (tell, made) = channel();
        let (told, own, names) = (tell.clone(), new.clone(), wish.names.clone());
        let making = move || drop(told.send(create(&own, &names)));
        if let Err(error) = thread(making) {
            tracing::warn!(%error, "others wait while a CA is made");
            let _ = tell.send(create(&new, &wish.names));
        }
        Self { wish, made }
    }

    /// Whether it is this one that is wanted.
    pub(crate) fn is_for(&self, wish: &CaWish) -> bool {
        self.wish == *wish
    }

    /// Waits a moment for it.
    pub(crate) fn wait(self) -> Progress {
        match self.made.recv_timeout(MOMENT) {
            Ok(made) => Progress::Done(made),
            Err(RecvTimeoutError::Timeout) => Progress::Going(self),
            Err(RecvTimeoutError::Disconnected) => Progress::Done(Err(SignError::NoNewKey)),
        }
    }
}

fn create(new: &NewCa, names: &NameConstraints) -> Made {
    LocalSigner::create_within(new, names).map(Box::new).map_err(|_| SignError::NoNewKey)
}

fn thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("new CA".to_owned()).spawn(work).map(drop)
}

/// A key on a curve is there by then.
const MOMENT: Duration = Duration::from_millis(50);
