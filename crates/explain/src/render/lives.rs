//! What became of each key of the tunnel's packets, in sentences: since when, until when, and what took its place.
//!
//! They say what the table of keys says, to whoever does not read tables; nothing is in them that is not in there.

use super::time::span;
use crate::place::Side;
use crate::story::{KeyKind, KeyLine, Story, Use};

/// The most keys of which there are sentences.
const MOST: usize = 20;

/// One for each data channel key.
pub(super) fn of_tunnel(story: &Story) -> Vec<String> {
    let keys = story.keys.iter().filter(|key| key.kind == KeyKind::Data).take(MOST);
    keys.map(|key| [made(key), carried(key), followed(key, &story.keys)].concat()).collect()
}

fn made(key: &KeyLine) -> String {
    match key.born {
        Some(at) => format!("{}: both ends could make it at +{}.", key.id, span(at)),
        None if key.plan.is_some() => {
            format!("{}: of when it was made the gateway says nothing.", key.id)
        }
        None => format!("{}: when it was made was not seen.", key.id),
    }
}

fn carried(key: &KeyLine) -> String {
    if key.plan.is_some() {
        return key.uses.iter().map(|one| began(key, one)).collect();
    }
    let first = key.uses.iter().map(|one| one.first).min();
    let last = key.uses.iter().map(|one| one.last).max();
    let count: u64 = key.uses.iter().map(|one| one.count).sum();
    match (first, last) {
        (Some(first), Some(last)) if count > 1 => {
            format!(" It carried {count} packets, from +{} to +{}.", span(first), span(last))
        }
        (Some(first), _) => format!(" It carried one packet, at +{}.", span(first)),
        _ => " No packet was sent under it.".to_owned(),
    }
}

/// When one side of a live session began to use it; until when a side did, is told where it has gone on.
fn began(key: &KeyLine, one: &Use) -> String {
    let first = span(one.first);
    match (one.by, key.plan.is_some_and(|plan| plan.in_use)) {
        (Side::Server, true) => format!(" The gateway encrypts with it since +{first}."),
        (Side::Server, false) => {
            format!(" The gateway encrypted with it from +{first} to +{}.", span(one.last))
        }
        (Side::Client, _) => format!(" The client's first packet under it came at +{first}."),
    }
}

fn followed(key: &KeyLine, all: &[KeyLine]) -> String {
    if let Some(next) = &key.replaced_by {
        return replaced(key, next, all.iter().find(|line| line.id == *next));
    }
    match (key.ends, key.plan.and_then(|plan| plan.renews)) {
        (Some(at), _) => {
            format!(" Nothing took its place: the session ended at +{}.", span(at))
        }
        (None, Some(at)) => format!(
            " A renegotiation makes the next one: the gateway begins it at +{}, unless the client does before.",
            span(at)
        ),
        (None, None) => {
            " Its end was not seen; a renegotiation, which either side may begin, makes the next one."
                .to_owned()
        }
    }
}

fn replaced(key: &KeyLine, next: &str, line: Option<&KeyLine>) -> String {
    let made = line.and_then(|line| line.born);
    let made = made.map_or_else(String::new, |at| format!(" at +{}", span(at)));
    let user = line.and_then(|line| line.uses.iter().min_by_key(|one| one.first));
    let used = match user {
        Some(one) => {
            format!("; the {} was the first to use that, at +{}", one.by.word(), span(one.first))
        }
        None if key.plan.is_some() => "; neither has used that yet".to_owned(),
        None => "; no packet under that was seen".to_owned(),
    };
    format!(" A renegotiation made {next}{made}{used}. {}", still_opened(key, next))
}

/// How long packets that were under way can still be read.
fn still_opened(key: &KeyLine, next: &str) -> String {
    let id = &key.id;
    let plan = key.plan.unwrap_or_default();
    match (plan.opens_until, plan.in_flight) {
        (Some(at), Some(in_flight)) => format!(
            "The gateway reads packets under {id} at most until +{}. Sooner it ends with the session, or {} after both sides go on to the key after {next}.",
            span(at),
            span(in_flight)
        ),
        (Some(at), None) => format!("The gateway reads packets under {id} until +{}.", span(at)),
        (None, _) => format!(
            "How long packets under {id} can still be read is each end's own setting, which the wire does not show (OpenVPN: --tran-window, an hour unless set); with the session it ends at the latest."
        ),
    }
}
