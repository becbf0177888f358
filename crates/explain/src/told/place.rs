//! Where a step as it is told stands in a story: in which steps, in whose word, or why it is not there.

use super::Told;
use crate::catalogue::{Chapter, Kind};
use crate::story::{Ending, Source, Step, Story};

/// Its place in a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In these steps.
    Here(Vec<u32>),
    /// It is a check, and these steps show how it came out.
    Shows(Vec<u32>),
    /// In the word of the side that tells the story, which made the check.
    OwnWord,
    /// In the box of a certificate: the client that tells the story asked.
    Asked,
    /// In a gap: this step says why nothing was kept.
    NotKept(u32),
    /// In what this side says from this step on, which can't be opened here.
    Sealed(u32),
    /// It did not come to that.
    NotReached,
    /// An earlier session is taken up, in which it was done.
    Before,
    /// Nowhere.
    Unseen,
}

impl Told {
    /// Where it is in this story, and the gap in which more of it is, if there is one.
    pub fn place(&self, story: &Story) -> Place {
        let here: Vec<u32> = self.steps(story).into_iter().map(|step| step.number).collect();
        let is_a_check = !self.checks.is_empty();
        match () {
            () if is_a_check && self.is_the_tellers(story) => Place::OwnWord,
            () if !here.is_empty() && is_a_check => Place::Shows(here),
            () if !here.is_empty() => Place::Here(here),
            () if self.with == Some("staple_length") && is_asked(story) => Place::Asked,
            () => self.absence(story),
        }
    }

    /// A gap of its own part: of what is there, more may have been said.
    pub fn gap<'a>(&self, story: &'a Story) -> Option<&'a Step> {
        let chapter = self.chapter();
        // What a handshake did not come to is no gap.
        let is_all = story.missing.is_empty() && story.steps.iter().all(is_no_message);
        let mut gaps = story.steps.iter().filter(|step| step.entry == "not_kept");
        gaps.find(|gap| {
            let is_the_rest = story.steps.iter().skip(gap.number as usize).all(is_no_message)
                && gap.chapter < chapter
                && gap.chapter != Chapter::Knock;
            let is_theirs = gap.both_ways || self.by.is_none_or(|by| gap.from == by);
            is_theirs && (gap.chapter == chapter || is_all || is_the_rest)
        })
    }

    /// The steps that are meant.
    fn steps<'a>(&self, story: &'a Story) -> Vec<&'a Step> {
        let names =
            |kinds: &[Kind]| -> Vec<&str> { kinds.iter().map(|kind| kind.entry().name).collect() };
        let (meant, checked) = (names(self.kinds), names(self.checks));
        let what = story.steps.iter().find(|step| checked.contains(&step.entry.as_str()));
        if !checked.is_empty() && what.is_none() {
            return Vec::new();
        }
        let from = what.map_or(0, |step| step.number);
        let has = |step: &Step, name: &str| step.fields.iter().any(|field| field.name == name);
        let is_meant = |step: &&Step| {
            step.number > from
                && meant.contains(&step.entry.as_str())
                && self.by.is_none_or(|by| step.from == by)
                && self.with.is_none_or(|name| has(step, name))
        };
        let all = story.steps.iter().filter(is_meant);
        match checked.is_empty() {
            true => all.collect(),
            // What shows it first shows it.
            false => all.take(1).collect(),
        }
    }

    /// Whether the side that made the check tells the story, and says how it came out.
    fn is_the_tellers(&self, story: &Story) -> bool {
        let has = |kind: &Kind| story.steps.iter().any(|step| step.entry == kind.entry().name);
        match (self.by, &story.ending) {
            (Some(crate::Side::Client), Ending::Distrusted(_)) => true,
            (Some(crate::Side::Server), Ending::Broken(broken)) if story.is_of_a_gateway() => {
                let at = story.broken_step().map(|step| step.chapter);
                let is_of_the_knock = self.chapter() == Chapter::Knock;
                broken.by == self.by
                    && (is_of_the_knock && at == Some(Chapter::Knock)
                        || !is_of_the_knock && self.checks.iter().any(has))
            }
            (Some(crate::Side::Server), _) => {
                story.is_of_a_gateway() && self.chapter() != Chapter::Knock
            }
            _ => false,
        }
    }

    fn absence(&self, story: &Story) -> Place {
        let is_missing = |name: &&str| story.missing.iter().any(|missing| missing == name);
        if self.chapter() != Chapter::Knock && self.entries().iter().any(is_missing) {
            return Place::NotReached;
        }
        if let Some(gap) = self.gap(story) {
            return Place::NotKept(gap.number);
        }
        // What comes before TLS is never among what TLS encrypts.
        let is_sealed = |step: &&Step| {
            !self.is_of_the_knock()
                && step.entry == "sealed"
                && self.by.is_none_or(|by| step.from == by)
        };
        if let Some(sealed) = story.steps.iter().find(is_sealed) {
            return Place::Sealed(sealed.number);
        }
        let is_shown = [Chapter::ServerShown, Chapter::ClientShown].contains(&self.chapter());
        let resumed = |step: &Step| step.entry.ends_with("_resumed");
        let is_about_it = is_shown || !self.checks.is_empty() || self.with.is_some();
        match is_about_it && story.steps.iter().any(resumed) {
            true => Place::Before,
            false => Place::Unseen,
        }
    }

    /// Whether it is told of what comes before TLS.
    pub(super) fn is_of_the_knock(&self) -> bool {
        self.chapter() == Chapter::Knock
    }

    /// Whether it is a check of certificates in a handshake that broke before one was shown.
    pub(super) fn has_nothing_to_check(&self, story: &Story) -> bool {
        let is_about_certificates = !self.checks.is_empty() && !self.is_of_the_knock();
        is_about_certificates
            && self
                .checks
                .iter()
                .any(|kind| story.missing.iter().any(|missing| missing == kind.entry().name))
    }

    fn chapter(&self) -> Chapter {
        self.kinds.first().map_or(Chapter::Knock, |kind| kind.entry().chapter)
    }
}

/// The client that tells the story asked the CA about the server's certificate.
fn is_asked(story: &Story) -> bool {
    let mut asked = story.certificates.iter().flat_map(|one| &one.inquiries);
    asked.any(|inquiry| inquiry.asked_at.is_some())
}

/// What was not said on the wire, or was not kept.
fn is_no_message(step: &Step) -> bool {
    matches!(step.source, Source::Gap | Source::Judged)
}
