//! Pictures: the sequence of steps, and the lives of the keys.
//!
//! All text is set in one fixed width, so that its size is known here: no text lies on another, which a test
//! holds. Everything said by a colour is said by a form or a word as well.

mod keys;
mod sequence;

use std::fmt::Write as _;

use super::escape::markup;
use crate::story::{Stories, Story};

pub(super) const WIDTH: u32 = 920;
pub(super) const FONT: u32 = 13;
/// Half a pixel more than a fixed-width font of this size needs for a character.
const CHARACTER: u32 = 8;
const GAP: u32 = 30;

/// All pictures of all stories, below each other.
pub fn svg(stories: &Stories) -> String {
    let mut canvas = Canvas::default();
    for story in &stories.stories {
        canvas.story(story);
    }
    canvas.finish("Handshakes")
}

/// The pictures of one story, to stand in a page.
pub(super) fn of_story(story: &Story) -> String {
    let mut canvas = Canvas::default();
    canvas.story(story);
    canvas.finish(&story.title)
}

/// What is drawn so far, and where the next thing goes.
#[derive(Default)]
pub(super) struct Canvas {
    shapes: String,
    pub(super) y: u32,
}

/// Where a text is held.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
}

impl Canvas {
    fn story(&mut self, story: &Story) {
        self.y += GAP;
        self.heading(&story.title);
        sequence::draw(self, story);
        keys::draw(self, &story.keys);
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.text(10, self.y, Anchor::Start, "h", text);
        self.y += GAP;
    }

    /// One line of text, with the room up to the edge.
    pub(super) fn text(&mut self, x: u32, y: u32, anchor: Anchor, class: &str, text: &str) {
        let room = match anchor {
            Anchor::Start => WIDTH.saturating_sub(x),
            Anchor::Middle => 2 * x.min(WIDTH.saturating_sub(x)),
        };
        self.text_in(room, (x, y), anchor, class, text);
    }

    /// One line of text, cut to the room that it has. The whole of what is cut shows where one points at it.
    pub(super) fn text_in(
        &mut self,
        room: u32,
        (x, y): (u32, u32),
        anchor: Anchor,
        class: &str,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
        };
        let fitting = fit(text, room);
        let held = held(&fitting);
        let whole = match fitting == text {
            true => String::new(),
            false => format!("<title>{}</title>", markup(text)),
        };
        let _ = writeln!(
            self.shapes,
            r#"<text x="{x}" y="{y}" text-anchor="{anchor}"{held} class="{class}">{whole}{}</text>"#,
            markup(&fitting)
        );
    }

    pub(super) fn shape(&mut self, shape: &str) {
        self.shapes.push_str(shape);
        self.shapes.push('\n');
    }

    fn finish(self, title: &str) -> String {
        let height = self.y + GAP;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}">
<title>{}</title>
<style>{STYLE}</style>
<rect width="{WIDTH}" height="{height}" class="paper"/>
{}</svg>
"#,
            markup(title),
            markup(title),
            self.shapes
        )
    }
}

/// A text in lines of at most so many pixels each, broken between words.
pub(super) fn lines(text: &str, room: u32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= room / CHARACTER => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A text that fits into so many pixels.
fn fit(text: &str, room: u32) -> String {
    let most = room / CHARACTER;
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |character: &char| {
        used += column(*character);
        used <= most
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Letters that come from another font have the width of that one: they are held to the room that is counted for them.
fn held(text: &str) -> String {
    let columns = columns(text);
    if columns as usize == text.chars().count() {
        return String::new();
    }
    let width = columns * CHARACTER;
    format!(r#" textLength="{width}" lengthAdjust="spacingAndGlyphs""#)
}

fn columns(text: &str) -> u32 {
    text.chars().map(column).fold(0, u32::saturating_add)
}

/// How many places a character takes: fixed-width fonts have Latin, Greek and Cyrillic letters, and the signs that we
/// write ourselves.
fn column(character: char) -> u32 {
    match character {
        '\0'..='\u{2ff}' | '\u{370}'..='\u{482}' | '\u{48a}'..='\u{52f}' => 1,
        '\u{2010}'..='\u{2026}' | '\u{fffd}' => 1,
        _ => 2,
    }
}

const STYLE: &str = "text{font:13px monospace;fill:#1b1f24}.h{font-weight:bold}.q{fill:#57606a}.bad{fill:#a40e26}\
.paper{fill:#fff}.life{stroke:#8c959f;stroke-dasharray:2 4}.a{stroke:#0550ae;stroke-width:2}.c{stroke:#57606a;stroke-width:2;stroke-dasharray:6 4}\
.g{stroke:#8c959f;stroke-width:2;stroke-dasharray:1 5}.head{fill:#0550ae}.bar{fill:#0550ae}.bar2{fill:#bf8700}.old{fill:none;stroke:#57606a}.due{stroke:#a40e26;stroke-width:2}.may,.may2{fill:none;stroke:#0550ae;stroke-width:2;stroke-dasharray:3 2}.may2{stroke:#bf8700}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.q{fill:#9ea7b3}.bad{fill:#ff9492}.paper{fill:#0d1117}.a{stroke:#71b7ff}.c{stroke:#9ea7b3}.head,.bar{fill:#71b7ff}.bar2{fill:#f0b72f}.old{stroke:#9ea7b3}.due{stroke:#ff9492}.may{stroke:#71b7ff}.may2{stroke:#f0b72f}}";
