//! Mermaid's text of a sequence diagram.

use std::fmt::Write as _;

use crate::story::{Ending, Source, Stories, Story};

/// One diagram for each story. Only words of the catalogue stand in it, so nothing has to be escaped.
pub fn mermaid(stories: &Stories) -> String {
    let mut text = String::new();
    for story in &stories.stories {
        diagram(&mut text, story);
    }
    text
}

fn diagram(text: &mut String, story: &Story) {
    let _ = writeln!(
        text,
        "sequenceDiagram\n    autonumber\n    participant C as Client\n    participant S as Server"
    );
    for step in &story.steps {
        let letter =
            |side: crate::story::Side| if side == crate::story::Side::Client { "C" } else { "S" };
        // Encrypted messages have a full line with a closed head, others a dotted one.
        let arrow = if step.key.is_some() { "->>" } else { "-->>" };
        let (from, to) = (letter(step.from), letter(step.to));
        let _ = writeln!(text, "    {from}{arrow}{to}: {}", plain(&step.title));
        if step.source == Source::Gap {
            let _ = writeln!(text, "    Note over C,S: {}", plain(&step.sentence));
        }
    }
    if let Ending::Broken(broken) = &story.ending {
        let _ = writeln!(text, "    Note over C,S: {}", plain(&broken.sentence));
    }
    text.push('\n');
}

/// A story that was read from a file may hold any text where the catalogue's stood.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_alphanumeric() || " ,.'()".contains(c) { c } else { ' ' })
        .collect()
}
