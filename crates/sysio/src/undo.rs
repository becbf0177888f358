//! What was changed on this machine, undone in the opposite order whatever happens.
//!
//! 1. each change that is made yields a guard, and the guard is pushed at once;
//! 2. at the end [`UndoStack::undo`] undoes all, and says what stays;
//! 3. a stack that is dropped before (a later step failed, a task was cancelled, a thread
//!    panicked) does the same without a word.
//!
//! This outlives no kill: what has to be undone after one is recorded on disk by those guards
//! that need it ([`crate::SysctlHold`], [`crate::Dns`]). Undoing works on the calling thread's
//! network namespace and may wait some milliseconds for the kernel or a program.
//!
//! Invariant: nothing is undone before what was made after it.

use std::error::Error;
use std::fmt::{self, Debug, Display};

/// A change that can be undone. Dropping it undoes it too.
pub trait Undo: Debug + Send {
    /// What stays if it can't be undone: "the route to 10.0.0.0/8".
    fn what(&self) -> String;

    /// Undoes the change. Where the change is gone already there is nothing to do, and the same
    /// goes for a second call.
    fn undo(&mut self) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// Changes in the order in which they were made.
#[derive(Debug, Default)]
pub struct UndoStack {
    made: Vec<Box<dyn Undo>>,
}

impl UndoStack {
    /// Takes charge of a change that was just made.
    pub fn push(&mut self, change: impl Undo + 'static) {
        self.made.push(Box::new(change));
    }

    /// Whether there is nothing to undo.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Undoes everything, the last change first. What can't be undone does not keep the others.
    pub fn undo(mut self) -> Vec<NotUndone> {
        self.undo_all()
    }

    fn undo_all(&mut self) -> Vec<NotUndone> {
        let mut stays = Vec::new();
        while let Some(mut change) = self.made.pop() {
            if let Err(source) = change.undo() {
                stays.push(NotUndone { what: change.what(), source });
            }
        }
        stays
    }
}

impl Drop for UndoStack {
    fn drop(&mut self) {
        // Nobody is left to be told; a guard that recorded its change leaves the record.
        let _ = self.undo_all();
    }
}

/// A change that stays, and why.
#[derive(Debug)]
pub struct NotUndone {
    /// The change, as the subject of "stays".
    pub what: String,
    source: Box<dyn Error + Send + Sync>,
}

impl Display for NotUndone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stays: {}", self.what, self.source)
    }
}

impl Error for NotUndone {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    #[derive(Debug)]
    struct Change {
        number: u8,
        undone: Sender<u8>,
        fails: bool,
    }

    impl Undo for Change {
        fn what(&self) -> String {
            format!("change {}", self.number)
        }

        fn undo(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
            self.undone.send(self.number)?;
            if self.fails { Err("it is stuck".into()) } else { Ok(()) }
        }
    }

    #[test]
    fn the_last_change_is_undone_first_and_one_that_stays_does_not_keep_the_others() {
        let (stack, undone) = three_of_which_the_second_fails();
        let stays: Vec<_> = stack.undo().iter().map(ToString::to_string).collect();
        assert_eq!(stays, ["change 2 stays: it is stuck"]);
        assert_eq!(undone.iter().collect::<Vec<_>>(), [3, 2, 1]);
    }

    #[test]
    fn a_stack_that_is_dropped_on_an_error_or_a_panic_undoes_the_same() {
        let (stack, undone) = three_of_which_the_second_fails();
        drop(stack);
        assert_eq!(undone.iter().collect::<Vec<_>>(), [3, 2, 1]);

        let (stack, undone) = three_of_which_the_second_fails();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _stack = stack;
            std::panic::resume_unwind(Box::new("a later step"));
        }));
        assert!(panicked.is_err());
        assert_eq!(undone.iter().collect::<Vec<_>>(), [3, 2, 1]);
    }

    fn three_of_which_the_second_fails() -> (UndoStack, Receiver<u8>) {
        let (sender, undone) = channel();
        let mut stack = UndoStack::default();
        for number in 1..=3 {
            stack.push(Change { number, undone: sender.clone(), fails: number == 2 });
        }
        (stack, undone)
    }
}
