//! Sending a client elsewhere.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use http::{HeaderValue, Uri};

use crate::host::Host;
use crate::refusal::Refusal;

/// Where clients are sent, with 308: method and body stay as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// To the same host and path over HTTPS, at this port.
    Https(u16),
    /// Before this, their path and query: `https://www.example.com`.
    Under(Destination),
    /// To this and nothing else.
    To(Destination),
}

/// A whole URL: with a path alone, or none, a client could be led to whatever host it names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(String);

/// It is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADestination;

impl Redirect {
    /// The field `Location`.
    pub(crate) fn location(&self, host: &Host, uri: &Uri) -> Result<HeaderValue, Refusal> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let location = match self {
            Self::Https(443) => format!("https://{}{path}", host.in_uri()),
            Self::Https(port) => format!("https://{}:{port}{path}", host.in_uri()),
            Self::Under(before) => format!("{}{path}", before.0.trim_end_matches('/')),
            Self::To(location) => location.0.clone(),
        };
        HeaderValue::try_from(location).map_err(|_| Refusal::Path)
    }
}

impl FromStr for Destination {
    type Err = NotADestination;

    fn from_str(text: &str) -> Result<Self, NotADestination> {
        let uri: Uri = text.parse().map_err(|_| NotADestination)?;
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.authority().is_some_and(|host| host.as_str().parse::<Host>().is_ok());
        let value = HeaderValue::from_str(text).is_ok();
        if scheme && host && value { Ok(Self(text.to_owned())) } else { Err(NotADestination) }
    }
}

impl fmt::Display for NotADestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a redirect leads to a whole URL, as https://www.example.com")
    }
}

impl Error for NotADestination {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_keeps_host_and_path_and_leaves_the_plain_port_behind() {
        let host: Host = "Www.example.com:80".parse().unwrap();
        let uri: Uri = "/a%20b?c=d".parse().unwrap();
        let to = |redirect: Redirect| redirect.location(&host, &uri).unwrap();
        let at = |text: &str| text.parse::<Destination>().unwrap();
        assert_eq!(to(Redirect::Https(443)), "https://www.example.com/a%20b?c=d");
        assert_eq!(to(Redirect::Https(8443)), "https://www.example.com:8443/a%20b?c=d");
        assert_eq!(to(Redirect::Under(at("https://b/x/"))), "https://b/x/a%20b?c=d");
        assert_eq!(to(Redirect::To(at("https://b/"))), "https://b/");
    }

    #[test]
    fn a_destination_names_its_host_itself() {
        for wrong in [
            "",
            "/",
            "//evil.example",
            "https:///x",
            "https://u@a/",
            "ftp://a/",
            "a",
            "https://a b/",
        ] {
            assert_eq!(wrong.parse::<Destination>(), Err(NotADestination), "{wrong}");
        }
    }
}
