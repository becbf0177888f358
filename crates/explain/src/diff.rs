//! Where two stories part: the first step at which one says something else than the other.
//!
//! Times, addresses and what is drawn at random differ between any two handshakes and are not compared.

use crate::story::{Ending, Field, Step, Stories};

/// Values that differ from one handshake to the next.
const DRAWN: [&str; 5] = ["random", "session_id", "replay_id", "replay_time", "ticket_length"];

/// Where two stories part.
#[derive(Clone, Debug, PartialEq)]
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
    let only = |fields: &[Field], others: &[Field]| -> Vec<Field> {
        let new = fields.iter().filter(|field| !others.contains(field));
        new.filter(|field| !DRAWN.contains(&&*field.name)).cloned().collect()
    };
    let (left, right) = (only(&one.fields, &other.fields), only(&other.fields, &one.fields));
    let differs = !left.is_empty() || !right.is_empty();
    differs.then(|| Parting::Values { step: Box::new(one.clone()), left, right })
}
