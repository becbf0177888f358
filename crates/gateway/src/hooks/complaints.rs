//! What the log says of hooks: each hook's trouble at once, and its repetitions as one line with a count.
//!
//! Strangers decide how often a hook for refusals is started, and so how often it fails.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use sources::{Limits, Repeats};

/// What went wrong with a hook.
#[derive(Debug)]
pub(super) enum Trouble {
    NotStarted(io::Error),
    TookTooLong(Duration),
    Failed(ExitStatus),
}

/// What is to be said, and what was.
#[derive(Debug)]
pub(super) struct Complaints {
    begun: Instant,
    lines: Repeats<(PathBuf, &'static str), Trouble>,
}

impl Complaints {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), lines: Repeats::new(LIMITS) }
    }

    /// Of the hook `program`.
    pub(super) fn note(&mut self, program: &Path, trouble: Trouble) {
        let (key, others) = ((program.to_owned(), trouble.code()), (PathBuf::new(), "others"));
        if let Some(trouble) = self.lines.note(key, others, trouble, self.begun.elapsed()) {
            trouble.say(program, 0);
        }
    }

    /// Says what was repeated, where its time is over.
    pub(super) fn say_repeated(&mut self) {
        while let Some(repeated) = self.lines.poll_repeated(self.begun.elapsed()) {
            repeated.latest.say(&repeated.key.0, repeated.count);
        }
    }

    /// Says all that is left.
    pub(super) fn end(&mut self) {
        while let Some(repeated) = self.lines.poll_rest() {
            repeated.latest.say(&repeated.key.0, repeated.count);
        }
    }

    /// How long nothing has to be said, unless something happens.
    pub(super) fn quiet_for(&self) -> Option<Duration> {
        Some(self.lines.poll_timeout()?.saturating_sub(self.begun.elapsed()))
    }
}

impl Trouble {
    fn code(&self) -> &'static str {
        match self {
            Trouble::NotStarted(_) => "not started",
            Trouble::TookTooLong(_) => "took too long",
            Trouble::Failed(_) => "failed",
        }
    }

    /// `again` is how often more it happened since it was said last.
    fn say(&self, program: &Path, again: u64) {
        let hook = program.display();
        match self {
            Trouble::NotStarted(error) => {
                tracing::warn!(%hook, again, %error, "the hook was not started");
            }
            Trouble::TookTooLong(time) => {
                let seconds = time.as_secs();
                tracing::warn!(%hook, again, seconds, "the hook took too long and was ended");
            }
            Trouble::Failed(status) => tracing::warn!(%hook, again, %status, "the hook failed"),
        }
    }
}

const LIMITS: Limits =
    Limits { interval: Duration::from_secs(if cfg!(test) { 2 } else { 60 }), at_once: 1, keys: 64 };
