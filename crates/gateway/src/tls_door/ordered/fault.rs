//! Why a certificate was not ordered.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use acme::AcmeError;

/// Why a certificate was not ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OrderFault {
    /// Nobody has agreed to the CA's terms.
    NotAgreed,
    /// A file that the settings name is not what it should be.
    File { file: PathBuf, why: String },
    /// The records don't give what was kept, or keep nothing.
    Records { why: String },
    /// What the CA answered could not be followed to an end.
    Broken,
    /// Whatever comes of asking.
    Acme(AcmeError),
}

impl OrderFault {
    /// What to do.
    pub(super) fn mend(&self) -> &'static str {
        match self {
            Self::NotAgreed => {
                "read the CA's terms of service, then `handfast config set acme.terms_agreed true` and reload"
            }
            Self::File { .. } => "mend that file, or the key in [acme] that names it, and reload",
            Self::Records { .. } => "see `handfast check`; it is tried again",
            Self::Broken => "see the log; it is asked again",
            Self::Acme(error) => error.mend(),
        }
    }

    /// For the pace: what is wrong here is like a CA that is not ready.
    pub(super) fn error(&self) -> AcmeError {
        match self {
            Self::Acme(error) => error.clone(),
            other => AcmeError::Busy { said: other.to_string(), until: None },
        }
    }
}

impl Display for OrderFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAgreed => f.write_str("nobody has agreed to the CA's terms of service"),
            Self::File { file, why } => write!(f, "{}: {why}", file.display()),
            Self::Records { why } => write!(f, "the records: {why}"),
            Self::Broken => f.write_str("what the CA answered could not be followed to an end"),
            Self::Acme(error) => error.fmt(f),
        }
    }
}

impl From<AcmeError> for OrderFault {
    fn from(error: AcmeError) -> Self {
        Self::Acme(error)
    }
}
