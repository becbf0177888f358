//! The names that virtual servers answer to: one host, or all hosts directly below a domain.
//!
//! Not here: which server gets a connection (`table`). Invariant: a name is lower case and has no dot at its end, so
//! that names compare as bytes.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `wiki.example.org`, or `*.example.org` for whatever is one label longer than `example.org`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteName(String);

/// Why a text is no name of a virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFault(String);

impl SiteName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain whose hosts it means, where it means all of them.
    pub fn wildcard(&self) -> Option<&str> {
        self.0.strip_prefix("*.")
    }
}

impl FromStr for SiteName {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let host = name.strip_prefix("*.").unwrap_or(&name);
        if is_host(host) && (host.len() == name.len() || host.contains('.')) {
            return Ok(Self(name));
        }
        Err(NameFault(text.to_owned()))
    }
}

/// Letters, digits and inner hyphens. A name of digits alone would be an address, which TLS can't ask for by name
/// (RFC 6066 section 3).
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last_is_no_number = text.rsplit('.').next().is_some_and(|l| l.parse::<u64>().is_err());
    text.len() <= 253 && text.split('.').all(label) && last_is_no_number
}

impl Display for SiteName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Display for NameFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no name that a client can ask for; write one like `wiki.example.org`, or `*.example.org` for all \
             hosts directly below a domain",
            self.0
        )
    }
}

impl std::error::Error for NameFault {}

impl TryFrom<String> for SiteName {
    type Error = NameFault;

    fn try_from(text: String) -> Result<Self, NameFault> {
        text.parse()
    }
}

impl From<SiteName> for String {
    fn from(name: SiteName) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_clients_send_them() {
        let name: SiteName = "Wiki.Example.ORG.".parse().unwrap();
        assert_eq!(name.as_str(), "wiki.example.org");
        assert_eq!("*.example.org".parse::<SiteName>().unwrap().wildcard(), Some("example.org"));
    }

    #[test]
    fn what_no_client_can_ask_for_is_refused() {
        for bad in ["", "*", "*.", "*.org", "a..b", "-a.b", "192.0.2.1", "a.*.b", "**.a.b", "a b"] {
            assert!(bad.parse::<SiteName>().is_err(), "{bad}");
        }
    }
}
