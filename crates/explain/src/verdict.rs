//! How a connection ended, by the word of one of its two ends instead of what was seen.

use crate::catalogue::Kind;
use crate::place::Side;
use crate::story::{Broken, Step};

/// What has become of a connection.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is open.
    Open,
    /// It is over, and by what.
    Over(Verdict),
}

/// Why a connection is over, as its gateway says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// As in log, status and metrics.
    pub code: String,
    /// Whose decision it was; nobody's where one side is silent.
    pub by: Option<Side>,
    /// The steps that it follows on: the last one of them that there is.
    pub after: &'static [Kind],
    /// As in log and status.
    pub sentence: String,
    /// What to do, the likeliest first.
    pub mends: Vec<String>,
}

impl Verdict {
    pub(crate) fn broken(&self, steps: &[Step]) -> Broken {
        let follows = |step: &&Step| self.after.iter().any(|kind| kind.entry().name == step.entry);
        let at = steps.iter().rfind(follows).or(steps.last());
        Broken {
            code: self.code.clone(),
            by: self.by,
            at_step: at.map(|step| step.number),
            sentence: self.sentence.clone(),
            mends: self.mends.clone(),
        }
    }
}
