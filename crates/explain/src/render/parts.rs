//! The parts of a story on a page: at most nine, each a title, one sentence, and steps in the order of the wire.
//!
//! A chapter of the catalogue says what a step is about. On the wire chapters interleave: in TLS 1.3 each side confirms what
//! was said right behind its own certificate. A part is what one side, or both, do in one go.

use crate::story::{Chapter, Protocol, Side, Step, Story};

/// The most parts that a reader sees first.
pub(super) const MOST: usize = 9;

/// Steps that stand together.
pub(super) struct Part<'a> {
    pub(super) title: String,
    pub(super) sentence: &'static str,
    pub(super) steps: &'a [Step],
    /// Whether it is of renewals, whose own parts stand in it.
    pub(super) is_renewal: bool,
}

/// Those of a whole story.
pub(super) fn of(story: &Story) -> Vec<Part<'_>> {
    let steps = story.steps.as_slice();
    let is_of_renewal = |step: &Step| step.handshake > 0 && step.chapter != Chapter::End;
    let (before, renewals, after) = match steps.iter().position(is_of_renewal) {
        Some(first) => {
            let last = steps.iter().rposition(is_of_renewal).unwrap_or(first);
            (
                part(steps, 0, first),
                part(steps, first, last + 1),
                part(steps, last + 1, steps.len()),
            )
        }
        None => (steps, &[][..], &[][..]),
    };
    let mut all = of_one(before, story.protocol);
    if !renewals.is_empty() {
        all.push(renewal(renewals));
    }
    all.extend(of_one(after, story.protocol));
    bounded(all, steps)
}

/// Those of one handshake.
pub(super) fn of_one(steps: &[Step], protocol: Protocol) -> Vec<Part<'_>> {
    let mut all: Vec<Part<'_>> = Vec::new();
    let mut rest = steps;
    while let Some(first) = rest.first() {
        let length = run(rest);
        let joined = [shown(rest, length), agreed(rest, protocol), flowing(rest)];
        let (title, sentence, length) = joined.into_iter().flatten().next().unwrap_or((
            first.chapter.title(),
            first.chapter.sentence(),
            length,
        ));
        let (part, after) = rest.split_at(length);
        all.push(Part { title: title.to_owned(), sentence, steps: part, is_renewal: false });
        rest = after;
    }
    all
}

type Joined = (&'static str, &'static str, usize);

/// A side's certificate with its Finished behind it, where the other side's certificate stands between the two Finished.
fn shown(steps: &[Step], length: usize) -> Option<Joined> {
    let side = match steps.first()?.chapter {
        Chapter::ServerShown => Side::Server,
        Chapter::ClientShown => Side::Client,
        _ => return None,
    };
    let behind = steps.get(length..)?;
    let finished = behind.iter().take_while(|step| step.chapter == Chapter::Finished);
    let count = finished.clone().count();
    let is_its_own = count > 0 && finished.clone().all(|step| step.from == side);
    let next = behind.get(count).map(|step| step.chapter);
    match side {
        Side::Server if is_its_own && next == Some(Chapter::ClientShown) => Some((
            Chapter::ServerShown.title(),
            "The server shows its certificate, signs this connection with the key belonging to it, and confirms what was said so far.",
            length + count,
        )),
        Side::Client if is_its_own && next != Some(Chapter::Finished) => Some((
            Chapter::ClientShown.title(),
            "If it was asked to, the client does the same with its own certificate and key; and it confirms what was said.",
            length + count,
        )),
        _ => None,
    }
}

/// Key messages and settings of a tunnel, which come in one go.
fn agreed(steps: &[Step], protocol: Protocol) -> Option<Joined> {
    let count = while_in(steps, &[Chapter::Keys, Chapter::Settings]);
    let is_let_in = part(steps, 0, count).iter().any(|step| step.entry == "push_reply");
    (protocol == Protocol::OpenVpn && is_let_in).then_some((
        "Keys and settings of the tunnel",
        "Inside TLS both agree on the key of the tunnel's packets, and the server tells the client its address and other settings.",
        count,
    ))
}

/// Data with tickets and changes of keys in between.
fn flowing(steps: &[Step]) -> Option<Joined> {
    let count = while_in(steps, &[Chapter::Keys, Chapter::Data]);
    let first = steps.first()?.chapter;
    let between = part(steps, 0, count).iter().any(|step| step.chapter != Chapter::Data);
    (first == Chapter::Data && between).then_some((
        Chapter::Data.title(),
        "What the connection is for begins, under keys that only these two have; meanwhile further keys are agreed on.",
        count,
    ))
}

fn renewal(steps: &[Step]) -> Part<'_> {
    let mut numbers: Vec<u32> = steps.iter().map(|step| step.handshake).collect();
    numbers.retain(|number| *number > 0);
    numbers.sort_unstable();
    numbers.dedup();
    let title = match numbers.len() {
        0 | 1 => "New keys".to_owned(),
        times => format!("New keys, {times} times"),
    };
    Part {
        title,
        sentence: "A whole new TLS handshake is to make the next key of the tunnel's packets; the old key carries them meanwhile.",
        steps,
        is_renewal: true,
    }
}

/// Whatever a conversation is like, no page has more parts than that: the last one has all that is left.
fn bounded<'a>(mut all: Vec<Part<'a>>, steps: &'a [Step]) -> Vec<Part<'a>> {
    if all.len() > MOST {
        let kept: usize = all.iter().take(MOST - 1).map(|part| part.steps.len()).sum();
        all.truncate(MOST - 1);
        all.push(Part {
            title: "What followed".to_owned(),
            sentence: "All that came behind that, in the order of the wire.",
            steps: part(steps, kept, steps.len()),
            is_renewal: false,
        });
    }
    all
}

/// How many of the first steps are of one chapter and one handshake.
fn run(steps: &[Step]) -> usize {
    let first = steps.first().map(|step| (step.handshake, step.chapter));
    steps.iter().take_while(|step| Some((step.handshake, step.chapter)) == first).count()
}

fn while_in(steps: &[Step], chapters: &[Chapter]) -> usize {
    steps.iter().take_while(|step| chapters.contains(&step.chapter)).count()
}

fn part(steps: &[Step], from: usize, to: usize) -> &[Step] {
    steps.get(from..to).unwrap_or_default()
}
