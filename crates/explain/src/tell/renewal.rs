//! A session that was up, and new keys that were asked for in it and not made: by whom, what the other side said to that,
//! what came then, and what to look at.
//!
//! One that is under way when nobody looks any more has not failed. Where its messages can't be read, that it was finished
//! shows by the packets under its key alone, and that it was not by those that are sent under the former one for too long.

use wire::Opcode;

use super::{Conversation, again};
use crate::catalogue::Kind;
use crate::fact::{Fact, KeyName};
use crate::openvpn::{Asked, Session};
use crate::place::Side;
use crate::story::Broken;

/// How long both sides try for as a rule: `hand-window` of OpenVPN and `vpn.hand_window` of ours are a minute unless set.
const WINDOW: u64 = 60_000_000;

/// Why the last renewal made no keys; none where it made them, or may yet.
pub(super) fn not_made(conversation: &Conversation<'_>, facts: &[&Fact]) -> Option<Broken> {
    let session = conversation.session?;
    let asked = session.asked()?;
    let other = asked.by.peer();
    let last_of_other = session.latest(other)?;
    let is_made = |fact: &&Fact| {
        let made = matches!(fact.kind, Kind::ServerKeyMessage | Kind::DataBegins);
        fact.handshake == asked.handshake && made
    };
    let is_left =
        |fact: &&Fact| fact.at >= asked.at && matches!(fact.kind, Kind::Exit | Kind::SessionEnded);
    if facts.iter().any(|fact| is_made(fact) || is_left(fact)) {
        return None;
    }
    let offer = numbered(facts).find(|(fact, _)| fact.kind == Kind::SessionOffered);
    let offer = offer.filter(|(fact, _)| fact.at >= asked.at);
    let window = asked.at.saturating_add(WINDOW);
    let is_over = match asked.is_answered {
        true => offer.is_some() || serves_beyond(session, asked, window),
        false => {
            let until = match conversation.closed {
                Some(_) => session.latest(asked.by),
                None => Some(session.until()),
            };
            offer.is_some() || session.is_followed() || until >= Some(window)
        }
    };
    if !is_over {
        return None;
    }
    let speaks = last_of_other > asked.at;
    let (asks, answers) = (asked.by.word(), other.word());
    let replied = match (asked.is_answered, speaks) {
        (true, _) => "Both spoke of them, and packets under them were not seen.".to_owned(),
        (false, true) => {
            format!(
                "The {answers} said nothing to that, though packets of the tunnel came from it."
            )
        }
        (false, false) => {
            format!("Nothing came from the {answers} after that.")
        }
    };
    let then = what_came(conversation, facts, asked, offer);
    let (at_step, times) = asking(facts, asked);
    Some(Broken {
        code: if asked.is_answered { "renewal_stopped" } else { "renewal_unanswered" }.to_owned(),
        by: None,
        at_step,
        sentence: format!("The {asks} asked for new keys{times}. {replied} {then}"),
        mends: mends(asked, speaks).into_iter().map(str::to_owned).collect(),
    })
}

/// Whether packets came under the former key after that time, where those under the new one had to come.
fn serves_beyond(session: &Session, asked: Asked, window: u64) -> bool {
    let former = session.data.iter().filter(|one| one.handshake < asked.handshake);
    former.into_iter().any(|one| one.used.last >= window)
}

/// The step in which it was asked for, and how often and until which step that was said again.
fn asking(facts: &[&Fact], asked: Asked) -> (Option<u32>, String) {
    let mine = |fact: &Fact| fact.handshake == asked.handshake && fact.from == asked.by;
    let first =
        numbered(facts).find(|(fact, _)| mine(fact) && again::is_word_on_new_keys(fact.kind));
    let Some((_, first)) = first else { return (None, String::new()) };
    let is_repeat = |fact: &Fact| {
        fact.kind == Kind::ResetRepeated && again::is(fact, Opcode::CONTROL_SOFT_RESET_V1)
    };
    let repeats = numbered(facts).filter(|(fact, _)| mine(fact) && is_repeat(fact));
    let repeats: Vec<u32> = repeats.map(|(_, number)| number).collect();
    let times = match repeats.as_slice() {
        [] => String::new(),
        [one] => format!(", and once more in step {one}"),
        [.., last] => format!(", and {} times more until step {last}", repeats.len()),
    };
    (Some(first), format!(" in step {first}{times}"))
}

/// What came in the place of the new keys.
fn what_came(
    conversation: &Conversation<'_>,
    facts: &[&Fact],
    asked: Asked,
    offer: Option<(&Fact, u32)>,
) -> String {
    let offered = offer.map(|(_, step)| {
        let is_repeat = |fact: &&&Fact| {
            fact.kind == Kind::ResetRepeated
                && again::is(fact, Opcode::CONTROL_HARD_RESET_SERVER_V2)
        };
        let more = match facts.iter().filter(is_repeat).count() {
            0 => String::new(),
            1 => ", and once more".to_owned(),
            count => format!(", and {count} times more"),
        };
        format!("In step {step} the server offered a new session in the place of this one{more}.")
    });
    let is_followed = conversation.session.is_some_and(Session::is_followed);
    match (offered, is_followed) {
        (Some(offered), true) => format!("{offered} The client began a new session then."),
        (Some(offered), false) => format!("{offered} The client did not begin it."),
        (None, true) => "The client began a new session then.".to_owned(),
        (None, false) => match conversation.closed {
            Some((by, _)) => format!("The {} closed the connection later.", by.word()),
            None => format!(
                "The session has {} still, until the limit that each end has set for it; without a newer key it ends with that.",
                former(facts, asked).unwrap_or_else(|| "its former key".to_owned())
            ),
        },
    }
}

/// The key of the tunnel's packets that the new one was to follow.
fn former(facts: &[&Fact], asked: Asked) -> Option<String> {
    let made = |fact: &&&Fact| {
        let made = matches!(fact.kind, Kind::ServerKeyMessage | Kind::DataBegins);
        fact.handshake < asked.handshake && made
    };
    let handshake = facts.iter().filter(made).map(|fact| fact.handshake).max()?;
    Some(KeyName::Data { handshake }.id())
}

fn numbered<'a>(facts: &'a [&'a Fact]) -> impl Iterator<Item = (&'a Fact, u32)> {
    facts.iter().copied().zip(1..)
}

fn mends(asked: Asked, speaks: bool) -> Vec<&'static str> {
    match (asked.is_answered, speaks, asked.by) {
        (true, ..) => vec![
            "The logs of both ends have the reason: a renewal is a whole new handshake, and may be refused as the first one.",
            "If neither has one, large packets are lost on the way, and small ones pass: certificates make the largest of a session.",
        ],
        (false, true, _) => vec![
            "Look into the log of the side that did not answer: what it drops, it names there as a rule.",
            "If nothing is in it, a box on the way lets packets of the tunnel through and no others: compare what both sides recorded.",
        ],
        (false, false, Side::Server) => vec![
            "See whether the client still runs and has its network: one that was killed, sleeps or has moved says no goodbye. It has a session again once it connects anew.",
            "If it runs all the time, packets are lost on the way: a firewall or NAT forgets whoever is silent for long. Let both ends send signs of life more often (`keepalive`).",
        ],
        (false, false, Side::Client) => vec![
            "See whether the server still runs at this address, and what its log says: one that was started anew knows no former session. The client has one again once it connects anew.",
            "If it runs all the time, packets are lost on the way: a firewall or NAT forgets whoever is silent for long. Let both ends send signs of life more often (`keepalive`).",
        ],
    }
}
