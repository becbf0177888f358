//! Sending a client elsewhere.

use http::{HeaderValue, Uri};

use crate::host::Host;
use crate::refusal::Refusal;

/// Where clients are sent, with 308: method and body stay as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// To the same host and path over HTTPS, at this port.
    Https(u16),
    /// Before this, their path and query: `https://www.example.com`.
    Under(String),
    /// To this and nothing else.
    To(String),
}

impl Redirect {
    /// The field `Location`.
    pub(crate) fn location(&self, host: &Host, uri: &Uri) -> Result<HeaderValue, Refusal> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let location = match self {
            Self::Https(443) => format!("https://{}{path}", host.in_uri()),
            Self::Https(port) => format!("https://{}:{port}{path}", host.in_uri()),
            Self::Under(before) => format!("{}{path}", before.trim_end_matches('/')),
            Self::To(location) => location.clone(),
        };
        HeaderValue::try_from(location).map_err(|_| Refusal::Path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_keeps_host_and_path_and_leaves_the_plain_port_behind() {
        let host: Host = "Www.example.com:80".parse().unwrap();
        let uri: Uri = "/a%20b?c=d".parse().unwrap();
        let to = |redirect: Redirect| redirect.location(&host, &uri).unwrap();
        assert_eq!(to(Redirect::Https(443)), "https://www.example.com/a%20b?c=d");
        assert_eq!(to(Redirect::Https(8443)), "https://www.example.com:8443/a%20b?c=d");
        assert_eq!(to(Redirect::Under("https://b/x/".into())), "https://b/x/a%20b?c=d");
        assert_eq!(to(Redirect::To("https://b/".into())), "https://b/");
    }
}
