//! The sequence of steps between client and server.

use super::{Anchor, Canvas, FONT, WIDTH, lines};
use crate::catalogue;
use crate::render::escape::markup;
use crate::render::time::span;
use crate::render::words;
use crate::story::{Chapter, Ending, Side, Source, Step, Story};

const CLIENT: u32 = 150;
const SERVER: u32 = 770;
const ROW: u32 = 40;
/// A reason may have a log's words in it.
const MOST_LINES: usize = 4;
/// More steps than anybody looks at; the rest is in the text.
const MOST_STEPS: usize = 200;

pub(super) fn draw(canvas: &mut Canvas, story: &Story) {
    canvas.text(CLIENT, canvas.y, Anchor::Middle, "h", "client");
    canvas.text(SERVER, canvas.y, Anchor::Middle, "h", "server");
    let words::Headline { client, server, .. } = words::headline(story);
    canvas.text(CLIENT, canvas.y + FONT + 4, Anchor::Middle, "q", client.unwrap_or_default());
    canvas.text(SERVER, canvas.y + FONT + 4, Anchor::Middle, "q", server);
    canvas.y += 2 * FONT + 8;
    let top = canvas.y;
    for step in story.steps.iter().take(MOST_STEPS) {
        row(canvas, step);
    }
    if story.steps.len() > MOST_STEPS {
        canvas.y += ROW;
        let more = format!("and {} more steps", story.steps.len() - MOST_STEPS);
        canvas.text(WIDTH / 2, canvas.y, Anchor::Middle, "q", &more);
    }
    ending(canvas, story);
    let bottom = canvas.y + ROW / 2;
    for x in [CLIENT, SERVER] {
        canvas
            .shape(&format!(r#"<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" class="life"/>"#));
    }
    canvas.y = bottom + ROW / 2;
}

/// An arrow with its title above, its time before, its key behind; its sentence shows where one points at it.
fn row(canvas: &mut Canvas, step: &Step) {
    canvas.y += ROW;
    let y = canvas.y;
    let (from, to, tip) = match step.from {
        Side::Client => (CLIENT + 4, SERVER - 4, SERVER - 12),
        Side::Server => (SERVER - 4, CLIENT + 4, CLIENT + 12),
    };
    let class = match (step.source, &step.key) {
        (Source::Gap | Source::Judged, _) => "g",
        (_, Some(_)) => "a",
        (_, None) => "c",
    };
    let head = |to: u32, tip: u32| {
        let (top, bottom) = (y - 5, y + 5);
        format!(r#"<polygon points="{to},{y} {tip},{top} {tip},{bottom}" class="head"/>"#)
    };
    let line = match words::is_at_one_side(step) {
        true => String::new(),
        false => format!(
            r#"<line x1="{from}" y1="{y}" x2="{to}" y2="{y}" class="{class}"/>{}"#,
            head(to, tip)
        ),
    };
    let back = match step.both_ways {
        true => head(from, CLIENT + SERVER - tip),
        false => String::new(),
    };
    canvas.shape(&format!(
        "<g><title>{}</title>{line}{back}</g>",
        markup(&format!("{}. {}: {}", step.number, step.title, step.sentence))
    ));
    let when = match step.unmeasured {
        true => format!("{}.", step.number),
        false => format!("{}. {}", step.number, span(step.at)),
    };
    canvas.text_in(CLIENT - 14, (10, y + 4), Anchor::Start, "q", &when);
    let lock = match (step.source, &step.key) {
        (Source::Gap, _) if step.unmeasured => "not kept",
        (Source::Gap, _) => "not readable",
        (Source::Judged, _) if step.chapter == Chapter::Dropped => "dropped",
        (Source::Judged, _) => "not said",
        (_, Some(_)) => "encrypted",
        (_, None) => "in the clear",
    };
    let (middle, room) = ((CLIENT + SERVER) / 2, SERVER - CLIENT - 20);
    canvas.text_in(room, (middle, y - 7), Anchor::Middle, "t", &step.title);
    canvas.text(SERVER + 14, y + 4, Anchor::Start, "q", lock);
    if let Some(why) = words::reason(step) {
        for line in lines(&why, room).iter().take(MOST_LINES) {
            canvas.text_in(room, (middle, canvas.y + 15), Anchor::Middle, "q", line);
            canvas.y += ROW / 2;
        }
    }
}

fn ending(canvas: &mut Canvas, story: &Story) {
    canvas.y += ROW;
    match &story.ending {
        Ending::Done => {
            canvas.text(WIDTH / 2, canvas.y, Anchor::Middle, "h", "the handshake is complete")
        }
        Ending::Ended(broken) => {
            let ended = format!("let in, and ended: {}", broken.code);
            canvas.text(WIDTH / 2, canvas.y, Anchor::Middle, "h", &ended);
        }
        Ending::Unrenewed(broken) => {
            let unrenewed = format!("complete, and not renewed: {}", broken.code);
            canvas.text(WIDTH / 2, canvas.y, Anchor::Middle, "h", &unrenewed);
        }
        Ending::Distrusted(broken) => {
            let refused = format!("complete, and to be refused: {}", broken.code);
            canvas.text(WIDTH / 2, canvas.y, Anchor::Middle, "bad", &refused);
        }
        Ending::Dropped(broken) => {
            let what = words::dropped(story);
            canvas.text(WIDTH / 2, canvas.y, Anchor::Middle, "h", what);
            canvas.y += ROW / 2;
            canvas.text(WIDTH / 2, canvas.y, Anchor::Middle, "q", &broken.code);
        }
        Ending::Cut => {
            canvas.text(WIDTH / 2, canvas.y, Anchor::Middle, "q", "what was observed ends here");
        }
        Ending::Broken(broken) => {
            canvas.text(
                WIDTH / 2,
                canvas.y,
                Anchor::Middle,
                "bad",
                &format!("broken: {}", broken.code),
            );
            for name in &story.missing {
                canvas.y += ROW / 2;
                let title = catalogue::all()
                    .find(|entry| entry.name == name)
                    .map_or("", |entry| entry.title);
                canvas.text(
                    WIDTH / 2,
                    canvas.y,
                    Anchor::Middle,
                    "q",
                    &format!("(not reached: {title})"),
                );
            }
        }
    }
}
