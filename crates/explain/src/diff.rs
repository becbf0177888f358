//! Where two stories part: the first step at which one says something else than the other.
//!
//! Times, addresses and what is drawn at random differ between any two handshakes and are not compared.

use serde::Serialize;

use crate::openvpn::DATAGRAMS;
use crate::story::{Ending, Field, Step, Stories};
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
/// The same of what a server pushes: each client has its own addresses and number.
const OWN: [&str; 3] = ["ifconfig ", "ifconfig-ipv6 ", "peer-id "];

/// Where two stories part.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "in", rename_all = "snake_case")]
pub enum Parting {
    /// The two have other steps here; none where one has ended.
    Step {
        /// The number, from 1.
        number: usize,
        /// The step of the first.
        left: Option<Box<Step>>,
        /// The step of the second.
        right: Option<Box<Step>>,
    },
    /// The steps are the same and say different things.
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
}

/// The first difference between the first stories of both; none if there is none.
pub fn parting(left: &Stories, right: &Stories) -> Option<Parting> {
    let steps = |stories: &Stories| {
        stories.stories.first().map(|story| story.steps.clone()).unwrap_or_default()
    };
    let (a, b) = (steps(left), steps(right));
    for index in 0..a.len().max(b.len()) {
        let parted = match (a.get(index), b.get(index)) {
            (Some(one), Some(other)) if is_same_kind(one, other) => values(one, other),
            (one, other) => Some(Parting::Step {
                number: index + 1,
                left: one.cloned().map(Box::new),
                right: other.cloned().map(Box::new),
            }),
        };
        if parted.is_some() {
            return parted;
        }
    }
    let ending = |stories: &Stories| stories.stories.first().map(|story| story.ending.clone());
    let (one, other) = (ending(left)?, ending(right)?);
    (one != other).then(|| Parting::Ending { left: Box::new(one), right: Box::new(other) })
}

fn is_same_kind(one: &Step, other: &Step) -> bool {
    (&one.entry, one.from, one.handshake) == (&other.entry, other.from, other.handshake)
}

fn values(one: &Step, other: &Step) -> Option<Parting> {
    let certificates =
        |step: &Step| step.fields.iter().filter(|field| field.name == CERTIFICATE).count();
    let as_many = certificates(one) == certificates(other);
    let only = |fields: &[Field], others: &[Field]| -> Vec<Field> {
        let is_new = |field: &&Field| match field.name == CERTIFICATE {
            true => !as_many,
            false => !others.contains(field),
        };
        let new = fields.iter().filter(is_new);
        new.filter(|field| !is_drawn(field)).cloned().collect()
    };
    let (left, right) = (only(&one.fields, &other.fields), only(&other.fields, &one.fields));
    let differs = !left.is_empty() || !right.is_empty();
    differs.then(|| Parting::Values { step: Box::new(one.clone()), left, right })
}

fn is_drawn(field: &Field) -> bool {
    DRAWN.contains(&&*field.name)
        || field.meaning.as_deref() == Some(GREASE)
        || (field.name == "pushed" && OWN.iter().any(|own| field.value.starts_with(own)))
}
