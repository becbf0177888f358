//! What a virtual server does with requests: its names, its routes, its manners.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};

use crate::files::Files;
use crate::host::{Host, NamePattern};
use crate::limits::Limits;
use crate::manners::Hsts;
use crate::path::Path;
use crate::redirect::Redirect;
use crate::upstream::Upstream;

/// A virtual server.
pub struct Site {
    /// The hosts it answers for; any where none is named. Another one is answered 421, since the policy for
    /// client certificates that the connection was admitted under may not be that host's.
    pub names: Vec<NamePattern>,
    /// Other virtual servers' hosts, which are never answered for, also where no name is named.
    pub foreign: Vec<NamePattern>,
    /// Where requests go: to the route with the longest prefix.
    pub routes: Vec<Route>,
    /// Said in every answer over TLS, in none over plain HTTP. (h2 says nothing of it to a head of more than twice
    /// what may be, nor hyper to what is no HTTP behind an answer that the client has not taken yet.)
    pub hsts: Option<Hsts>,
    /// Whether answers that don't say so themselves forbid guessing at types, foreign frames and full referrers.
    pub security_headers: bool,
    /// For each connection.
    pub limits: Limits,
}

/// A part of a site.
#[derive(Debug)]
pub struct Route {
    /// Which paths.
    pub prefix: Prefix,
    /// What is done.
    pub action: Action,
}

/// The beginning of a path, by whole segments: `/a` is the beginning of `/a/b` and not of `/ab`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

/// What is done with a request.
pub enum Action {
    /// Handed to a backend.
    Proxy(Arc<Upstream>),
    /// Answered from a folder, by the path behind the prefix.
    Files(Arc<Files>),
    /// Sent elsewhere.
    Redirect(Redirect),
    /// Always answered so.
    Fixed(Fixed),
    /// Answered by somebody within this program.
    Handler(Arc<dyn Handler>),
}

/// An answer that is always the same.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// The status.
    pub status: StatusCode,
    /// The body's type.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

/// Answers within this program, at once and from memory.
pub trait Handler: Send + Sync {
    /// The longest body that it reads.
    fn longest_body(&self) -> usize;
    /// The answer.
    fn answer(&self, question: &Question<'_>) -> Response<Bytes>;
}

/// A request whose body is here.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as it came.
    pub path: &'a str,
    /// The fields.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// A prefix begins with a slash and has nothing that a path may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPrefix;

impl Site {
    /// A site that answers for any name, with HSTS and the usual limits.
    pub fn new(routes: Vec<Route>) -> Self {
        Self {
            names: Vec::new(),
            foreign: Vec::new(),
            routes,
            hsts: Some(Hsts::default()),
            security_headers: true,
            limits: Limits::default(),
        }
    }

    pub(crate) fn answers_for(&self, host: &Host) -> bool {
        let covers = |names: &[NamePattern]| names.iter().any(|name| name.covers(host.name()));
        match self.names.is_empty() {
            true => !covers(&self.foreign),
            false => covers(&self.names),
        }
    }

    pub(crate) fn route(&self, path: &Path) -> Option<&Route> {
        let fitting = self.routes.iter().filter(|route| route.prefix.rest(path).is_some());
        fitting.max_by_key(|route| route.prefix.0.len())
    }
}

impl Prefix {
    /// What is behind it, with a slash or empty.
    pub(crate) fn rest<'a>(&self, path: &'a Path) -> Option<&'a str> {
        let behind = |path: &'a str| {
            let rest = path.strip_prefix(&self.0)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(rest)
        };
        let rest = behind(path.canonical())?;
        // A file may have a semicolon in its name.
        Some(behind(path.as_str()).unwrap_or(rest))
    }
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let path = Path::decode(text).map_err(|_| NotAPrefix)?;
        Ok(Self(path.canonical().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("names", &self.names)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy(upstream) => upstream.fmt(f),
            Self::Files(files) => files.fmt(f),
            Self::Redirect(redirect) => redirect.fmt(f),
            Self::Fixed(fixed) => fixed.fmt(f),
            Self::Handler(_) => f.write_str("Handler"),
        }
    }
}

impl fmt::Display for NotAPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path begins with a slash and has no dots that lead upwards")
    }
}

impl Error for NotAPrefix {}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(prefix: &str) -> Route {
        let fixed = Fixed {
            status: StatusCode::OK,
            content_type: "text/plain".to_owned(),
            body: Bytes::copy_from_slice(prefix.as_bytes()),
        };
        Route { prefix: prefix.parse().unwrap(), action: Action::Fixed(fixed) }
    }

    #[test]
    fn a_site_without_names_answers_for_all_hosts_but_those_of_others() {
        let mut site = Site::new(Vec::new());
        site.foreign = vec!["intranet.example".parse().unwrap(), "*.apps.example".parse().unwrap()];
        for (host, answered) in [
            ("other.example", true),
            ("192.0.2.1:443", true),
            ("Intranet.example.:443", false),
            ("one.apps.example", false),
        ] {
            assert_eq!(site.answers_for(&host.parse().unwrap()), answered, "{host}");
        }
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins_however_the_path_is_spelt() {
        let site = Site::new(vec![fixed("/"), fixed("/api/"), fixed("/api/v2")]);
        for (path, prefix) in [
            ("/", "/"),
            ("/apix", "/"),
            ("/api", "/api/"),
            ("/%61pi/v1", "/api/"),
            ("/api/v2", "/api/v2"),
            ("/api/v2/x", "/api/v2"),
            ("/api/v22", "/api/"),
            ("//api/v1", "/api/"),
            ("/api;a=b/v1", "/api/"),
            ("/;x/api", "/api/"),
            ("/api\\v1", "/api/"),
            ("/api%5cv2%2fx", "/api/v2"),
        ] {
            let route = site.route(&Path::decode(path).unwrap()).unwrap();
            assert_eq!(route.prefix, prefix.parse().unwrap(), "{path}");
        }
        assert!(Site::new(vec![fixed("/a")]).route(&Path::decode("/b").unwrap()).is_none());
    }
}
