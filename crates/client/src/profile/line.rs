//! One line of a profile: its arguments as plain values, or the error that names the line.
//!
//! It knows no directive. Invariant: every error made here has the line's number.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use wire::config::Directive;

use super::{NotYet, ProfileError, ProfileErrorKind};

/// A line, and the file that it stands in.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    file: &'a Path,
    directive: &'a Directive,
}

impl<'a> Line<'a> {
    pub(super) fn new(file: &'a Path, directive: &'a Directive) -> Self {
        Self { file, directive }
    }

    /// Its number, from 1.
    pub(super) fn number(self) -> usize {
        self.directive.line
    }

    pub(super) fn name(self) -> &'a str {
        &self.directive.name
    }

    /// The argument at this place, if there is one.
    pub(super) fn arg(self, index: usize) -> Option<&'a str> {
        self.directive.args.get(index).map(String::as_str)
    }

    /// The argument at this place as a value; `usage` says what was wanted.
    pub(super) fn value<T: FromStr>(
        self,
        index: usize,
        usage: &'static str,
    ) -> Result<T, ProfileError> {
        match self.arg(index).and_then(|text| text.parse().ok()) {
            Some(value) => Ok(value),
            None => self.bad(usage),
        }
    }

    pub(super) fn seconds(self, index: usize) -> Result<Duration, ProfileError> {
        let seconds: u32 = self.value(index, "a number of seconds")?;
        Ok(Duration::from_secs(seconds.into()))
    }

    /// The arguments are not written like this.
    pub(super) fn bad<T>(self, usage: &'static str) -> Result<T, ProfileError> {
        self.fail(ProfileErrorKind::BadArguments { directive: self.name().to_owned(), usage })
    }

    /// It asks for what this client does not do.
    pub(super) fn not_yet<T>(self, why: NotYet) -> Result<T, ProfileError> {
        self.fail(ProfileErrorKind::NotYet(self.name().to_owned(), why))
    }

    pub(super) fn fail<T>(self, kind: ProfileErrorKind) -> Result<T, ProfileError> {
        Err(self.error(kind))
    }

    pub(super) fn error(self, kind: ProfileErrorKind) -> ProfileError {
        ProfileError::new(self.file, Some(self.number()), kind)
    }
}
