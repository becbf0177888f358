//! Services behind a virtual server, as the settings write them: backends with their turns, how they are looked at, and
//! the paths that lead to each.
//!
//! What has to hold between these values is checked by whoever reads them from a file.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use http::uri::PathAndQuery;
use serde::{Deserialize, Serialize};

use crate::backend::Target;

/// One of several backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// Where it is.
    pub to: Target,
    /// How many turns it has, where others have theirs.
    #[serde(default = "one")]
    pub weight: u16,
}

/// What lies below a path: `[[tls.server.route]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathRoute {
    /// The path, by whole segments.
    pub path: UrlPath,
    /// Where its requests go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Target>,
    /// The path that a backend has to answer 2xx or 3xx to be well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<UrlPath>,
    /// Between two looks at that.
    #[serde(default = "five")]
    pub health_seconds: u32,
    /// Until a backend begins to answer.
    #[serde(default = "a_minute")]
    pub answer_seconds: u32,
    /// Requests at once, for each backend.
    #[serde(default = "a_thousand")]
    pub max_requests: u32,
    /// Where they go in turns, in the place of `backend`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<Weighted>,
}

/// A path as it stands in a URL, without a query: `/api`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlPath(String);

/// Why a text is no such path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFault(String);

/// A service: whatever has these requests, or all bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Which path leads to it.
    pub path: UrlPath,
    /// Its backends; at least one, where the settings hold.
    pub backends: Vec<Weighted>,
    /// The path by which they are looked at.
    pub health: Option<UrlPath>,
    /// Between two looks.
    pub health_seconds: u32,
    /// Until a backend begins to answer.
    pub answer_seconds: u32,
    /// Requests at once, for each backend.
    pub max_requests: u32,
}

impl PathRoute {
    /// What its path leads to.
    pub fn service(&self) -> Service {
        Service {
            path: self.path.clone(),
            backends: all(self.backend.as_ref(), &self.backends),
            health: self.health.clone(),
            health_seconds: self.health_seconds,
            answer_seconds: self.answer_seconds,
            max_requests: self.max_requests,
        }
    }
}

/// One or several, as a list.
pub(crate) fn all(one: Option<&Target>, many: &[Weighted]) -> Vec<Weighted> {
    let one = one.map(|to| Weighted { to: to.clone(), weight: 1 });
    one.into_iter().chain(many.iter().cloned()).collect()
}

impl UrlPath {
    /// All paths.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether requests can't tell the two apart.
    pub fn leads_where(&self, other: &Self) -> bool {
        self.prefix() == other.prefix()
    }

    /// As routes know it.
    pub(crate) fn prefix(&self) -> Option<web::Prefix> {
        self.0.parse().ok()
    }
}

impl FromStr for UrlPath {
    type Err = PathFault;

    fn from_str(text: &str) -> Result<Self, PathFault> {
        let fault = || PathFault(text.to_owned());
        text.parse::<web::Prefix>().map_err(|_| fault())?;
        let path: PathAndQuery = text.parse().map_err(|_| fault())?;
        match path.query().is_none() && path.as_str() == text {
            true => Ok(Self(text.to_owned())),
            false => Err(fault()),
        }
    }
}

impl TryFrom<String> for UrlPath {
    type Error = PathFault;

    fn try_from(text: String) -> Result<Self, PathFault> {
        text.parse()
    }
}

impl From<UrlPath> for String {
    fn from(path: UrlPath) -> String {
        path.0
    }
}

impl Display for UrlPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Display for PathFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no path; write one like `/api`, without `?`, `#` and dots alone", self.0)
    }
}

impl std::error::Error for PathFault {}

fn one() -> u16 {
    1
}

pub(crate) fn five() -> u32 {
    5
}

pub(crate) fn a_minute() -> u32 {
    60
}

pub(crate) fn a_thousand() -> u32 {
    1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_that_requests_can_have_and_says_nothing_else() {
        for good in ["/", "/api", "/a%20b/", "/.well-known/x"] {
            assert_eq!(good.parse::<UrlPath>().unwrap().as_str(), good);
        }
        for bad in ["", "api", "/a?b", "/a#b", "/../a", "/a b", "http://a/b", "/%00"] {
            assert!(bad.parse::<UrlPath>().is_err(), "{bad}");
        }
        let path = |text: &str| text.parse::<UrlPath>().unwrap();
        assert!(path("/api").leads_where(&path("/api/")) && path("/a").leads_where(&path("/%61")));
        assert!(!path("/api").leads_where(&path("/apis")));
    }
}
