//! A command that failed: kind (the exit code), message, cause, hints.
//!
//! The message says what happened, the cause why, the hints what to do. None of them ever holds
//! a secret.

use serde::{Deserialize, Serialize};

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of failure; it fixes the exit code.
    pub kind: FailureKind,
    /// What happened, one sentence without a full stop.
    pub message: String,
    /// Why, outermost first.
    pub cause: Vec<String>,
    /// What to do, one sentence each.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure without cause or hints yet.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: Vec::new(), hints: Vec::new() }
    }

    /// Adds a cause, below those that are there.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause.push(cause.into());
        self
    }

    /// Adds an error and its sources as causes.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            self.cause.push(error.to_string());
            next = error.source();
        }
        self
    }

    /// Adds hints, below those that are there.
    #[must_use]
    pub fn hints(mut self, hints: Vec<String>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// What sort of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// None of the kinds below.
    Failed,
    /// The command was typed wrongly.
    Usage,
    /// The user, device or session that was named does not exist.
    NotFound,
    /// It exists already, or is in a state that does not allow this.
    Conflict,
    /// The caller may not do this.
    Forbidden,
    /// Only a running gateway can do this, and none runs on this data folder.
    NotRunning,
    /// The configuration or a profile is wrong.
    Configuration,
    /// /dev/net/tun cannot be opened.
    NoTun,
    /// The machine lacks something else that is needed.
    Environment,
    /// `check` found something bad.
    FindingsBad,
    /// The peer refused us, or we refused it.
    Refused,
    /// The peer did not answer.
    Unreachable,
    /// Another process holds the data folder.
    Busy,
    /// It is in force, but the disk did not take it yet.
    NotOnDisk,
    /// Stopped by a signal.
    Interrupted,
}

impl FailureKind {
    /// The exit code of a command that fails so. The codes are part of the interface.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Conflict => 4,
            Self::Forbidden => 5,
            Self::NotRunning => 6,
            Self::Configuration => 7,
            Self::NoTun => 8,
            Self::Environment => 9,
            Self::FindingsBad => 10,
            Self::Refused => 11,
            Self::Unreachable => 12,
            Self::Busy => 13,
            Self::NotOnDisk => 14,
            Self::Interrupted => 130,
        }
    }
}
