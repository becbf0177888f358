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
    for look in 0_u64.. {
        let depth = if look.is_multiple_of(WHOLE) { Depth::Whole } else { Depth::New };
        let wrong = wrong(&verifier.verify(depth).await);
        if wrong != said {
            if let Some(wrong) = &wrong {
                tracing::error!(wrong, "the records were changed beside the gateway");
            }
            said = wrong;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The first that is wrong, in words.
fn wrong(verdict: &Result<Arc<Verdict>, OpenError>) -> Option<String> {
    match verdict {
        Err(error) => Some(error.to_string()),
        Ok(verdict) => {
            let fault = verdict.chain.fault.as_ref().map(ToString::to_string);
            fault.or_else(|| verdict.differences.first().map(ToString::to_string))
        }
    }
}

const EVERY: Duration = Duration::from_secs(3_600);
/// One look in so many is at everything.
const WHOLE: u64 = 24;
