//! The signer: whether it answers, and what keeps it apart from the rest of the machine.

use admin::response::Finding;
use signer::protocol::{Lack, State};

use super::{bad, good, warning};
use crate::context::Context;

/// The process with the CA's key.
pub(super) async fn signer(at: &Context) -> Finding {
    match at.authority.signer().state().await {
        Ok(state) => finding(&state),
        Err(error) => bad(
            SUBJECT,
            error.to_string(),
            "sessions go on and nothing is signed meanwhile: see what the log says of the signer",
        ),
    }
}

fn finding(state: &State) -> Finding {
    let sealed = match &state.protection {
        Some(by) => format!("sealed with {by}"),
        None => "in the clear on the disk".to_owned(),
    };
    if state.locked {
        let mend = "handfast ca unlock, or see that what opens it can be read";
        return bad(SUBJECT, format!("{sealed}, and not open: nothing is signed"), mend);
    }
    // A thread of this process is what tests have.
    let lacks: Vec<_> = state.lacks.iter().filter(|lack| **lack != Lack::Process).collect();
    if lacks.is_empty() {
        return good(
            SUBJECT,
            format!("{sealed}; its process has no network, and no files but its own"),
        );
    }
    let said: Vec<_> = lacks.iter().map(ToString::to_string).collect();
    let mend = "run a kernel of 6.7 or newer with Landlock and seccomp filters switched on, and leave \
                both out of HANDFAST_WITHOUT";
    warning(
        SUBJECT,
        format!("{sealed}; its process is less apart than it could be: {}", said.join("; ")),
        mend,
    )
}

const SUBJECT: &str = "CA key";
