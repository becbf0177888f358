//! Why a backend is left out, and who hears of it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use http::StatusCode;

/// What is the matter with a backend.
#[derive(Clone, Debug)]
pub enum Ailment {
    /// It takes no connection.
    Unreachable(Arc<io::Error>),
    /// It did not begin to answer in time.
    Silent,
    /// What it says is no HTTP, or it hangs up.
    Broken(Arc<hyper::Error>),
    /// It answers this where it is looked at.
    Unwell(StatusCode),
}

/// Hears when a backend is left out and when it is back, by its place among the service's backends. It is called
/// on the connection's task and must not block.
pub trait Onlooker: Send + Sync {
    /// Requests go to others, where there are any.
    fn left_out(&self, backend: usize, why: &Ailment);
    /// It has its turns again.
    fn is_back(&self, backend: usize);
}

impl From<io::Error> for Ailment {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(Arc::new(error))
    }
}

impl From<hyper::Error> for Ailment {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(Arc::new(error))
    }
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "it takes no connection: {error}"),
            Self::Silent => f.write_str("it does not answer in time"),
            Self::Broken(error) => write!(f, "it breaks its answers off: {error}"),
            Self::Unwell(status) => write!(f, "it answers {status} where it is looked at"),
        }
    }
}

impl Error for Ailment {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(error.as_ref()),
            Self::Broken(error) => Some(error.as_ref()),
            Self::Silent | Self::Unwell(_) => None,
        }
    }
}
