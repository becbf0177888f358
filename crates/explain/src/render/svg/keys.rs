//! The lives of the keys, one row for each. Time goes from left to right in the order of events and not to scale:
//! a handshake takes milliseconds, and a ticket lives for days.

use super::{Anchor, CHARACTER, Canvas, FONT, WIDTH, columns, lines};
use crate::render::time::{lasting, span};
use crate::render::words;
use crate::story::{KeyKind, KeyLine, Plan, Side};

const LEFT: u32 = 20;
const RIGHT: u32 = WIDTH - 20;
const BAR: u32 = 8;
/// From the bars of one key to the name of the next one.
const BELOW: u32 = 2 * FONT;
/// From one line of a text to the next.
const LINE: u32 = FONT + 4;
/// The most moments that are named, and what is free between two of them.
const MOST_LABELS: usize = 7;
const BETWEEN: u32 = 2 * CHARACTER;
/// More keys than anybody looks at; the rest is in the text.
const MOST_KEYS: usize = 60;

pub(super) fn draw(canvas: &mut Canvas, keys: &[KeyLine]) {
    if keys.is_empty() {
        return;
    }
    canvas.heading(
        "Keys: made (outline), used by the client (upper bar) and the server (lower bar); not to scale",
    );
    let times = times(keys);
    axis(canvas, &times);
    for key in keys.iter().take(MOST_KEYS) {
        let top = row(canvas, key, &times);
        if let Some(next) = keys.iter().find(|next| Some(&next.id) == key.replaced_by.as_ref())
            && let Some(born) = next.born
        {
            mark(canvas, (x(born, &times), top), "the next one is made here");
        }
    }
    canvas.text(
        LEFT,
        canvas.y,
        Anchor::Start,
        "q",
        "A line across a bar: a renewal, or what is due. No edge: that beginning or end was not seen.",
    );
    if words::not_counted(keys).is_some() {
        canvas.y += LINE;
        let dashed = "A dashed bar: this side encrypts with that key whatever it sends; its packets are not counted.";
        canvas.text(LEFT, canvas.y, Anchor::Start, "q", dashed);
    }
    canvas.y += FONT + 8;
}

/// When some of the moments are, since the distances between them say nothing: the first ones that have room.
fn axis(canvas: &mut Canvas, times: &[u64]) {
    let Some(last) = times.len().checked_sub(1) else { return };
    let each = last.div_ceil(MOST_LABELS).max(1);
    let mut free = 0;
    for at in times.iter().step_by(each) {
        let label = format!("+{}", span(*at));
        let half = columns(&label) * CHARACTER / 2 + 1;
        let place = x(*at, times).clamp(half, WIDTH - half);
        if place - half < free {
            continue;
        }
        free = place + half + BETWEEN;
        canvas.text(place, canvas.y, Anchor::Middle, "q", &label);
    }
    canvas.y += FONT + 8;
}

/// All moments at which something happens to a key, in order.
fn times(keys: &[KeyLine]) -> Vec<u64> {
    let uses = keys.iter().flat_map(|key| &key.uses).flat_map(|one| [one.first, one.last]);
    let ends = keys.iter().flat_map(|key| [key.born, key.ends]).flatten();
    let ends = ends.chain(keys.iter().flat_map(|key| due(key).map(|(at, _)| at)));
    let mut times: Vec<u64> = uses.chain(ends).collect();
    times.sort_unstable();
    times.dedup();
    times
}

/// With where its bars begin.
fn row(canvas: &mut Canvas, key: &KeyLine, times: &[u64]) -> u32 {
    let cipher = match (key.cipher.as_deref(), key.kind) {
        (Some(cipher), _) => format!(", {cipher}"),
        // What a ticket stands for encrypts nothing.
        (None, KeyKind::Resumption) => String::new(),
        (None, _) => ", cipher not seen".to_owned(),
    };
    canvas.text(
        LEFT,
        canvas.y,
        Anchor::Start,
        "h",
        &format!("{}: {}{cipher}", key.id, key.kind.word()),
    );
    let renewed = format!("renewed by: {}", key.renewed_by());
    for (class, text) in [("t", life(key)), ("q", renewed)] {
        for line in lines(&text, RIGHT - LEFT) {
            canvas.y += LINE;
            canvas.text(LEFT, canvas.y, Anchor::Start, class, &line);
        }
    }
    let top = canvas.y + FONT / 2 + 1;
    let is_earlier = key.is_of_an_earlier_session();
    let begins = key.born.or_else(|| key.uses.iter().map(|one| one.first).min());
    let last = |plan: Plan| plan.opens_until.or(plan.seals_until).or(plan.closes);
    let end = key.ends.or_else(|| key.plan.and_then(last));
    // Where its end was not seen it has no edge there: a key that nothing replaced may be in use yet.
    let used = key.uses.iter().map(|one| one.last).max();
    let seen = used.filter(|_| key.replaced_by.is_some()).map(|at| x(at, times));
    if is_earlier {
        canvas.shape(&format!(
            r#"<path d="M{LEFT} {top}H{RIGHT}M{LEFT} {}H{RIGHT}" class="old"/>"#,
            top + 2 * BAR
        ));
    }
    if let Some(begins) = begins {
        let to = end.map(|at| x(at, times)).or(seen).unwrap_or(RIGHT);
        outline(canvas, (x(begins, times), to), top, end.is_some());
    }
    for one in &key.uses {
        let (y, class, may) = match one.by {
            Side::Client => (top, "bar", "may"),
            Side::Server => (top + BAR, "bar2", "may2"),
        };
        let (from, to) = (x(one.first, times), x(one.last, times));
        let width = to.saturating_sub(from).max(3);
        let (class, uses) = match one.count {
            0 => (may, "may use"),
            _ => (class, "uses"),
        };
        canvas.shape(&format!(
            r#"<g><title>{} {uses} {}</title><rect x="{from}" y="{y}" width="{width}" height="{BAR}" class="{class}"/></g>"#,
            one.by.word(),
            crate::render::escape::markup(&key.id)
        ));
    }
    for (at, what) in due(key) {
        mark(canvas, (x(at, times), top), what);
    }
    canvas.y = top + 2 * BAR + BELOW;
    top
}

/// What is planned for it, by whoever tells it of itself.
fn due(key: &KeyLine) -> impl Iterator<Item = (u64, &'static str)> {
    let plan = key.plan.unwrap_or_default();
    let opens = match key.kind {
        KeyKind::Resumption => "the gateway can open the ticket no longer",
        _ => "the gateway decrypts with it no longer",
    };
    let due = [
        (plan.seals_from, "the gateway begins to encrypt with it"),
        (plan.renews, "renewal due"),
        (plan.seals_until, "the gateway encrypts with it no longer"),
        (plan.opens_until, opens),
        (plan.closes, "the connection is closed"),
    ];
    due.into_iter().filter_map(|(at, what)| at.map(|at| (at, what)))
}

/// A line across the bars that begin there.
fn mark(canvas: &mut Canvas, (x, top): (u32, u32), what: &str) {
    let (from, to) = (top.saturating_sub(3), top + 2 * BAR + 3);
    canvas.shape(&format!(
        r#"<g><title>{what}</title><line x1="{x}" y1="{from}" x2="{x}" y2="{to}" class="due"/></g>"#
    ));
}

fn outline(canvas: &mut Canvas, (from, to): (u32, u32), top: u32, is_closed: bool) {
    let (to, bottom) = (to.max(from + 3), top + 2 * BAR);
    let close = if is_closed { "Z" } else { "" };
    canvas.shape(&format!(r#"<path d="M{to} {top}H{from}V{bottom}H{to}{close}" class="old"/>"#));
}

/// What the bars say, in words.
fn life(key: &KeyLine) -> String {
    if key.is_of_an_earlier_session() {
        return format!("made {}; this handshake rests on it", words::EARLIER);
    }
    let mut said = Vec::new();
    said.extend(key.born.map(|at| format!("made +{}", span(at))));
    said.extend(
        key.uses.iter().map(|one| format!("{} {}", one.by.word(), words::used(key.kind, one))),
    );
    let plan = key.plan.unwrap_or_default();
    said.extend(plan.renews.map(|at| format!("renewal due +{}", span(at))));
    said.extend(plan.seals_until.map(|at| format!("encrypts at most until +{}", span(at))));
    let opens = if key.kind == KeyKind::Resumption { "opened at most" } else { "decrypts" };
    said.extend(plan.opens_until.map(|at| match plan.in_flight {
        Some(in_flight) => format!(
            "decrypts at most until +{}, or {} after both use the key after the next",
            span(at),
            lasting(in_flight)
        ),
        None => format!("{opens} until +{}", span(at)),
    }));
    said.extend(plan.closes.map(|at| format!("closed at the latest +{}", span(at))));
    said.extend(key.ends.map(|at| format!("ends +{}", span(at))));
    said.extend(plan.seals_from.map(|at| format!("encrypts from +{} on", span(at))));
    said.extend(key.replaced_by.as_ref().map(|next| format!("then {next}")));
    if key.ends.is_none() && key.replaced_by.is_none() && key.plan.is_none() {
        said.push("its end was not seen".to_owned());
    }
    said.join("; ")
}

fn x(at: u64, times: &[u64]) -> u32 {
    let place = times.partition_point(|time| *time < at) as u32;
    let steps = (times.len() as u32).saturating_sub(1).max(1);
    LEFT + (RIGHT - LEFT) * place / steps
}
