//! What can be wrong with `handfast.toml`, and where.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why the settings cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// The file could not be read.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something in the file is wrong.
    Wrong {
        /// Where.
        place: Place,
        /// What, and what to do.
        problem: Box<Problem>,
    },
}

/// A place in a file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// What is wrong at a [`Place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A key or section nobody knows.
    UnknownKey {
        /// The section it stands in; empty at the top.
        section: String,
        /// The key.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<&'static str>,
        /// All keys known there.
        known: Vec<&'static str>,
    },
    /// Not TOML, or a value of the wrong type or form.
    BadValue {
        /// The reader's own words.
        message: String,
    },
    /// A value that is well-formed and yet can't be meant.
    Contradiction {
        /// What, and what to do.
        message: String,
    },
}

impl ConfigError {
    /// Places an error of the TOML reader.
    pub(super) fn from_toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let place = Place::of(file, text, &error.span().unwrap_or(0..0));
        let problem = Problem::BadValue { message: error.message().replace('\n', "; ") };
        Self::Wrong { place, problem: Box::new(problem) }
    }
}

impl Place {
    /// The place of the byte range `span` of `text`.
    pub(super) fn of(file: &Path, text: &str, span: &Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, .. } => write!(f, "{} can't be read", file.display()),
            Self::Wrong { place, problem } => write!(f, "{place}: {problem}"),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { section, key, nearest, known } => {
                match section.as_str() {
                    "" => write!(f, "there is no section `{key}`")?,
                    section => write!(f, "there is no key `{key}` in [{section}]")?,
                }
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => write!(f, "; known here are `{}`", known.join("`, `")),
                }
            }
            Self::BadValue { message } | Self::Contradiction { message } => f.write_str(message),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Wrong { .. } => None,
        }
    }
}
