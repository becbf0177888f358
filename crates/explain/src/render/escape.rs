//! Text of anybody inside markup: nothing in it ends an element or an attribute, and nothing turns the reading
//! direction round.

/// A text for element content and for attributes in double quotes.
pub(super) fn markup(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other if is_obeyed(other) => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// A text for a terminal.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { '\u{fffd}' } else { c }).collect()
}

/// Characters that are obeyed and not shown, and such that no document of XML may hold.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_ends_no_element_and_commands_no_terminal() {
        let hostile = "</text><script>alert('x')</script>\" onload=\"\u{1b}[2J\u{202e}";
        let safe = markup(hostile);
        assert!(!safe.contains('<') && !safe.contains('"') && !safe.contains('\u{1b}'), "{safe}");
        assert!(!line(hostile).contains('\u{1b}') && !line(hostile).contains('\u{202e}'));
    }
}
