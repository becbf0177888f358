//! Stories for a terminal: readable without colour, in the width that there is.

use super::escape::line as shown;
use super::time::{moment, span};
use super::{later, lives, words};
use crate::story::{
    Broken, Certificate, Ending, Inquiry, Place, Side, Source, Step, Stories, Story,
};

/// The narrowest text that is made.
const NARROWEST: usize = 40;

/// All stories, in lines of at most `width` columns where words allow it.
pub fn term(stories: &Stories, width: usize) -> String {
    let mut page = Page::new(width);
    for (index, story) in stories.stories.iter().enumerate() {
        if index > 0 {
            page.text.push('\n');
        }
        page.story(story);
    }
    page.rest(stories);
    page.text
}

/// Of each story what it was, the step at which it broke, why, and what mends it.
pub fn short(stories: &Stories, width: usize) -> String {
    let mut page = Page::new(width);
    for (index, story) in stories.stories.iter().enumerate() {
        if index > 0 {
            page.text.push('\n');
        }
        page.in_short(story);
    }
    page.rest(stories);
    page.text
}

pub(super) struct Page {
    text: String,
    width: usize,
}

impl Page {
    pub(super) fn new(width: usize) -> Page {
        Page { text: String::new(), width: width.max(NARROWEST) }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn story(&mut self, story: &Story) {
        self.headline(story);
        let mut chapter = None;
        for step in &story.steps {
            let here = Some((step.handshake, step.chapter));
            if chapter != here {
                chapter = here;
                self.text.push('\n');
                let renewed = if step.handshake == 0 {
                    String::new()
                } else {
                    format!(" (renewal {})", step.handshake)
                };
                self.say("", &format!("== {}{renewed}", step.chapter.title()));
                self.say("   ", step.chapter.sentence());
            }
            self.step(step);
        }
        self.missing(story);
        self.certificates(&story.certificates);
        self.keys(story);
        self.later(story);
        self.ending(story);
        self.judgements(story);
    }

    fn in_short(&mut self, story: &Story) {
        self.headline(story);
        if let Some(step) = story.broken_step() {
            self.text.push('\n');
            self.step_title(step);
            self.say("     ", &step.sentence);
        }
        self.ending(story);
        self.judgements(story);
    }

    fn headline(&mut self, story: &Story) {
        self.say("", &story.title.to_uppercase());
        let words::Headline { client, server, rest } = words::headline(story);
        self.say(
            "",
            &match client {
                Some(client) => format!("client {client} to server {server}{rest}"),
                None => format!("at {server}{rest}"),
            },
        );
    }

    fn judgements(&mut self, story: &Story) {
        for judgement in &story.judgements {
            self.say("   ", &format!("{} says: {}", judgement.by, judgement.sentence));
        }
    }

    /// What is no story.
    fn rest(&mut self, stories: &Stories) {
        if stories.stories.is_empty() {
            self.say("", "No handshake of TLS or OpenVPN begins in it.");
        }
        for left_out in &stories.left_out {
            self.say("", &format!("Not told: {} ({})", left_out.reason, left_out.count));
        }
    }

    fn step_title(&mut self, step: &Step) {
        let arrow = match (step.both_ways, step.from) {
            _ if words::is_at_one_side(step) => &words::who(step),
            (true, _) => "client <-> server",
            (false, Side::Client) => "client --> server",
            (false, Side::Server) => "client <-- server",
        };
        let when = match step.unmeasured {
            true => String::new(),
            false => format!("  (+{})", span(step.at)),
        };
        self.say("", &format!("{:>3}. {arrow}  {}{when}", step.number, step.title));
    }

    fn step(&mut self, step: &Step) {
        self.text.push('\n');
        self.step_title(step);
        self.say("     ", &step.sentence);
        self.fields(step);
        for term in &step.terms {
            self.say("       ", &format!("{}: {}", term.word, term.meaning));
        }
        self.say("     ", &format!("Proves: {}", step.proves));
        self.say("     ", &format!("Leaves open: {}", step.leaves_open));
        let key = step.key.as_ref().map_or_else(String::new, |key| format!(", under {key}"));
        self.say(
            "     ",
            &format!(
                "Readable by {}{key}. {}; {}.",
                step.readable_by,
                known(step.source),
                basis(&step.basis)
            ),
        );
        self.say("     ", &format!("See {}.", step.section));
    }

    /// Values, those of one name in one line.
    fn fields(&mut self, step: &Step) {
        let mut rest = step.fields.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|field| field.name == first.name).count();
            let (group, after) = rest.split_at(same);
            let values: Vec<String> = group
                .iter()
                .map(|field| match &field.meaning {
                    Some(meaning) => format!("{meaning} ({})", field.value),
                    None => field.value.clone(),
                })
                .collect();
            self.say("     | ", &format!("{}: {}", first.name, values.join(", ")));
            rest = after;
        }
    }

    fn missing(&mut self, story: &Story) {
        if !story.missing.is_empty() {
            self.text.push('\n');
            self.say("     ", &format!("(would have followed: {})", words::titles(&story.missing)));
        }
    }

    fn certificates(&mut self, all: &[Certificate]) {
        for (certificate, steps) in words::once_each(all) {
            self.text.push('\n');
            let place = if certificate.depth == 0 { "its own" } else { "an issuer's" };
            self.say("", &format!("CERTIFICATE shown by {steps}, {place}"));
            self.say(
                "   ",
                &format!("subject {}, issuer {}", certificate.subject, certificate.issuer),
            );
            if !certificate.names.is_empty() {
                self.say("   ", &format!("for {}", certificate.names.join(", ")));
            }
            let (from, until) = (moment(certificate.not_before), moment(certificate.not_after));
            self.say(
                "   ",
                &format!(
                    "serial {}, {}, valid from {from} until {until}",
                    certificate.serial, certificate.key
                ),
            );
            certificate.inquiries.iter().for_each(|inquiry| self.inquiry(inquiry));
        }
    }

    /// What one means of revocation said, signed when and by whom, and good until when.
    fn inquiry(&mut self, inquiry: &Inquiry) {
        let when = |at: Option<u64>| at.and_then(|at| i64::try_from(at).ok()).map(moment);
        let at = inquiry.asked_at.as_ref();
        let at = at.map_or_else(String::new, |at| format!(" at {at}"));
        let signed = match (when(inquiry.signed_at), &inquiry.signed_by) {
            (Some(at), Some(by)) => format!(" Signed at {at} by {by}."),
            (Some(at), None) => format!(" Signed at {at}."),
            (None, Some(by)) => format!(" Said by {by}."),
            (None, None) => String::new(),
        };
        let until = when(inquiry.good_until);
        let until = until.map_or_else(String::new, |until| format!(" Good until {until}."));
        let (means, answer) = (inquiry.means.word(), words::answer(inquiry));
        let sentence = &inquiry.sentence;
        self.say("   ", &format!("{means}{at}: {answer}. {sentence}{signed}{until}"));
    }

    fn later(&mut self, story: &Story) {
        let said = later::readers(story);
        if !said.is_empty() {
            self.text.push('\n');
            self.say("", "WHO COULD READ A RECORDING OF IT LATER");
            said.iter().for_each(|sentence| self.say("   ", sentence));
        }
    }

    fn keys(&mut self, story: &Story) {
        let keys = &story.keys;
        if !keys.is_empty() {
            self.text.push('\n');
            self.say("", "KEYS");
        }
        lives::of_tunnel(story).iter().for_each(|sentence| self.say("   ", sentence));
        for key in keys {
            let cipher =
                key.cipher.as_ref().map_or_else(String::new, |cipher| format!(", {}", cipher));
            let born = words::made(key);
            self.say("   ", &format!("{}: {}{cipher}. Made: {born}.", key.id, key.kind.word()));
            for one in &key.uses {
                let by = one.by.word();
                self.say("      ", &format!("by the {by}: {}", words::used(key.kind, one)));
            }
            for planned in words::planned(key) {
                self.say("      ", &planned);
            }
            let next = words::replaced(key, keys);
            let ends = match (key.ends, &next) {
                (Some(at), _) => format!(" End: {}.", words::ends(key, at)),
                (None, None) => format!(" End: {}.", words::open_end(key)),
                (None, Some(_)) => String::new(),
            };
            let next = next.map_or_else(String::new, |next| format!(" {}.", words::capital(&next)));
            self.say("      ", &format!("Renewed by: {}.{ends}{next}", key.renewed_by()));
        }
        words::not_counted(keys).into_iter().for_each(|note| self.say("   ", note));
    }

    fn ending(&mut self, story: &Story) {
        self.text.push('\n');
        match &story.ending {
            Ending::Done => {
                let renewal = words::renewal_unseen(story);
                self.say("", &format!("END: the handshake is complete.{renewal}"));
            }
            Ending::Cut => self.say(
                "",
                "END: what was observed does not show whether the handshake was completed.",
            ),
            Ending::Dropped(broken) => {
                let what = words::dropped(story);
                self.say("", &format!("END: {what} ({})", broken.code));
                self.reason(story, broken);
            }
            Ending::Broken(broken)
            | Ending::Ended(broken)
            | Ending::Unrenewed(broken)
            | Ending::Distrusted(broken) => {
                let how = match &story.ending {
                    Ending::Unrenewed(_) => "complete, and not renewed when asked for",
                    Ending::Ended(_) => "let in, and ended",
                    Ending::Distrusted(_) => "complete, and to be refused",
                    _ => "broken",
                };
                let by = broken.by.map_or("nobody refused", Side::word);
                let by = match &story.ending {
                    Ending::Unrenewed(_) => String::new(),
                    _ => format!("; by: {by}"),
                };
                let step =
                    broken.at_step.map_or_else(String::new, |step| format!(" in step {step}"));
                self.say("", &format!("END: {how}{step} ({}{by})", broken.code));
                if let Ending::Distrusted(_) = story.ending {
                    self.say("   ", &words::broken(story, broken));
                }
                self.reason(story, broken);
            }
        }
    }

    /// What happened, and what to do.
    fn reason(&mut self, story: &Story, broken: &Broken) {
        self.say("   ", &words::happened(story, broken));
        if let Some(said) = story.said_at_the_end() {
            self.say("   ", &format!("It said: {said}"));
        }
        for mend in &broken.mends {
            self.say("   - ", mend);
        }
    }

    /// One paragraph, broken into lines; the later ones begin with as many spaces as the first has. Every text comes
    /// through here, and anybody's may be in it.
    pub(super) fn say(&mut self, indent: &str, text: &str) {
        let text = shown(text);
        let mut column = 0;
        let hanging = " ".repeat(indent.chars().count());
        for word in text.split(' ') {
            let length = word.chars().count();
            if column == 0 {
                self.text.push_str(indent);
                column = indent.chars().count();
            } else if column + 1 + length > self.width {
                self.text.push('\n');
                self.text.push_str(&hanging);
                column = hanging.len();
            } else {
                self.text.push(' ');
                column += 1;
            }
            self.text.push_str(word);
            column += length;
        }
        self.text.push('\n');
    }
}

fn known(source: Source) -> &'static str {
    match source {
        Source::Seen => "Read from the wire",
        Source::Computed => "Calculated again",
        Source::Gap => "Can't be read",
        Source::Judged => "The gateway's word",
    }
}

fn basis(places: &[Place]) -> String {
    let one =
        |place: &Place| format!("frame {} bytes {}+{}", place.frame, place.offset, place.length);
    match places {
        [] => "no bytes".to_owned(),
        [one_place] => one(one_place),
        [first, rest @ ..] => format!("{} and {} more places", one(first), rest.len()),
    }
}
