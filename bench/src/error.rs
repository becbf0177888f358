//! Why the benchmark, or one measurement of it, can't go on.

use std::fmt::{self, Display};
use std::io;
use std::path::PathBuf;

use sysio::NetnsError;
use sysio::netlink::NetlinkError;

/// An end of the run or of one measurement.
#[derive(Debug)]
pub(crate) enum BenchError {
    /// Somebody pressed Ctrl-C or sent SIGTERM.
    Interrupted,
    /// This machine lacks what a contestant needs: a named skip.
    Unavailable(String),
    /// A contestant did not come up; with the end of what it wrote.
    DidNotStart {
        /// Who.
        program: String,
        /// The last lines of its log.
        said: String,
    },
    /// A tool failed or printed what can't be read.
    Tool {
        /// Which, with its purpose.
        program: String,
        /// What it said.
        said: String,
    },
    /// A setting did not take.
    Setting(String),
    /// `--only` names nobody.
    Unknown {
        /// What was typed.
        typed: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A namespace.
    Netns(NetnsError),
    /// A link or an address.
    Netlink(NetlinkError),
    /// A file.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A socket of the load generator.
    Socket(String),
}

impl BenchError {
    /// Wraps a file's error with its name.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// A tool that failed.
    pub(crate) fn tool(program: &str, said: impl Into<String>) -> Self {
        Self::Tool { program: program.to_owned(), said: said.into() }
    }
}

impl Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("interrupted; everything it started is gone"),
            Self::Unavailable(reason) => f.write_str(reason),
            Self::DidNotStart { program, said } => {
                write!(f, "{program} did not come up; it said:\n{said}")
            }
            Self::Tool { program, said } => write!(f, "{program} failed: {said}"),
            Self::Setting(what) => f.write_str(what),
            Self::Unknown { typed, known } => {
                write!(
                    f,
                    "there is no contestant or group `{typed}`; there are {}",
                    known.join(", ")
                )
            }
            Self::Netns(error) => error.fmt(f),
            Self::Netlink(error) => error.fmt(f),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Socket(what) => write!(f, "the load generator's socket: {what}"),
        }
    }
}

impl std::error::Error for BenchError {}

impl From<NetnsError> for BenchError {
    fn from(error: NetnsError) -> Self {
        Self::Netns(error)
    }
}

impl From<NetlinkError> for BenchError {
    fn from(error: NetlinkError) -> Self {
        Self::Netlink(error)
    }
}
