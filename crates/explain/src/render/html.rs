//! One page for a browser: it loads nothing, runs nothing, and can be printed.
//!
//! Its depth is in `<details>`: parts of the handshake with a sentence each, then steps, then values and bytes.
//! A page is bounded; what has no room is counted and not shown.

mod dump;
pub(super) mod style;

use std::fmt::Write as _;

use super::escape::markup;
use super::parts::{self, Part};
use super::time::{moment, span};
use super::{later, lives, svg, words};
use crate::story::{Certificate, Ending, Inquiry, Protocol, Side, Source, Step, Stories, Story};
use crate::told;

/// The largest page. Where stories have no room on it, all lose the bytes of their steps first, then the values, and
/// at last whole stories are left out.
const LARGEST: usize = 200_000;
/// What a story takes before its steps lose their values.
const HALF: usize = 90_000;
/// What is said of a story that is left out takes less.
const MENTION: usize = 1_000;

/// What is kept free for certificates and keys behind the steps.
const BEHIND: usize = 19_000;

/// How much of each step is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Steps,
    Values,
    Bytes,
}

/// All stories in one page.
pub fn html(stories: &Stories) -> String {
    let title = stories.stories.first().map_or("No handshake", |story| story.title.as_str());
    let head = style::HEAD.replace("TITLE", &markup(title));
    let mut end = String::new();
    if stories.stories.is_empty() {
        end.push_str("<p>No handshake of TLS or OpenVPN begins in it.</p>\n");
    }
    for left_out in stories.left_out.iter().take(20) {
        let _ =
            writeln!(end, "<p>Not told: {} ({}).</p>", markup(&left_out.reason), left_out.count);
    }
    end.push_str("</main></body></html>\n");
    let most = LARGEST.saturating_sub(head.len() + end.len());
    let told = [Depth::Bytes, Depth::Values, Depth::Steps].map(|depth| (depth, most));
    let fits = told.into_iter().find_map(|(depth, most)| {
        let all = all_of(stories, depth, head.len(), most);
        let length: usize = all.iter().map(String::len).sum();
        (length + MENTION <= most || (depth == Depth::Bytes && length <= most))
            .then_some((depth, all))
    });
    let body = match fits {
        Some((Depth::Bytes, all)) => all.concat(),
        Some((depth, all)) => format!("{}{}", shallow(depth), all.concat()),
        None => some_of(stories, head.len(), most),
    };
    format!("{head}{body}{end}")
}

/// Each story by itself; fewer where they are longer than the page anyhow.
fn all_of(stories: &Stories, depth: Depth, before: usize, most: usize) -> Vec<String> {
    let mut length = 0;
    let page = |story: &Story| {
        let page = (length <= most).then(|| Page::of(story, depth, before, most));
        length += page.as_ref().map_or(0, String::len);
        page.unwrap_or_default()
    };
    stories.stories.iter().map(page).collect()
}

/// As many as have room, and the names of those that have none.
fn some_of(stories: &Stories, before: usize, most: usize) -> String {
    let (mut body, mut left_out) = (shallow(Depth::Steps).to_owned(), Vec::new());
    for story in &stories.stories {
        let page = Page::of(story, Depth::Steps, before, most);
        if body.len() + page.len() + MENTION * (1 + left_out.len()) <= most {
            body.push_str(&page);
        } else {
            left_out.push(story);
        }
    }
    let _ = write!(body, "<p>Not on this page, for want of room: {} more. ", left_out.len());
    for story in left_out.into_iter().take(20) {
        let _ = write!(
            body,
            "<bdi>{}</bdi> to <bdi>{}</bdi>; ",
            markup(&story.client),
            markup(&story.server)
        );
    }
    body.push_str("see above how to get them.</p>\n");
    body
}

/// What a page says of itself that has not all.
fn shallow(depth: Depth) -> &'static str {
    match depth {
        Depth::Bytes => "",
        Depth::Values => {
            "<p class=\"q\">So many handshakes have no room on one page with the bytes of their steps. Of a capture, <code>explain capture FILE --only HOST:PORT</code> tells those of one end; <code>--format json</code> has all.</p>\n"
        }
        Depth::Steps => {
            "<p class=\"q\">So many handshakes have no room on one page with the values and bytes of their steps, and pictures. Of a capture, <code>explain capture FILE --only HOST:PORT</code> tells those of one end; <code>--format json</code> has all.</p>\n"
        }
    }
}

/// One story on its way to the page.
struct Page {
    text: String,
    depth: Depth,
    /// What stands before it, and the most that it may have.
    before: usize,
    most: usize,
    /// Parts that had no room.
    left_out: usize,
}

impl Page {
    fn of(story: &Story, depth: Depth, before: usize, most: usize) -> String {
        let most = most.saturating_sub(MENTION);
        let mut page = Page { text: String::new(), depth, before, most, left_out: 0 };
        page.story(story);
        page.text
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds something as a whole, or counts it where it has no room.
    fn whole(&mut self, add: impl FnOnce(&mut Self)) {
        let fits = self.fits(self.most, add);
        self.left_out += usize::from(!fits);
    }

    /// Adds something where the story has then at most so many bytes.
    fn fits(&mut self, most: usize, add: impl FnOnce(&mut Self)) -> bool {
        let before = self.text.len();
        add(self);
        let fits = self.text.len() <= most;
        if !fits {
            self.text.truncate(before);
        }
        fits
    }

    fn has_room(&self) -> bool {
        self.before + self.text.len() < HALF && self.depth > Depth::Steps
    }

    fn story(&mut self, story: &Story) {
        let words::Headline { client, server, rest } = words::headline(story);
        let server = markup(server);
        let whom = match client {
            Some(client) => {
                format!("<bdi>{}</bdi> (client) to <bdi>{server}</bdi> (server)", markup(client))
            }
            None => format!("At <bdi>{server}</bdi>"),
        };
        let counted = match story.steps.iter().all(|step| step.unmeasured) {
            true => "",
            false => " A time with + is counted from the first step, and rounded.",
        };
        self.add(&format!(
            "<section><h1>{}</h1>\n<p>{whom}{}.{counted}</p>\n",
            markup(&story.title),
            markup(&rest)
        ));
        self.whole(|page| page.asked(story));
        self.whole(|page| page.ending(story));
        for judgement in &story.judgements {
            self.whole(|page| {
                page.add(&format!(
                    "<p><b>{}</b> says: {}</p>\n",
                    markup(&words::capital(&judgement.by)),
                    with_code(&judgement.sentence)
                ));
            });
        }
        self.parts(story);
        if self.has_room() {
            self.whole(|page| {
                page.add("<h2>The same as a picture</h2>\n<div class=\"pic\" tabindex=\"0\" role=\"region\" aria-label=\"Picture\">");
                page.add(&svg::of_story(story));
                page.add("</div>\n");
            });
        }
        self.whole(|page| page.certificates(&story.certificates));
        self.whole(|page| page.keys(story));
        self.whole(|page| page.later(story));
        self.whole(|page| page.told(story));
        if self.left_out > 0 {
            let count = self.left_out;
            self.add(&format!("<p>Not on this page, for want of room: {count} parts of this handshake. <code>--format json</code> has them.</p>\n"));
        }
        self.add("</section>\n");
    }

    /// Which name was asked for, and why what is encrypted can be read here.
    fn asked(&mut self, story: &Story) {
        let mut fields = story.steps.iter().flat_map(|step| &step.fields);
        if let Some(name) = fields.find(|field| field.name == "server_name") {
            let name = markup(&name.value);
            let shown = shown_names(story);
            self.add(&format!("<p>The client asks for <code>{name}</code>{shown}.</p>\n"));
        }
        if let Some(offered) = words::few_ciphers(story) {
            let offered = markup(&offered);
            self.add(&format!("<p>It offers <code>{offered}</code> and no other cipher.</p>\n"));
        }
        if let Some(others) = words::in_no_step(story) {
            self.add(&format!("<p class=\"q\">{others}</p>\n"));
        }
        let opened = |step: &Step| {
            step.source != Source::Gap && step.entry != "data_begins" && step.key.is_some()
        };
        if story.steps.iter().any(opened) {
            let how = match story.is_of_a_gateway() {
                true => {
                    "by one of them, the gateway, which checked the client's signature itself; it keeps values and no bytes, and counts frames from the first packet that it kept"
                }
                false => "with the key log of one of them",
            };
            self.add(&format!(
                "<p class=\"q\">What only the two ends can read is told here {how}.</p>\n"
            ));
        }
    }

    fn ending(&mut self, story: &Story) {
        match &story.ending {
            Ending::Done => {
                let renewal = words::renewal_unseen(story);
                self.add(&format!("<p class=\"good\">The handshake is complete.{renewal}</p>\n"));
            }
            Ending::Cut => {
                self.add("<p>What was observed does not show whether it was completed.</p>\n")
            }
            Ending::Broken(broken)
            | Ending::Ended(broken)
            | Ending::Unrenewed(broken)
            | Ending::Distrusted(broken)
            | Ending::Dropped(broken) => {
                let class = if let Ending::Dropped(_) = story.ending { "box" } else { "bad" };
                let headline = words::broken(story, broken);
                let said = story.said_at_the_end().map_or_else(String::new, |said| {
                    format!(" It said: <code>{}</code>", markup(said))
                });
                self.add(&format!("<div class=\"{class}\"><p><strong>{headline}</strong> {}{said} <span class=\"q\">(<code>{}</code>)</span></p><p>What to do:</p><ul>", with_code(&words::happened(story, broken)), markup(&broken.code)));
                for mend in &broken.mends {
                    self.add(&format!("<li>{}</li>", with_code(mend)));
                }
                self.add("</ul></div>\n");
            }
        }
    }

    /// The parts of the story in the order of the wire; the one in which it broke is open.
    fn parts(&mut self, story: &Story) {
        let broke_at = story.ending.reason().and_then(|broken| broken.at_step);
        self.add("<h2>What happened</h2>\n<ol class=\"parts\">\n");
        for part in parts::of(story) {
            let Some(first) = part.steps.first() else { continue };
            if self.text.len() + BEHIND + MENTION > self.most {
                self.left_out += part.steps.len();
                continue;
            }
            self.opens(&part, broke_at);
            let of_one = part.steps.iter().all(|step| step.handshake == first.handshake);
            match of_one && !part.is_renewal {
                true => part.steps.iter().for_each(|step| self.some_step(step)),
                false => self.renewals(part.steps, story.protocol, broke_at),
            }
            self.add("</details></li>\n");
        }
        self.add("</ol>\n");
        if !story.missing.is_empty() {
            let titles = markup(&words::titles(&story.missing));
            self.add(&format!("<p class=\"q\">Would have followed: {titles}.</p>\n"));
        }
    }

    fn opens(&mut self, part: &Part<'_>, broke_at: Option<u32>) {
        let broke = part.steps.iter().any(|step| Some(step.number) == broke_at);
        self.add(&format!(
            "<li><details{}><summary><strong>{}.</strong> {}</summary>\n",
            if broke { " open" } else { "" },
            part.title,
            part.sentence
        ));
    }

    /// Each renewal with its own parts.
    fn renewals(&mut self, steps: &[Step], protocol: Protocol, broke_at: Option<u32>) {
        for steps in steps.chunk_by(|one, next| one.handshake == next.handshake) {
            let Some(first) = steps.first() else { continue };
            if first.handshake > 0 {
                self.add(&format!("<p><strong>Renewal {}</strong></p>\n", first.handshake));
            }
            self.add("<ol class=\"parts\">\n");
            for part in parts::of_one(steps, protocol) {
                self.opens(&part, broke_at);
                part.steps.iter().for_each(|step| self.some_step(step));
                self.add("</details></li>\n");
            }
            self.add("</ol>\n");
        }
    }

    /// A step with its values, or without, or that it has no room.
    fn some_step(&mut self, step: &Step) {
        let most = self.most.saturating_sub(BEHIND);
        let is_there = (self.has_room() && self.fits(most, |page| page.step(step, true)))
            || self.fits(most, |page| page.step(step, false));
        self.left_out += usize::from(!is_there);
    }

    fn step(&mut self, step: &Step, with_values: bool) {
        let gap = if step.source == Source::Gap { " gap" } else { "" };
        let when = match step.unmeasured {
            true => String::new(),
            false => format!(" <span class=\"q\">+{}</span>", span(step.at)),
        };
        self.add(&format!(
            "<div class=\"step{gap}\"><h3>{}. {}: {}{when}</h3>\n<p>{}</p>\n",
            step.number,
            words::who(step),
            markup(&step.title),
            markup(&step.sentence)
        ));
        if let Some(said) = step.fields.iter().find(|field| field.name == "begins_with") {
            let about = step.fields.iter().find(|field| field.name == "about_tls");
            let about = about.map_or_else(String::new, |line| {
                format!(" Of TLS it says <code>{}</code>.", markup(line.value.trim()))
            });
            self.add(&format!(
                "<p>It begins with <code>{}</code>.{about}</p>\n",
                markup(&said.value)
            ));
        }
        if let Some(why) = words::reason(step) {
            self.add(&format!("<p><b>The reason:</b> {}.</p>\n", markup(&why)));
        }
        let refusal = step.fields.iter().find(|field| field.name == "message");
        if let Some(said) = refusal.filter(|_| step.entry == "auth_failed") {
            self.add(&format!("<p>It says <code>{}</code>.</p>\n", markup(&said.value)));
        }
        let key = step
            .key
            .as_ref()
            .map_or_else(String::new, |key| format!(", under <code>{}</code>", markup(key)));
        self.add(&format!(
            "<p><b>Proves:</b> {}{}<br><b>Leaves open:</b> {}<br><b>Readable by:</b> {}{key}.</p>\n",
            markup(&step.proves),
            checked(step),
            markup(&step.leaves_open),
            markup(&step.readable_by)
        ));
        if with_values {
            self.values(step);
        }
        self.add("</div>\n");
    }

    /// Terms, values and bytes.
    fn values(&mut self, step: &Step) {
        self.add("<details><summary>Terms and values</summary><dl>");
        for term in &step.terms {
            self.add(&format!("<dt>{}</dt><dd>{}</dd>", markup(&term.word), markup(&term.meaning)));
        }
        self.add("</dl><table class=\"v\">");
        for field in &step.fields {
            let meaning = field.meaning.as_deref().unwrap_or_default();
            self.add(&format!(
                "<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
                markup(&field.name),
                markup(&field.value),
                markup(meaning)
            ));
        }
        self.add("</table><p class=\"q\">Rests on ");
        let places = step.basis.iter().take(8).map(|place| {
            format!(
                "frame {}, bytes {} to {}",
                place.frame,
                place.offset,
                place.offset + place.length
            )
        });
        let places: Vec<String> = places.collect();
        self.add(&format!(
            "{}. Specified in {}.</p>",
            if places.is_empty() { "no bytes".to_owned() } else { places.join("; ") },
            markup(&step.section)
        ));
        if let Some(bytes) = step.bytes.as_ref().filter(|_| self.depth == Depth::Bytes) {
            self.add(&format!(
                "<details><summary>Its first bytes on the wire{}</summary><pre>{}</pre></details>",
                if step.key.is_some() { ", encrypted" } else { "" },
                markup(&dump::of(bytes))
            ));
        }
        self.add("</details>");
    }

    fn certificates(&mut self, all: &[Certificate]) {
        if !all.is_empty() {
            self.add("<h2>Certificates, and whether they still hold</h2>\n");
        }
        for (certificate, steps) in words::once_each(all).into_iter().take(20) {
            let (from, until) = (moment(certificate.not_before), moment(certificate.not_after));
            let name = |name: &String| format!("<bdi>{}</bdi>", markup(name));
            let names: Vec<String> = certificate.names.iter().map(name).collect();
            self.add(&format!(
                "<div class=\"box\"><p><b>{}</b> shown by {steps}, issued by <bdi>{}</bdi>; {}; serial <code>{}</code>; valid from {from} until {until}. {}</p><table><tr><th>Asked</th><th>Answer</th><th>Signed</th><th>Good until</th><th>What that means</th></tr>",
                markup(&certificate.subject),
                markup(&certificate.issuer),
                markup(&certificate.key),
                markup(&certificate.serial),
                if names.is_empty() { String::new() } else { format!("For the names: {}.", names.join(", ")) }
            ));
            for inquiry in &certificate.inquiries {
                let when = |at: Option<u64>| {
                    at.and_then(|at| i64::try_from(at).ok()).map_or_else(|| "-".to_owned(), moment)
                };
                self.add(&format!(
                    "<tr><td>{}{}</td><td data-l=\"Answer\">{}</td><td data-l=\"Signed\">{}</td><td data-l=\"Good until\">{}</td><td>{}</td></tr>",
                    inquiry.means.word(),
                    inquiry
                        .asked_at
                        .as_ref()
                        .map_or_else(String::new, |at| format!("<br><code>{}</code>", markup(at))),
                    markup(&words::answer(inquiry)),
                    signed(inquiry, &when(inquiry.signed_at)),
                    when(inquiry.good_until),
                    markup(&inquiry.sentence)
                ));
            }
            self.add("</table></div>\n");
        }
    }

    fn keys(&mut self, story: &Story) {
        let keys = &story.keys;
        if keys.is_empty() {
            return;
        }
        self.add("<h2>Keys and how long they live</h2>\n");
        for sentence in lives::of_tunnel(story) {
            self.add(&format!("<p>{}</p>\n", with_code(&sentence)));
        }
        self.add(
            "<table><tr><th>Key</th><th>Made</th><th>Used</th><th>Renewed by</th><th>End</th></tr>",
        );
        for key in keys.iter().take(100) {
            let mut used = String::new();
            for one in &key.uses {
                let _ = write!(used, "{} {}<br>", one.by.word(), words::used(key.kind, one));
            }
            for planned in words::planned(key) {
                let _ = write!(used, "{}<br>", with_code(&planned));
            }
            let next = words::replaced(key, keys)
                .map_or_else(String::new, |next| format!(" {}", markup(&next)));
            let end = match (key.ends, &key.replaced_by) {
                (None, Some(_)) => String::new(),
                (None, None) => words::open_end(key).to_owned(),
                (Some(end), _) => words::ends(key, end),
            };
            self.add(&format!(
                "<tr><td><code>{}</code><br>{}<br>{}</td><td data-l=\"Made\">{}</td><td data-l=\"Used\">{used}</td><td data-l=\"Renewed by\">{}</td><td data-l=\"End\">{}{next}</td></tr>",
                markup(&key.id),
                key.kind.word(),
                markup(key.cipher.as_deref().unwrap_or_default()),
                words::made(key),
                key.renewed_by(),
                end
            ));
        }
        self.add("</table>\n");
        if let Some(note) = words::not_counted(keys) {
            self.add(&format!("<p class=\"q\">{note}</p>\n"));
        }
    }

    fn later(&mut self, story: &Story) {
        let said = later::readers(story);
        if !said.is_empty() {
            self.add(&format!(
                "<h2>Who could read a recording of it later?</h2>\n<p>{}</p>\n",
                said.join(" ")
            ));
        }
    }

    /// The steps as they are told to those who use it, and where they are here.
    fn told(&mut self, story: &Story) {
        if let Ending::Dropped(_) = story.ending {
            // It is no handshake.
            return;
        }
        self.add("<h2>As it is usually told</h2>\n<ol>\n");
        for one in told::steps(story.protocol) {
            let place = markup(&words::place(one, story));
            let exactly = match one.exactly(story) {
                "" => String::new(),
                correction => format!("<br><b>More exactly:</b> {correction}"),
            };
            self.add(&format!(
                "<li>\u{201c}{}\u{201d} <span class=\"q\">({place})</span>{exactly}</li>\n",
                one.told
            ));
        }
        self.add("</ol>\n");
    }
}

/// When an answer was signed, and by whom.
fn signed(inquiry: &Inquiry, when: &str) -> String {
    match &inquiry.signed_by {
        Some(by) => format!("{when}<br>by {}", markup(by)),
        None => when.to_owned(),
    }
}

/// Which names the server's own certificate is for, to be set beside the one that was asked for.
fn shown_names(story: &Story) -> String {
    let own = story.certificates.iter().find(|one| one.shown_by == Side::Server);
    let names = own.map_or(&[][..], |own| own.names.as_slice());
    let more = match names.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more in its box"),
    };
    let names: Vec<String> = names.iter().take(NAMES).map(|name| markup(name)).collect();
    match names.is_empty() {
        true => String::new(),
        false => {
            format!("; the server's certificate is for <code>{}</code>{more}", names.join(", "))
        }
    }
}

/// A sentence whose commands stand between backticks.
fn with_code(sentence: &str) -> String {
    let parts = sentence.split('`').enumerate();
    let part = |(number, text): (usize, &str)| match number % 2 {
        1 => format!("<code>{}</code>", markup(text)),
        _ => markup(text),
    };
    parts.map(part).collect()
}

/// What came out where a proof was calculated again.
fn checked(step: &Step) -> &'static str {
    let outcome = step.fields.iter().find(|field| field.name == "proof_is_right");
    match outcome.map(|field| field.value.as_str()) {
        Some("1") => " <b>Calculated again here: right.</b>",
        Some(_) => " <b>Calculated again here: wrong.</b>",
        None => "",
    }
}

/// The most names of a certificate that stand there; its box has all.
const NAMES: usize = 8;
