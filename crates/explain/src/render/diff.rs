//! The parting of two stories: as text, as a page, and as JSON.

use super::escape::{json, line as plain, markup};
use super::html::style;
use super::term::Page;
use crate::diff::Parting;
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
    if let Some(Parting::Values { step, .. }) = parting {
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
    match parting {
        None => "Both tell the same, apart from times, addresses and what is drawn at random."
            .to_owned(),
        Some(Parting::Step { number, .. }) => format!("They part at step {number}."),
        Some(Parting::Values { step, .. }) => {
            format!("They part at step {}, {}, in what it says.", step.number, plain(&step.title))
        }
        Some(Parting::Ending { .. }) => {
            "All steps are the same; they end in other ways.".to_owned()
        }
    }
}

/// What each of the two says where they part.
fn sides(parting: Option<&Parting>) -> Vec<(&'static str, String)> {
    let (left, right) = match parting {
        None => return Vec::new(),
        Some(Parting::Step { left, right, .. }) => (step(left.as_deref()), step(right.as_deref())),
        Some(Parting::Values { left, right, .. }) => (values(left), values(right)),
        Some(Parting::Ending { left, right }) => (ending(left), ending(right)),
    };
    vec![("A", left), ("B", right)]
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
        Ending::Broken(broken)
        | Ending::Ended(broken)
        | Ending::Distrusted(broken)
        | Ending::Dropped(broken) => plain(&broken.sentence),
    }
}
