//! The lives of the keys, one row for each. Time goes from left to right in the order of events and not to scale:
//! a handshake takes milliseconds, and a ticket lives for days.

use super::{Anchor, Canvas, FONT, WIDTH};
use crate::render::time::span;
use crate::render::words;
use crate::story::{KeyLine, Side};

const LEFT: u32 = 20;
const RIGHT: u32 = WIDTH - 20;
const BAR: u32 = 8;
const ROW: u32 = 3 * FONT + 34;
/// More keys than anybody looks at; the rest is in the text.
const MOST_KEYS: usize = 60;

pub(super) fn draw(canvas: &mut Canvas, keys: &[KeyLine]) {
    if keys.is_empty() {
        return;
    }
    canvas.heading(
        "Keys: made (bar's outline), used by the client (upper) and by the server (lower); not to scale",
    );
    let times = times(keys);
    for key in keys.iter().take(MOST_KEYS) {
        row(canvas, key, &times);
    }
}

/// All moments at which something happens to a key, in order.
fn times(keys: &[KeyLine]) -> Vec<u64> {
    let uses = keys.iter().flat_map(|key| &key.uses).flat_map(|one| [one.first, one.last]);
    let ends = keys.iter().flat_map(|key| [key.born, key.ends, planned_end(key)]).flatten();
    let mut times: Vec<u64> = uses.chain(ends).collect();
    times.sort_unstable();
    times.dedup();
    times
}

fn row(canvas: &mut Canvas, key: &KeyLine, times: &[u64]) {
    let cipher = key.cipher.as_deref().unwrap_or("cipher not seen");
    canvas.text(
        LEFT,
        canvas.y,
        Anchor::Start,
        "h",
        &format!("{}: {}, {cipher}", key.id, key.kind.word()),
    );
    canvas.text(LEFT, canvas.y + FONT + 4, Anchor::Start, "t", &life(key));
    canvas.text(
        LEFT,
        canvas.y + 2 * FONT + 8,
        Anchor::Start,
        "q",
        &format!("renewed by: {}", key.renewal.sentence()),
    );
    let top = canvas.y + 2 * FONT + 15;
    let begins = key.born.or_else(|| key.uses.iter().map(|one| one.first).min());
    let last = key.ends.or(planned_end(key)).or_else(|| key.uses.iter().map(|one| one.last).max());
    if let (Some(begins), Some(last)) = (begins, last) {
        outline(canvas, x(begins, times), x(last, times), top);
    }
    for one in &key.uses {
        let (y, class) = match one.by {
            Side::Client => (top, "bar"),
            Side::Server => (top + BAR, "bar2"),
        };
        let (from, to) = (x(one.first, times), x(one.last, times));
        let width = to.saturating_sub(from).max(3);
        canvas.shape(&format!(
            r#"<g><title>{} uses {}</title><rect x="{from}" y="{y}" width="{width}" height="{BAR}" class="{class}"/></g>"#,
            one.by.word(),
            crate::render::escape::markup(&key.id)
        ));
    }
    canvas.y += ROW + BAR;
}

/// The last thing that is planned for it.
fn planned_end(key: &KeyLine) -> Option<u64> {
    let plan = key.plan?;
    plan.opens_until.or(plan.seals_until).or(plan.renews)
}

fn outline(canvas: &mut Canvas, from: u32, to: u32, top: u32) {
    let width = to.saturating_sub(from).max(3);
    let height = 2 * BAR;
    canvas.shape(&format!(
        r#"<rect x="{from}" y="{top}" width="{width}" height="{height}" class="old"/>"#
    ));
}

/// What the bars say, in words.
fn life(key: &KeyLine) -> String {
    let mut said = Vec::new();
    said.extend(key.born.map(|at| format!("made +{}", span(at))));
    said.extend(
        key.uses.iter().map(|one| format!("{} {}", one.by.word(), words::used(key.kind, one))),
    );
    let plan = key.plan.unwrap_or_default();
    said.extend(plan.renews.map(|at| format!("renewal due +{}", span(at))));
    said.extend(plan.seals_until.map(|at| format!("encrypts at most until +{}", span(at))));
    said.extend(plan.opens_until.map(|at| format!("decrypts until +{}", span(at))));
    said.extend(key.ends.map(|at| format!("ends +{}", span(at))));
    said.extend(key.replaced_by.as_ref().map(|next| format!("then {next}")));
    said.join("; ")
}

fn x(at: u64, times: &[u64]) -> u32 {
    let place = times.partition_point(|time| *time < at) as u32;
    let steps = (times.len() as u32).saturating_sub(1).max(1);
    LEFT + (RIGHT - LEFT) * place / steps
}
