//! Where two stories part: the first step at which one says something else than the other.
//!
//! Times, addresses and what is drawn at random differ between any two handshakes and are not compared. Neither is what
//! follows from steps (titles, sentences, the lives of keys, what is missing), what the way did (packets that were lost and
//! sent again, and which of both sides' words came first where neither answers the other), or a judgement's own words:
//! where one is of weight, the ending or a certificate's box has it.

mod shown;

use serde::Serialize;

use crate::openvpn::DATAGRAMS;
use crate::place::Side;
use crate::story::{Ending, Field, Step, Stories, Story};
use crate::tls::GREASE;

/// Values that differ from one handshake to the next, or by where a capture was made.
const DRAWN: [&str; 8] = [
    "random",
    "session_id",
    "acked_session_id",
    "replay_id",
    "replay_time",
    "ticket_length",
    "staple_length",
    DATAGRAMS,
];
/// A signature is a byte longer or shorter by chance: of certificates their number counts.
const CERTIFICATE: &str = "certificate_length";
/// What a calculation gave, where one was made.
const PROOF: &str = "proof_is_right";
const RIGHT: &str = "1";
/// The same of what a server pushes: each client has its own addresses and number.
const OWN: [&str; 3] = ["ifconfig ", "ifconfig-ipv6 ", "peer-id "];

/// Where two sources part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parting {
    /// In which of their stories, from 1.
    pub story: usize,
    /// Where in it.
    #[serde(flatten)]
    pub place: Where,
}

/// Where two stories part.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "in", rename_all = "snake_case")]
pub enum Where {
    /// The two have other steps here; none where one has ended.
    Step {
        /// The number, from 1.
        number: usize,
        /// The step of the first.
        left: Option<Box<Step>>,
        /// The step of the second.
        right: Option<Box<Step>>,
    },
    /// The steps are the same and say different things, or show different certificates.
    Values {
        /// The step of the first.
        step: Box<Step>,
        /// Values that only the first has.
        left: Vec<Field>,
        /// Values that only the second has.
        right: Vec<Field>,
    },
    /// All steps are the same, and they ended in other ways.
    Ending {
        /// How the first ended.
        left: Box<Ending>,
        /// How the second ended.
        right: Box<Ending>,
    },
    /// As many stories as both tell are the same, and one tells more.
    Stories {
        /// How many the first tells.
        left: usize,
        /// How many the second tells.
        right: usize,
    },
}

/// The first difference between the stories of both, in their order; none if there is none.
pub fn parting(left: &Stories, right: &Stories) -> Option<Parting> {
    let (left, right) = (&left.stories, &right.stories);
    let both = left.iter().zip(right).zip(1..);
    let parted = both.into_iter().find_map(|((one, other), story)| {
        in_a_story(one, other).map(|place| Parting { story, place })
    });
    let (left, right) = (left.len(), right.len());
    let in_number = || {
        let place = Where::Stories { left, right };
        (left != right).then_some(Parting { story: left.min(right) + 1, place })
    };
    parted.or_else(in_number)
}

fn in_a_story(one: &Story, other: &Story) -> Option<Where> {
    let sides = [Side::Client, Side::Server].into_iter();
    let first = sides.filter_map(|side| of_a_side(one, other, side)).min_by_key(|(at, _)| *at);
    first.map(|(_, place)| place).or_else(|| {
        let (left, right) = (Box::new(one.ending.clone()), Box::new(other.ending.clone()));
        (left != right).then_some(Where::Ending { left, right })
    })
}

/// The first step of this side in which they part, and its number in whichever story has it first.
fn of_a_side(one: &Story, other: &Story, side: Side) -> Option<(u32, Where)> {
    let mut left = one.steps.iter().filter(|step| step.from == side);
    let mut right = other.steps.iter().filter(|step| step.from == side);
    loop {
        let (a, b) = (left.next(), right.next());
        let at = [a, b].into_iter().flatten().map(|step| step.number).min()?;
        let place = match (a, b) {
            (Some(a), Some(b)) if is_same_kind(a, b) => values((one, a), (other, b)),
            (a, b) => Some(Where::Step {
                number: at as usize,
                left: a.cloned().map(Box::new),
                right: b.cloned().map(Box::new),
            }),
        };
        if let Some(place) = place {
            return Some((at, place));
        }
    }
}

fn is_same_kind(one: &Step, other: &Step) -> bool {
    (&one.entry, one.from, one.handshake) == (&other.entry, other.from, other.handshake)
}

fn values((one, a): (&Story, &Step), (other, b): (&Story, &Step)) -> Option<Where> {
    let count = |step: &Step| step.fields.iter().filter(|field| field.name == CERTIFICATE).count();
    let as_many = count(a) == count(b);
    let all = |story: &Story, step: &Step| -> Vec<Field> {
        let of_step = step.fields.iter().filter(|one| !is_drawn(one)).cloned();
        let certificates = shown::of(story, step).into_iter();
        around(story, step).into_iter().chain(of_step).chain(certificates).collect()
    };
    let (of_a, of_b) = (all(one, a), all(other, b));
    let only = |fields: &[Field], others: &[Field]| -> Vec<Field> {
        let is_new = |field: &&Field| match &*field.name {
            CERTIFICATE => !as_many,
            // Whoever found everything right as it went on calculates nothing again to tell it.
            PROOF if field.value == RIGHT => {
                others.iter().any(|other| other.name == PROOF && other.value != RIGHT)
            }
            _ => !others.contains(field),
        };
        fields.iter().filter(is_new).cloned().collect()
    };
    let (left, right) = (only(&of_a, &of_b), only(&of_b, &of_a));
    let differs = !left.is_empty() || !right.is_empty();
    differs.then(|| Where::Values { step: Box::new(a.clone()), left, right })
}

/// What a step is told in: the transport, at the first one, and the key that it is under.
fn around(story: &Story, step: &Step) -> Vec<Field> {
    let transport = (step.number == 1).then(|| Field::text("transport", &story.transport));
    let key = step.key.as_deref().map(|key| Field::text("key", key));
    transport.into_iter().chain(key).collect()
}

fn is_drawn(field: &Field) -> bool {
    DRAWN.contains(&&*field.name)
        || field.meaning.as_deref() == Some(GREASE)
        || (field.name == "pushed" && OWN.iter().any(|own| field.value.starts_with(own)))
}
