//! The running gateway looks at its own records: whole at its start and once a day, and each hour at what is new.
//!
//! `status` and `check` tell what was found, without a look at what was verified already. Here it gets a line in
//! the log, once for the same finding.

use std::sync::Arc;
use std::time::Duration;

use store::{Depth, OpenError, Verdict, Verifier};
use tokio::task::AbortHandle;

/// The task. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Verification(AbortHandle);

/// Begins with a whole look, in the background. Needs a tokio runtime.
pub(crate) fn keep(verifier: Verifier) -> Verification {
    Verification(tokio::spawn(look_again_and_again(verifier)).abort_handle())
}

impl Drop for Verification {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look_again_and_again(verifier: Verifier) {
    let mut said = None;
    let mut looks = 0_u64;
    loop {
        let depth = if looks.is_multiple_of(WHOLE) { Depth::Whole } else { Depth::New };
        let looked = verifier.verify(depth).await;
        let wrong = Wrong::of(&looked);
        if wrong != said {
            wrong.iter().for_each(Wrong::say);
            said = wrong;
        }
        looks += u64::from(looked.is_ok());
        tokio::time::sleep(if looked.is_ok() { EVERY } else { AGAIN }).await;
    }
}

/// In words.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// Nobody knows what is there.
    Unreadable(String),
    /// The first of what is not as it was written.
    Changed(String),
}

impl Wrong {
    fn of(looked: &Result<Arc<Verdict>, OpenError>) -> Option<Self> {
        let verdict = match looked {
            Err(error) => return Some(Self::Unreadable(error.to_string())),
            Ok(verdict) => verdict,
        };
        let fault = verdict.chain.fault.as_ref().map(ToString::to_string);
        let first = fault.or_else(|| verdict.differences.first().map(ToString::to_string));
        first.map(Self::Changed)
    }

    fn say(&self) {
        match self {
            Self::Unreadable(error) => tracing::error!(error, "the records could not be verified"),
            Self::Changed(wrong) => {
                tracing::error!(wrong, "the records were changed beside the gateway");
            }
        }
    }
}

const EVERY: Duration = Duration::from_secs(3_600);
/// After a look that could not be made.
const AGAIN: Duration = Duration::from_secs(300);
/// One look in so many is at everything.
const WHOLE: u64 = 24;
