//! Text of anybody: nothing in it ends an element or an attribute, commands a terminal, or turns the reading direction
//! round.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

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

/// A value as JSON in lines.
pub(super) fn json(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut to = serde_json::Serializer::with_formatter(&mut bytes, SafeJson::default());
    // Nothing in a story can fail to be written: its maps have texts as keys.
    let _ = value.serialize(&mut to);
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}

/// JSON in lines, whose strings hold by number what would be obeyed: it is printed to terminals as well. JSON itself
/// asks for that below U+0020 alone; whoever reads it gets the same text.
#[derive(Default)]
struct SafeJson(PrettyFormatter<'static>);

impl Formatter for SafeJson {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, obeyed)) = rest.char_indices().find(|(_, one)| is_obeyed(*one)) {
            let (before, behind) = rest.split_at(at);
            to.write_all(before.as_bytes())?;
            for unit in obeyed.encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
            rest = behind.get(obeyed.len_utf8()..).unwrap_or_default();
        }
        to.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_array(to)
    }

    fn end_array<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array(to)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(to, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_array_value(to)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object(to)
    }

    fn end_object<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object(to)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(to, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.begin_object_value(to)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.end_object_value(to)
    }
}

/// Characters that are obeyed and not shown, and such that no document of XML may hold.
fn is_obeyed(character: char) -> bool {
    let is_of_direction = matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
    );
    let is_unseen = matches!(
        character,
        '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    character.is_control()
        || is_of_direction
        || is_unseen
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
