//! Stories as text and pictures. Each is a pure function: the same story gives the same bytes.
//!
//! A peer's text is escaped by each renderer in the way of its format, and nowhere else.

mod diff;
mod escape;
mod html;
mod later;
mod lives;
mod mermaid;
mod parts;
mod svg;
mod term;
mod time;
mod words;

use crate::story::Stories;

pub use diff::{diff, diff_html, diff_json};
pub use html::html;
pub use mermaid::mermaid;
pub use svg::svg;
pub use term::{short, term};
pub use words::capital;

/// The format that docs/explain-json.md describes.
pub fn json(stories: &Stories) -> String {
    escape::json(stories)
}
