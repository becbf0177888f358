//! The parting of two stories as text.

use std::fmt::Write as _;

use super::escape::line as plain;
use crate::diff::Parting;
use crate::story::{Ending, Field, Step};

/// Where two stories part, in a few lines.
pub fn diff(parting: Option<&Parting>) -> String {
    let mut text = String::new();
    let _ = match parting {
        None => writeln!(text, "Both tell the same, apart from times and what is drawn at random."),
        Some(Parting::Step { number, left, right }) => writeln!(
            text,
            "They part at step {number}.\n  A: {}\n  B: {}",
            step(left.as_deref()),
            step(right.as_deref())
        ),
        Some(Parting::Values { step, left, right }) => writeln!(
            text,
            "They part at step {}, {}, in what it says.\n  A: {}\n  B: {}",
            step.number,
            plain(&step.title),
            values(left),
            values(right)
        ),
        Some(Parting::Ending { left, right }) => {
            writeln!(
                text,
                "All steps are the same; they end in other ways.\n  A: {}\n  B: {}",
                ending(left),
                ending(right)
            )
        }
    };
    text
}

fn step(step: Option<&Step>) -> String {
    step.map_or_else(
        || "has ended".to_owned(),
        |step| format!("{}, {} to {}", plain(&step.title), step.from.word(), step.to.word()),
    )
}

fn values(fields: &[Field]) -> String {
    let one = |field: &Field| {
        format!(
            "{}={}",
            plain(&field.name),
            plain(field.meaning.as_deref().unwrap_or(&field.value))
        )
    };
    let all: Vec<String> = fields.iter().map(one).collect();
    if all.is_empty() { "says nothing there".to_owned() } else { all.join(", ") }
}

fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Done => "complete".to_owned(),
        Ending::Cut => "not seen to its end".to_owned(),
        Ending::Broken(broken) => plain(&broken.sentence),
    }
}
