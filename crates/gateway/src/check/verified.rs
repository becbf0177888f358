//! The log and the records, as the last look at them found them.

use std::sync::Arc;

use admin::response::Finding;
use store::{ChainReport, Difference, OpenError, Verdict};

use super::records::CHANGED_BESIDE_US;
use super::{bad, good};

/// Two findings: the log by itself, and the records beside it.
pub(crate) fn verified(verdict: &Result<Arc<Verdict>, OpenError>) -> Vec<Finding> {
    match verdict {
        Ok(verdict) => vec![event_chain(verdict), records(&verdict.differences)],
        Err(error) => vec![bad(
            EVENT_CHAIN,
            format!("the events can't be read: {}", error.message()),
            error.mend().unwrap_or("restore the data folder from a backup"),
        )],
    }
}

fn event_chain(verdict: &Verdict) -> Finding {
    let ChainReport { events, fault, .. } = &verdict.chain;
    match fault {
        None => {
            let whole = verdict.whole_at;
            let seen = format!("{events} events, every hash is right (the first ones at {whole})");
            good(EVENT_CHAIN, seen)
        }
        Some(fault) => bad(
            EVENT_CHAIN,
            fault.to_string(),
            "keep the data folder as evidence and restore it from a backup",
        ),
    }
}

/// The rows beside the log.
fn records(differences: &[Difference]) -> Finding {
    const SUBJECT: &str = "records";
    if differences.is_empty() {
        return good(SUBJECT, "they are what the log says");
    }
    let more = differences.len().saturating_sub(NAMED);
    let named: Vec<_> = differences.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    bad(SUBJECT, format!("{}{more}", named.join("; ")), CHANGED_BESIDE_US)
}

const EVENT_CHAIN: &str = "event chain";
const NAMED: usize = 5;
