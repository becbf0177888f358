//! Words that more than one format has.

use std::collections::BTreeSet;

use super::time::{lasting, span};
use crate::catalogue;
use crate::field::are_whole;
use crate::place::Side;
use crate::story::{
    Broken, Certificate, Ending, Field, Inquiry, KeyKind, KeyLine, Plan, Protocol, Step, Story, Use,
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

/// Each certificate once, with who showed it in which steps and all who were asked: a renewal shows the same ones again.
pub(super) fn once_each(all: &[Certificate]) -> Vec<(Certificate, String)> {
    let mut each: Vec<(Certificate, Vec<(Side, u32)>)> = Vec::new();
    for certificate in all {
        let shown = (certificate.shown_by, certificate.step);
        match each.iter_mut().find(|(one, _)| one.is_the_same_as(certificate)) {
            Some((one, places)) => {
                one.join(certificate);
                places.push(shown);
            }
            None => each.push((certificate.clone(), vec![shown])),
        }
    }
    each.into_iter().map(|(one, places)| (one, shown_by(&places))).collect()
}

/// Both sides may show the certificate of the same CA.
fn shown_by(places: &[(Side, u32)]) -> String {
    let of = |side: Side| {
        let steps = places.iter().filter(|(by, _)| *by == side).map(|(_, step)| *step);
        let steps: Vec<u32> = steps.collect();
        (!steps.is_empty()).then(|| format!("the {} in {}", side.word(), in_steps(&steps)))
    };
    let sides: Vec<String> = [Side::Server, Side::Client].into_iter().filter_map(of).collect();
    sides.join(" and ")
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
    let first = sentence.split(' ').next().unwrap_or_default();
    if first.contains([':', '/', '.', '_', '[']) {
        // An address or a name is written as it is.
        return sentence.to_owned();
    }
    let mut letters = sentence.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// Which packets are in no step, where numbers of frames show that some are.
pub(super) fn in_no_step(story: &Story) -> Option<&'static str> {
    if story.protocol != Protocol::OpenVpn {
        return None;
    }
    let places = story.steps.iter().flat_map(|step| &step.basis);
    let frames: BTreeSet<u32> = places.map(|place| place.frame).collect();
    let span = frames
        .first()
        .zip(frames.last())
        .map_or(0, |(first, last)| (last - first).saturating_add(1));
    let confirms = story.packets.iter().any(|packet| packet.message.is_none());
    (confirms || span as usize > frames.len()).then_some(
        "Packets that only confirm others, repeat one, or carry more data are in no step.",
    )
}

/// The ciphers that a client offered who got no hello back, where they are so few that this may be why.
pub(super) fn few_ciphers(story: &Story) -> Option<String> {
    let answered = |step: &Step| step.entry.starts_with("server_hello");
    if story.steps.iter().any(answered) {
        return None;
    }
    let hello = story.steps.iter().rfind(|step| step.entry == "client_hello")?;
    if !are_whole(&hello.fields) {
        return None;
    }
    let name = |field: &Field| field.meaning.as_deref().unwrap_or(&field.value).to_owned();
    let offered = hello.fields.iter().filter(|field| field.name == "cipher_suite").map(name);
    let offered: Vec<String> = offered.filter(|name| !name.ends_with("_SCSV")).collect();
    (1..=FEW).contains(&offered.len()).then(|| offered.join(", "))
}

/// What stands where a moment of a key is not known: a gateway that tells its own keys has not failed to see them.
pub(super) fn unknown(key: &KeyLine) -> &'static str {
    if key.plan.is_some() { "not said" } else { "not seen" }
}

/// How often one side used a key, and when. Where packets are not counted, what it could use is kept apart from what it
/// did: the first packet of a client was seen, and of what a gateway sends nothing is noted.
pub(super) fn used(kind: KeyKind, one: &Use) -> String {
    let what = if kind == KeyKind::Data { "packet" } else { "record" };
    let (first, last) = (span(one.first), span(one.last));
    match (one.count, one.by) {
        (0, Side::Client) => format!("first {what} at +{first}, may use it until +{last}"),
        (0, Side::Server) => format!("may use it from +{first} to +{last}"),
        (1, _) => format!("1 {what}, at +{first}"),
        (count, _) => format!("{count} {what}s, +{first} to +{last}"),
    }
}

/// What stands beside keys whose packets are not counted.
pub(super) fn not_counted(keys: &[KeyLine]) -> Option<&'static str> {
    let mut uses = keys.iter().flat_map(|key| &key.uses);
    uses.any(|one| one.count == 0).then_some(
        "\u{201c}May use\u{201d}: whatever this side sends then, it encrypts with that key. How many packets it sent is not counted by key.",
    )
}

/// Which key took its place, and from when on that was used; or that it is to do so.
pub(super) fn replaced(key: &KeyLine, all: &[KeyLine]) -> Option<String> {
    let next = key.replaced_by.as_ref()?;
    let line = all.iter().find(|line| line.id == *next);
    let first = line.and_then(|line| line.uses.iter().map(|one| one.first).min());
    let in_use = key.plan.is_some_and(|plan| plan.in_use);
    Some(match first {
        None if in_use => format!("not yet; {next} is there to take its place"),
        Some(first) if in_use => {
            format!("not yet; {next}, first used at +{}, is about to take its place", span(first))
        }
        Some(first) => format!("replaced by {next}, first used at +{}", span(first)),
        None => format!("replaced by {next}"),
    })
}

/// What is due for a key, a sentence each, with the rule or the setting that it comes from.
pub(super) fn planned(key: &KeyLine) -> Vec<String> {
    let Some(plan) = &key.plan else { return Vec::new() };
    let due = |what: &str, at: Option<u64>, rule: &str| {
        at.map(|at| format!("{what} +{} ({rule})", span(at)))
    };
    let most = match key.replaced_by {
        None => "without a newer key the session ends at",
        Some(_) => "the gateway encrypts with it at most until",
    };
    let all = [
        use_now(key, plan),
        plan.seals_from.map(|at| {
            format!(
                "the gateway begins to encrypt with it, unless the client uses it before, at +{} ({})",
                span(at),
                seals_from(plan, at)
            )
        }),
        due(
            "the gateway begins a renewal, unless the client does before, at",
            plan.renews,
            &renews(plan),
        ),
        due(most, plan.seals_until, GREATEST_AGE),
        match (key.kind, plan.opens_until) {
            (KeyKind::Resumption, at) => {
                due("the gateway can open the ticket until at most", at, TICKET_KEY)
            }
            (_, at) => at.map(|at| opened_until(at, plan.in_flight)),
        },
        due("it ends with the connection, whatever that carries, at", plan.closes, CLOSES),
    ];
    all.into_iter().flatten().collect()
}

fn opened_until(at: u64, in_flight: Option<u64>) -> String {
    match in_flight {
        Some(in_flight) => format!(
            "the gateway reads packets under it until +{} at the latest ({STILL_OPENS}), and for {} once both sides have gone on to the key after the next",
            span(at),
            lasting(in_flight)
        ),
        None => format!("the gateway reads packets under it until +{} ({SUPERSEDED})", span(at)),
    }
}

/// Who encrypts with it at this moment; nothing of a key that nobody encrypts with here.
fn use_now(key: &KeyLine, plan: &Plan) -> Option<String> {
    let is_used = |side: Side| key.uses.iter().any(|one| one.by == side);
    let sentence = match (key.kind, key.side(), plan.in_use) {
        (KeyKind::Resumption, ..) => return None,
        (KeyKind::TlsTraffic, Some(Side::Client), true) => {
            "the client encrypts with it at this moment, and the gateway decrypts"
        }
        (KeyKind::TlsTraffic, None, true) => {
            "both sides' keys in one line: each encrypts with its own at this moment, and the other decrypts"
        }
        (KeyKind::TlsTraffic, _, true) => {
            "the gateway encrypts with it at this moment, and the client decrypts"
        }
        (_, _, true) => "whatever the gateway sends at this moment, it encrypts with this key",
        (_, _, false) if is_used(Side::Server) => "the gateway encrypts with it no longer",
        (_, _, false) => "the gateway does not encrypt with it yet",
    };
    Some(sentence.to_owned())
}

/// By which rules and settings of a gateway of ours the times of its keys come about, and from which moment they count.
pub(super) fn seals_from(plan: &Plan, at: u64) -> String {
    let after = match plan.complete {
        Some(over) => {
            let after = lasting(at.saturating_sub(over));
            format!("{after} after its handshake was over at the gateway, at +{}", span(over))
        }
        None => "a while after its handshake was over at the gateway".to_owned(),
    };
    format!(
        "{after}: the least of 5 s, `vpn.hand_window`, and half of `vpn.reneg_sec` if that is not 0"
    )
}

/// The same of its renewal.
pub(super) fn renews(plan: &Plan) -> String {
    if plan.renews_again {
        return "another try, as the last renewal failed".to_owned();
    }
    let over = plan.complete.map_or_else(String::new, |over| format!(", at +{}", span(over)));
    format!(
        "`vpn.reneg_sec` after its handshake was over at the gateway{over}, less a random part of up to a tenth"
    )
}

pub(super) const GREATEST_AGE: &str =
    "`vpn.reneg_sec` and four times `vpn.hand_window` after it was made";
pub(super) const STILL_OPENS: &str =
    "an hour after the next handshake began, which no setting changes";
/// Once both sides have gone on.
pub(super) const SUPERSEDED: &str = "30 s after both sides went on to the key after the next, or an hour after the next handshake began, if that is earlier";
const TICKET_KEY: &str =
    "the key that locks tickets changes each `ticket_seconds`, and the one before still opens";
const CLOSES: &str = "`max_age_seconds`";

/// Clients that are not held back offer more ciphers than these.
const FEW: usize = 3;
