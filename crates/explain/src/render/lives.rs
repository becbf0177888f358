//! What became of each key of the tunnel's packets, in sentences: since when, until when, and what took its place.
//!
//! They say what the table of keys says, to whoever does not read tables; nothing is in them that is not in there.

use super::time::{lasting, span};
use super::words::{GREATEST_AGE, STILL_OPENS, SUPERSEDED, renews, seals_from, unmade};
use crate::place::Side;
use crate::story::{Ending, KeyKind, KeyLine, Rule, Story, Use};

/// The most keys of which there are sentences.
const MOST: usize = 20;

/// One for each data channel key.
pub(super) fn of_tunnel(story: &Story) -> Vec<String> {
    let keys = story.keys.iter().filter(|key| key.kind == KeyKind::Data).take(MOST);
    keys.map(|key| [made(key), carried(key), followed(key, story)].concat()).collect()
}

fn made(key: &KeyLine) -> String {
    match key.born {
        Some(at) if key.plan.is_some() => {
            format!("{}: the gateway made it at +{}.", key.id, span(at))
        }
        Some(at) => format!("{}: both ends could make it at +{}.", key.id, span(at)),
        None if key.plan.is_some() => {
            format!("{}: of when it was made the gateway says nothing.", key.id)
        }
        None => format!("{}: when it was made was not seen.", key.id),
    }
}

fn carried(key: &KeyLine) -> String {
    if key.plan.is_some() {
        let began: String = key.uses.iter().map(|one| began(key, one)).collect();
        return [began, begins(key)].concat();
    }
    let first = key.uses.iter().map(|one| one.first).min();
    let last = key.uses.iter().map(|one| one.last).max();
    let count: u64 = key.uses.iter().map(|one| one.count).sum();
    match (first, last) {
        (Some(first), Some(last)) if count > 1 => {
            format!(" It carried {count} packets, from +{} to +{}.", span(first), span(last))
        }
        (Some(first), _) => format!(" It carried one packet, at +{}.", span(first)),
        _ => " No packet under it was seen.".to_owned(),
    }
}

/// When one side of a live session began to use it; until when a side did, is told where it has gone on.
fn began(key: &KeyLine, one: &Use) -> String {
    let first = span(one.first);
    match (one.by, key.plan.is_some_and(|plan| plan.in_use)) {
        (Side::Server, true) => {
            format!(" Since +{first} the gateway encrypts with it whatever it sends.")
        }
        (Side::Server, false) => format!(
            " From +{first} to +{} the gateway encrypted with it whatever it sent.",
            span(one.last)
        ),
        (Side::Client, _) => format!(" The client's first packet under it came at +{first}."),
    }
}

/// When the gateway is going to use it.
fn begins(key: &KeyLine) -> String {
    let neither = if key.uses.is_empty() { " Neither side has used it yet." } else { "" };
    let plan = key.plan.unwrap_or_default();
    let begins = plan.seals_from.map_or_else(String::new, |at| {
        format!(
            " The gateway begins to encrypt with it at +{}, unless the client uses it before. That is {}.",
            span(at),
            seals_from(&plan, at)
        )
    });
    format!("{neither}{begins}")
}

fn followed(key: &KeyLine, story: &Story) -> String {
    if let Some(next) = &key.replaced_by {
        return replaced(key, next, story.keys.iter().find(|line| line.id == *next));
    }
    let plan = key.plan.unwrap_or_default();
    match (key.ends, plan.renews) {
        (Some(at), _) => {
            format!(" Nothing took its place: the session ended at +{}.", span(at))
        }
        (None, Some(at)) => format!(
            " A renegotiation makes the next one. The gateway begins it at +{}, unless the client does before. That is {}.{}",
            span(at),
            renews(&plan),
            greatest_age(key)
        ),
        (None, None) if key.plan.is_some() => {
            format!(" A renegotiation makes the next one.{}", greatest_age(key))
        }
        (None, None) if key.renewal == Rule::Never => {
            " Its end was not seen; nothing takes its place.".to_owned()
        }
        (None, None) => match unmade(story) {
            Some(asked) => format!(
                " Its end was not seen. The {} asked for the next one at +{}, {}.",
                asked.from.word(),
                span(asked.at),
                came_of(&story.ending)
            ),
            None => " Its end was not seen; a renegotiation, which either side may begin, makes the next one.".to_owned(),
        },
    }
}

/// What came of the last asking for new keys, where they were not made.
fn came_of(ending: &Ending) -> &'static str {
    match ending {
        Ending::Unrenewed(broken) if broken.code == "renewal_unanswered" => "and nobody answered",
        Ending::Unrenewed(_) => "and the handshake for it stopped halfway",
        _ => "and that it was made is not seen",
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
        None if key.plan.is_some() => {
            ", which takes its place as soon as one of the two uses that".to_owned()
        }
        None => "; no packet under that was seen".to_owned(),
    };
    format!(" A renegotiation made {next}{made}{used}. {}", still_opened(key, next))
}

/// When its session ends without a newer one.
fn greatest_age(key: &KeyLine) -> String {
    let until = key.plan.and_then(|plan| plan.seals_until);
    until.map_or_else(String::new, |at| {
        format!(" Without a newer one the session ends at +{}. That is {GREATEST_AGE}.", span(at))
    })
}

/// How long packets that were under way can still be read.
fn still_opened(key: &KeyLine, next: &str) -> String {
    let id = &key.id;
    let plan = key.plan.unwrap_or_default();
    match (plan.opens_until, plan.in_flight) {
        (Some(at), Some(in_flight)) => format!(
            "The gateway reads packets under {id} until +{} at the latest. That is {STILL_OPENS}. It stops sooner where the session ends, or {} after both sides go on to the key after {next}.",
            span(at),
            lasting(in_flight)
        ),
        (Some(at), None) => {
            format!(
                "The gateway reads packets under {id} until +{}. That is {SUPERSEDED}.",
                span(at)
            )
        }
        (None, _) => format!(
            "How long packets under {id} can still be read is each end's own setting, which the wire does not show. In OpenVPN that is --tran-window, an hour unless set; it ends with the session at the latest."
        ),
    }
}
