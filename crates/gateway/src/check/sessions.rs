//! What open sessions tell of how profiles are used.

use admin::response::Finding;

use super::{good, warning};
use crate::context::Context;
use crate::replacements::{Replacements, TakenInTurn};

/// One profile on two machines: each is thrown out when the other comes back.
pub(crate) fn shared_profiles(at: &Context) -> Finding {
    const SUBJECT: &str = "shared profiles";
    let mut found: Vec<_> = at.replacements.taken_in_turn(at.now()).iter().map(seen).collect();
    if found.is_empty() {
        return good(SUBJECT, "no profile seems to be used by two machines");
    }
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    let more = if more > 0 { format!("; and {more} devices more") } else { String::new() };
    warning(
        SUBJECT,
        format!("{}{more}", found.join("; ")),
        "two machines with one profile throw each other out: give each a device of its own, handfast \
         device add USER/DEVICE",
    )
}

fn seen(TakenInTurn { device, times, sources }: &TakenInTurn) -> String {
    let minutes = Replacements::WINDOW.as_secs() / 60;
    let sources: Vec<_> = sources.iter().map(ToString::to_string).collect();
    let from = sources.join(" and ");
    format!("{device} was replaced by itself {times} times within {minutes} min, from {from}")
}

const NAMED: usize = 5;
