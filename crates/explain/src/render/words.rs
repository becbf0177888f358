//! Words that more than one format has.

use super::time::span;
use crate::catalogue;
use crate::place::Side;
use crate::story::{
    Broken, Certificate, Ending, Field, Inquiry, KeyKind, KeyLine, Plan, Step, Story, Use,
};

/// Steps by their titles; a name that is none of the catalogue's stays as it is.
pub(super) fn titles(names: &[String]) -> String {
    let title = |name: &String| {
        let entry = catalogue::all().find(|entry| entry.name == name);
        entry.map_or_else(|| name.clone(), |entry| entry.title.to_owned())
    };
    names.iter().map(title).collect::<Vec<_>>().join("; ")
}

/// What a means of revocation said. That nobody was asked is more than the wire tells.
pub(super) fn answer(inquiry: &Inquiry) -> String {
    match inquiry.answer.as_str() {
        "not_asked" => "not seen here".to_owned(),
        answer => answer.replace('_', " "),
    }
}

/// Who broke it off, and where: that step may be the other side's, and the word on it a later one.
pub(super) fn broken(story: &Story, broken: &Broken) -> String {
    let step = story.broken_step();
    match story.ending {
        Ending::Ended(_) => return ended(broken.by, step),
        Ending::Dropped(_) => return format!("{}.", capital(dropped(story))),
        Ending::Distrusted(_) => return distrusted(step),
        Ending::Broken(_) | Ending::Done | Ending::Cut => {}
    }
    let Some(by) = broken.by else {
        let at = step.map_or_else(String::new, |step| format!("; see step {}", step.number));
        return format!("No refusal was seen{at}.");
    };
    let who = by.word();
    match step {
        None => format!("The {who} broke it off."),
        Some(step) if step.entry == "not_kept" => {
            format!("The {who} turned the {} away.", by.peer().word())
        }
        Some(step) if step.from == by => {
            format!("The {who} broke it off, in step {}.", step.number)
        }
        Some(step) => {
            let says = |later: &&Step| {
                later.from == by && matches!(later.entry.as_str(), "alert" | "auth_failed")
            };
            let later = story.steps.iter().skip(step.number as usize).find(says);
            let told = later.map_or_else(String::new, |later| {
                format!("; it says so to the {} in step {}", step.from.word(), later.number)
            });
            format!("The {who} refused {}{told}.", refused(story, step))
        }
    }
}

/// Who only looked goes on where others don't.
fn distrusted(step: Option<&Step>) -> String {
    let at = step.map_or_else(String::new, |step| format!(" at step {}", step.number));
    format!(
        "The handshake is complete because this client only looks. One that acts by what it finds refuses the server{at}."
    )
}

/// What was dropped, which refuses nobody.
pub(super) fn dropped(story: &Story) -> &'static str {
    match story.broken_step() {
        Some(step) if step.entry == "connections_waited" => {
            "connections waited; none was refused, and no session was ended"
        }
        _ => "a packet was dropped; no session was refused or ended by that",
    }
}

/// Who ended what had been let in.
fn ended(by: Option<Side>, step: Option<&Step>) -> String {
    let at = step.map_or_else(String::new, |step| format!(", in step {}", step.number));
    match by {
        Some(Side::Server) => {
            format!("The gateway let the client in, and ended the session later{at}.")
        }
        Some(Side::Client) => format!("The client was let in, and ended the session later{at}."),
        None => format!("The client was let in, and nobody ended the session on purpose{at}."),
    }
}

/// What happened, without what stands behind the semicolon in a gateway's log: what to do is a list of its own here.
pub(super) fn happened(story: &Story, broken: &Broken) -> String {
    let sentence = broken.sentence.as_str();
    let what = match story.is_of_a_gateway() && !broken.mends.is_empty() {
        true => sentence.rsplit_once("; ").map_or(sentence, |(what, _)| what),
        false => sentence,
    };
    let end = if what.ends_with(['.', ')']) { "" } else { "." };
    format!("{}{end}", capital(what))
}

/// What is refused at a step of the other side: a certificate is shown before its key is proved.
fn refused(story: &Story, step: &Step) -> String {
    let before = story.steps.iter().take(step.number as usize);
    let shown = before.rev().find(|one| one.entry == "client_certificate");
    match shown.filter(|_| step.entry == "client_certificate_verify") {
        Some(shown) => format!(
            "the certificate that step {} shows, whose key step {} proves",
            shown.number, step.number
        ),
        None => format!("what step {} says", step.number),
    }
}

/// Each certificate once, with the steps that showed it: a renewal shows the same ones again.
pub(super) fn once_each(all: &[Certificate]) -> Vec<(&Certificate, String)> {
    let same = |one: &Certificate, other: &Certificate| {
        *one == Certificate { step: one.step, ..other.clone() }
    };
    let mut each: Vec<(&Certificate, Vec<u32>)> = Vec::new();
    for certificate in all {
        match each.iter_mut().find(|(one, _)| same(one, certificate)) {
            Some((_, steps)) => steps.push(certificate.step),
            None => each.push((certificate, vec![certificate.step])),
        }
    }
    each.into_iter().map(|(one, steps)| (one, in_steps(&steps))).collect()
}

fn in_steps(steps: &[u32]) -> String {
    let numbers: Vec<String> = steps.iter().map(u32::to_string).collect();
    match numbers.as_slice() {
        [one] => format!("step {one}"),
        [before @ .., last] => format!("steps {} and {last}", before.join(", ")),
        [] => String::new(),
    }
}

/// Why a step can't be told, or a proof not judged: what it has instead of values.
pub(super) fn reason(step: &Step) -> Option<String> {
    let given =
        step.fields.iter().find(|field| matches!(&*field.name, "reason" | "why" | "not_judged"))?;
    Some(capital(given.value.trim_end_matches('.')))
}

/// A sentence of a log, which begins with a small letter, as one that stands by itself.
pub fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// The ciphers that a client offered who got no hello back, where they are so few that this may be why.
pub(super) fn few_ciphers(story: &Story) -> Option<String> {
    let answered = |step: &Step| step.entry.starts_with("server_hello");
    if story.steps.iter().any(answered) {
        return None;
    }
    let hello = story.steps.iter().rfind(|step| step.entry == "client_hello")?;
    let name = |field: &Field| field.meaning.as_deref().unwrap_or(&field.value).to_owned();
    let offered = hello.fields.iter().filter(|field| field.name == "cipher_suite").map(name);
    let offered: Vec<String> = offered.filter(|name| !name.ends_with("_SCSV")).collect();
    (1..=FEW).contains(&offered.len()).then(|| offered.join(", "))
}

/// What stands where a moment of a key is not known: a gateway that tells its own keys has not failed to see them.
pub(super) fn unknown(key: &KeyLine) -> &'static str {
    if key.plan.is_some() { "not said" } else { "not seen" }
}

/// How often one side used a key, and when.
pub(super) fn used(kind: KeyKind, one: &Use) -> String {
    let what = if kind == KeyKind::Data { "packet" } else { "record" };
    match one.count {
        0 => format!("+{} to +{}", span(one.first), span(one.last)),
        1 => format!("1 {what}, at +{}", span(one.first)),
        count => format!("{count} {what}s, +{} to +{}", span(one.first), span(one.last)),
    }
}

/// Which key took its place, and from when on that was used.
pub(super) fn replaced(key: &KeyLine, all: &[KeyLine]) -> Option<String> {
    let next = key.replaced_by.as_ref()?;
    let line = all.iter().find(|line| line.id == *next);
    let first = line.and_then(|line| line.uses.iter().map(|one| one.first).min());
    Some(match first {
        Some(first) => format!("{next}, first used at +{}", span(first)),
        None => next.clone(),
    })
}

/// What is due for a key, a sentence each.
pub(super) fn planned(plan: &Plan) -> Vec<String> {
    let due = |what: &str, at: Option<u64>| at.map(|at| format!("{what} +{}", span(at)));
    let use_now = match plan.in_use {
        true => "the gateway encrypts with it at this moment",
        false => "the gateway does not encrypt with it at this moment",
    };
    let all = [
        Some(use_now.to_owned()),
        due(
            "the gateway begins to encrypt with it, unless the client uses it before, at",
            plan.seals_from,
        ),
        due("the gateway begins a renewal, unless the client does before, at", plan.renews),
        due("without a newer key the session ends at", plan.seals_until),
        plan.opens_until.map(|at| opened_until(at, plan.in_flight)),
    ];
    all.into_iter().flatten().collect()
}

fn opened_until(at: u64, in_flight: Option<u64>) -> String {
    match in_flight {
        Some(in_flight) => format!(
            "packets under it can be read at most until +{}; sooner, if {} after both sides go on to the key after the next comes before",
            span(at),
            span(in_flight)
        ),
        None => format!("packets under it can be read until +{}", span(at)),
    }
}

/// Clients that are not held back offer more ciphers than these.
const FEW: usize = 3;
