//! What a command gives: text for stdout, and an exit code.

use admin::failure::{Failure, FailureKind};
use serde::Serialize;

/// What a command gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// For stdout.
    pub(crate) text: String,
    /// 0 except where the text itself is bad news.
    pub(crate) exit_code: u8,
}

impl Output {
    /// A command that did what was asked.
    pub(crate) fn done(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit_code: 0 }
    }

    /// An answer as JSON.
    pub(crate) fn json(answer: &impl Serialize) -> Self {
        // Answers are plain values with string keys, which always have a JSON form.
        let text = serde_json::to_string_pretty(answer).unwrap_or_default();
        Self::done(text + "\n")
    }
}

/// An answer of another kind than was asked for: the gateway is of another make.
pub(crate) fn unexpected() -> Failure {
    Failure::new(FailureKind::Failed, "the gateway answered something else than was asked")
        .hint("restart the gateway, so that it runs the version that is installed")
}
