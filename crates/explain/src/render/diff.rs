//! The parting of two stories: as text, as a page, and as JSON.

use super::escape::{json, line as plain, markup};
use super::html::style;
use super::term::Page;
use super::time::moment;
use super::words;
use crate::diff::{Parting, Where};
use crate::story::{Ending, Field, Step, VERSION};

/// Where two stories part, in a few lines of at most `width` columns.
pub fn diff(parting: Option<&Parting>, width: usize) -> String {
    let mut page = Page::new(width);
    page.say("", &headline(parting));
    for (name, says) in sides(parting) {
        page.say("  ", &format!("{name}: {says}"));
    }
    page.into_text()
}

/// The same as one page that loads nothing.
pub fn diff_html(parting: Option<&Parting>) -> String {
    let mut page = style::HEAD.replace("TITLE", "Where two stories part");
    page.push_str(&format!(
        "<h1>Where two stories part</h1>\n<p>{}</p>\n",
        markup(&headline(parting))
    ));
    for (name, says) in sides(parting) {
        page.push_str(&format!(
            "<div class=\"box\"><p><b>{name}:</b> {}</p></div>\n",
            markup(&says)
        ));
    }
    if let Some(Where::Values { step, .. }) = parting.map(|parting| &parting.place) {
        page.push_str(&format!("<p class=\"q\">{}</p>\n", markup(&step.sentence)));
    }
    page.push_str("</main></body></html>\n");
    page
}

/// The same for programs; `parting` is null where there is none.
pub fn diff_json(parting: Option<&Parting>) -> String {
    let document = serde_json::json!({ "version": VERSION, "parting": parting });
    json(&document)
}

fn headline(parting: Option<&Parting>) -> String {
    let Some(Parting { story, place }) = parting else {
        return "Both tell the same, apart from times, addresses and what is drawn at random."
            .to_owned();
    };
    let of_story = match story {
        1 => String::new(),
        number => format!(" of story {number}"),
    };
    match place {
        Where::Step { number, .. } => format!("They part at step {number}{of_story}."),
        Where::Values { step, .. } => {
            let title = plain(&step.title);
            format!("They part at step {}{of_story}, {title}, in what it says.", step.number)
        }
        Where::Ending { .. } => {
            format!("All steps{of_story} are the same; they end in other ways.")
        }
        Where::Stories { .. } => {
            "As many stories as both tell are the same; one of the two tells more.".to_owned()
        }
    }
}

/// What each of the two says where they part.
fn sides(parting: Option<&Parting>) -> Vec<(&'static str, String)> {
    let (left, right) = match parting.map(|parting| &parting.place) {
        None => return Vec::new(),
        Some(Where::Step { left, right, .. }) => (step(left, right), step(right, left)),
        Some(Where::Values { left, right, .. }) => (values(left), values(right)),
        Some(Where::Ending { left, right }) => (ending(left), ending(right)),
        Some(Where::Stories { left, right }) => (stories(*left), stories(*right)),
    };
    vec![("A", left), ("B", right)]
}

fn stories(number: usize) -> String {
    match number {
        0 => "tells no story".to_owned(),
        1 => "tells one story".to_owned(),
        number => format!("tells {number} stories"),
    }
}

/// What one tells of a side, beside the other.
fn step(step: &Option<Box<Step>>, other: &Option<Box<Step>>) -> String {
    match (step, other) {
        (Some(step), _) => format!("{}, {}", plain(&step.title), words::who(step)),
        (None, Some(other)) => format!("tells no further step of the {}", other.from.word()),
        (None, None) => "tells no further step".to_owned(),
    }
}

fn values(fields: &[Field]) -> String {
    let all: Vec<String> = fields.iter().map(value).collect();
    if all.is_empty() { "says nothing there".to_owned() } else { all.join(", ") }
}

fn value(field: &Field) -> String {
    let name = plain(&field.name);
    let text = plain(field.meaning.as_deref().unwrap_or(&field.value));
    match field.value.parse() {
        Ok(seconds) if name.ends_with(".not_before") || name.ends_with(".not_after") => {
            format!("{name}={}", moment(seconds))
        }
        _ => format!("{name}={text}"),
    }
}

fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Done => "complete".to_owned(),
        Ending::Cut => "not seen to its end".to_owned(),
        Ending::Broken(broken)
        | Ending::Ended(broken)
        | Ending::Unrenewed(broken)
        | Ending::Distrusted(broken)
        | Ending::Dropped(broken) => plain(&broken.sentence),
    }
}
