//! Words that more than one format has.

use std::collections::BTreeSet;

use super::time::{lasting, moment, span};
use crate::catalogue;
use crate::field::are_whole;
use crate::place::Side;
use crate::story::{
    Broken, Certificate, Ending, Field, Inquiry, KeyKind, KeyLine, Means, Plan, Protocol, Rule,
    Step, Story, Use,
};
use crate::told::{Place, Told};

/// Steps by their titles; a name that is none of the catalogue's stays as it is.
pub(super) fn titles(names: &[String]) -> String {
    let title = |name: &String| {
        let entry = catalogue::all().find(|entry| entry.name == name);
        entry.map_or_else(|| name.clone(), |entry| entry.title.to_owned())
    };
    names.iter().map(title).collect::<Vec<_>>().join("; ")
}

/// Who speaks to whom; of what is no message, at whose side it is.
pub(super) fn who(step: &Step) -> String {
    match step.both_ways {
        true => "both ways".to_owned(),
        false if is_at_one_side(step) => format!("at the {}", step.from.word()),
        false => format!("{} to {}", step.from.word(), step.to.word()),
    }
}

/// Whether nothing crossed the wire in it.
pub(super) fn is_at_one_side(step: &Step) -> bool {
    matches!(step.entry.as_str(), "own_packet_dropped" | "session_ended")
}

/// Between whom it was, over what, and when: what is not known is left out.
pub(super) struct Headline<'a> {
    pub(super) client: Option<&'a str>,
    pub(super) server: &'a str,
    pub(super) rest: String,
}

/// What stands below the title.
pub(super) fn headline(story: &Story) -> Headline<'_> {
    let is_own = !story.steps.is_empty() && story.steps.iter().all(is_at_one_side);
    let is_dropped = matches!(story.ending, Ending::Dropped(_));
    let began = moment(i64::try_from(story.began / 1_000_000).unwrap_or(i64::MAX));
    let over = match story.transport.as_str() {
        known @ ("udp" | "tcp") => format!(" over {known}"),
        _ => String::new(),
    };
    // What is only counted was dropped some time before.
    let when =
        if is_dropped { format!(", as counted until {began}") } else { format!(", {began}") };
    let is_known = !(is_own || is_dropped && story.client == SOMEBODY);
    Headline {
        client: is_known.then_some(&story.client),
        server: &story.server,
        rest: format!("{over}{when}"),
    }
}

/// Of whom nothing is known.
const SOMEBODY: &str = "somebody";

/// Where a step as it is usually told is in this story, or why it is not.
pub(super) fn place(told: &Told, story: &Story) -> String {
    let why = |number: u32| {
        let gap = story.steps.iter().find(|step| step.number == number);
        gap.and_then(reason).map_or_else(String::new, |why| format!(": {}", small(&why)))
    };
    match told.place(story) {
        Place::Here(steps) => {
            let before = told.gap(story).filter(|gap| steps.iter().all(|one| *one > gap.number));
            let before = before.map_or_else(String::new, |gap| {
                let number = gap.number;
                format!("; before that, not kept, step {number}{}", why(number))
            });
            format!("here: {}{before}", in_steps(&steps))
        }
        Place::Shows(steps) => format!("it shows in {}", in_steps(&steps)),
        Place::OwnWord if story.is_of_a_gateway() => {
            "here: the gateway's own word, at the top".to_owned()
        }
        Place::OwnWord => "here: this client's own word, at the top".to_owned(),
        Place::Asked => "here: asked by this client, see Certificates".to_owned(),
        Place::NotKept(number) => format!("not kept, step {number}{}", why(number)),
        Place::Sealed(number) => format!("encrypted, in step {number}"),
        Place::NotReached => "not reached here".to_owned(),
        Place::Before => {
            "not here: an earlier session is taken up, and nobody shows a certificate".to_owned()
        }
        Place::Unseen => "not seen here".to_owned(),
    }
}

/// A sentence that goes on behind a colon.
fn small(sentence: &str) -> String {
    let is_a_word = sentence.chars().nth(1).is_some_and(char::is_lowercase);
    match sentence.chars().next().filter(|_| is_a_word) {
        Some(first) => first.to_lowercase().chain(sentence.chars().skip(1)).collect(),
        None => sentence.to_owned(),
    }
}

/// What a means of revocation said. That nobody was asked is more than the wire tells; whose own records they are knows.
pub(super) fn answer(inquiry: &Inquiry) -> String {
    let answer = match (inquiry.answer.as_str(), inquiry.means) {
        ("not_asked", Means::Staple | Means::Ocsp | Means::Crl) => "not seen here".to_owned(),
        (answer, _) => answer.replace('_', " "),
    };
    let since = inquiry.revoked_at.and_then(|at| i64::try_from(at).ok()).map(moment);
    let since = since.map_or_else(String::new, |at| format!(" since {at}"));
    let reason = inquiry.revoked_for.as_ref();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("{answer}{since}{reason}")
}

/// Who broke it off, and where: that step may be the other side's, and the word on it a later one.
pub(super) fn broken(story: &Story, broken: &Broken) -> String {
    let step = story.broken_step();
    match story.ending {
        Ending::Ended(_) => return ended(broken.by, step),
        Ending::Unrenewed(_) => {
            return "The handshake is complete, and the keys were not renewed later.".to_owned();
        }
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

/// That new keys were asked for last, where it is not seen that they were made: a sentence more.
pub(super) fn renewal_unseen(story: &Story) -> String {
    let Some(asked) = unmade(story) else { return String::new() };
    format!(
        " New keys were asked for by the {} in step {}; that they were made is not seen.",
        asked.from.word(),
        asked.number
    )
}

/// The step in which somebody asked for the last new keys of the tunnel, where none came of it.
pub(super) fn unmade(story: &Story) -> Option<&Step> {
    let asks =
        |step: &&Step| matches!(step.entry.as_str(), "client_soft_reset" | "server_soft_reset");
    let last = story.steps.iter().rev().find(asks)?.handshake;
    let id = format!("data{last}");
    let made = |step: &Step| step.handshake == last && step.entry == "server_key_message";
    let is_made = story.keys.iter().any(|key| key.id == id) || story.steps.iter().any(made);
    let mut asking = story.steps.iter().filter(asks).filter(|step| step.handshake == last);
    asking.next().filter(|_| !is_made)
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

/// When it was made, as far as that is known.
pub(super) fn made(key: &KeyLine) -> String {
    match key.born {
        Some(at) => format!("+{}", span(at)),
        None if key.is_of_an_earlier_session() => EARLIER.to_owned(),
        None => unknown(key).to_owned(),
    }
}

/// Where the end of a key was not seen: what is known of it all the same.
pub(super) fn open_end(key: &KeyLine) -> &'static str {
    match (key.is_of_an_earlier_session(), key.ends_by) {
        (true, Rule::TicketLifetime) => {
            "not seen: the ticket named its lifetime when it was given, of seven days at most (RFC 8446, 4.6.1)"
        }
        (true, _) => {
            "not seen: the server's own setting, of a day at most where it keeps to RFC 5246, F.1.4"
        }
        (false, _) if key.plan.is_some() => "not yet",
        (false, _) => unknown(key),
    }
}

/// What a handshake took from an earlier session.
fn rested_on(key: &KeyLine) -> Option<String> {
    let sentence = match key.ends_by {
        _ if !key.is_of_an_earlier_session() => return None,
        Rule::TicketLifetime => {
            "this handshake rests on it: the client offers it in its hello with a proof, the server takes it, and all keys come from it"
        }
        _ => {
            "this handshake rests on it: the client asks for it in its hello, the server takes it, and all keys come from it"
        }
    };
    Some(sentence.to_owned())
}

/// Where a resumption secret was made that a handshake rests on.
pub(super) const EARLIER: &str = "in an earlier connection, not seen here";

/// How often one side used a key, and when. Where packets are not counted, what it could use is kept apart from what it
/// did: the first packet of a client was seen, and of what a gateway sends nothing is noted.
pub(super) fn used(kind: KeyKind, one: &Use) -> String {
    let what = if kind == KeyKind::Data { "packet" } else { "record" };
    let (first, last) = (span(one.first), span(one.last));
    match (one.count, one.by) {
        (0, Side::Client) => format!("first {what} at +{first}; in use until +{last} at least"),
        (0, Side::Server) => {
            format!("for whatever it sent from +{first} to +{last}, if it sent anything")
        }
        (1, _) => format!("1 {what}, at +{first}"),
        (count, _) => format!("{count} {what}s, +{first} to +{last}"),
    }
}

/// What stands beside keys whose packets are not counted.
pub(super) fn not_counted(keys: &[KeyLine]) -> Option<&'static str> {
    let mut uses = keys.iter().flat_map(|key| &key.uses);
    uses.any(|one| one.count == 0).then_some(
        "How many packets a side sent is not counted by key. The last time of a key that is in use is the moment at which this was told.",
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
    let Some(plan) = &key.plan else { return rested_on(key).into_iter().collect() };
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
            (KeyKind::Resumption, at) => at.map(|at| ticket_opened(at, key.ends)),
            (_, at) => at.map(|at| opened_until(at, plan.in_flight)),
        },
        due("it ends with the connection, at the latest at", plan.closes, CLOSES),
        unseen_update(key),
    ];
    all.into_iter().flatten().collect()
}

/// A ticket has two ends: the one that it names itself, and that of the key which opens it.
fn ticket_opened(at: u64, ends: Option<u64>) -> String {
    let longer = match ends {
        Some(ends) if ends < at => {
            "the gateway would take the ticket even then, from a client that does not keep to that,"
        }
        _ => "the gateway can open the ticket",
    };
    format!("{longer} until +{} at most ({TICKET_KEY})", span(at))
}

/// Whether a side has gone on to another key by itself, nobody looks for.
fn unseen_update(key: &KeyLine) -> Option<String> {
    let is_told = key.kind == KeyKind::TlsTraffic && key.renewal == Rule::KeyUpdate;
    let is_open = key.plan.is_some_and(|plan| plan.in_use);
    (is_told && is_open).then(|| {
        "whether a KeyUpdate has changed it since, the gateway does not look for".to_owned()
    })
}

/// When a key's time is over, by the rule that says so.
pub(super) fn ends(key: &KeyLine, at: u64) -> String {
    match key.kind {
        KeyKind::Resumption => {
            format!(
                "+{}, the lifetime that the ticket names: clients come back with it no later",
                span(at)
            )
        }
        _ => format!("+{}", span(at)),
    }
}

fn opened_until(at: u64, in_flight: Option<u64>) -> String {
    match in_flight {
        Some(in_flight) => format!(
            "the gateway reads packets under it until +{} at the latest ({STILL_OPENS}); if both sides go on to the key after the next, for {} from then on",
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
            "whatever the client sends inside this TLS is encrypted with it, and the gateway decrypts that"
        }
        (KeyKind::TlsTraffic, None, true) => {
            "both sides' keys in one line: whatever one sends is encrypted with its own, and the other decrypts that"
        }
        (KeyKind::TlsTraffic, _, true) => {
            "whatever the gateway sends inside this TLS is encrypted with it, and the client decrypts that"
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
    // A key that no setting renews by its age has no end either.
    match plan.seals_until {
        Some(_) => {
            format!("{after}: the least of 5 s, `vpn.hand_window` and half of `vpn.reneg_sec`")
        }
        None => format!("{after}: the lesser of 5 s and `vpn.hand_window`"),
    }
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
const TICKET_KEY: &str = "the key that locks tickets is changed after `ticket_seconds`, and opens for as long again what it locked";
const CLOSES: &str = "`max_age_seconds` after the client was let in";

/// Clients that are not held back offer more ciphers than these.
const FEW: usize = 3;
