//! Mermaid's text of a sequence diagram.

use std::fmt::Write as _;

use super::escape::line;
use super::words;
use crate::story::{Source, Stories, Story};

/// One diagram, or where there are several stories a Markdown file with a block for each: Mermaid knows one diagram in a
/// text. Only words of the catalogue stand in it, so nothing has to be escaped.
pub fn mermaid(stories: &Stories) -> String {
    let mut text = String::new();
    if let [story] = stories.stories.as_slice() {
        diagram(&mut text, story);
        return text;
    }
    for story in &stories.stories {
        let _ = writeln!(text, "## {}\n\n```mermaid", plain(&story.title));
        diagram(&mut text, story);
        text.push_str("```\n\n");
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
        let arrow = match (step.both_ways, &step.key) {
            (true, _) => "<<-->>",
            (false, Some(_)) => "->>",
            (false, None) => "-->>",
        };
        // What happens at one side is an arrow to itself.
        let to = if words::is_at_one_side(step) { step.from } else { step.to };
        let (from, to) = (letter(step.from), letter(to));
        let _ = writeln!(text, "    {from}{arrow}{to}: {}", plain(&step.title));
        if step.source == Source::Gap {
            let reason = words::reason(step).map_or_else(String::new, |why| format!(" {why}."));
            let _ =
                writeln!(text, "    Note over C,S: {}{}", plain(&step.sentence), plain(&reason));
        }
    }
    if let Some(broken) = story.ending.reason() {
        let _ = writeln!(text, "    Note over C,S: {}", plain(&broken.sentence));
    }
}

/// A story that was read from a file may hold any text where the catalogue's stood. What Mermaid might take for its own
/// stands as an entity, by its number, which it shows as the character.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in line(text).chars() {
        if c.is_alphanumeric() || " ,.'()/".contains(c) {
            plain.push(c);
        } else {
            let _ = write!(plain, "#{};", u32::from(c));
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_sentence_is_lost_and_none_is_obeyed() {
        assert_eq!(plain("two: one, two (or 1/2)"), "two#58; one, two (or 1/2)");
        assert_eq!(plain("a;b#c\\n%%{init}"), "a#59;b#35;c#92;n#37;#37;#123;init#125;");
        assert_eq!(plain("a\nb\u{202e}c"), "a#65533;b#65533;c");
    }
}
