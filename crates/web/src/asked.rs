//! What a request asks for, judged before anything is done about it.
//!
//! hyper has read the head by then and refuses itself what is no HTTP: spaces before colons, folded fields, lengths
//! that differ, bare CRs. Where a request has both a length and `chunked` it goes by the latter and closes the
//! connection behind the answer, as RFC 9112 section 6.3 has it; a backend sees one framing, ours, in any case.

use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Method, Version, header};
use hyper::ext::Protocol;

use crate::host::Host;
use crate::hygiene::tokens;
use crate::path::Path;
use crate::refusal::Refusal;

/// A request that makes sense.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) host: Host,
    pub(crate) path: Path,
    pub(crate) upgrade: Option<Upgrade>,
}

/// A request to carry another protocol on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// `Upgrade: websocket` (RFC 6455).
    Websocket,
    /// The same over HTTP/2 (RFC 8441).
    WebsocketOverTwo,
}

impl Asked {
    /// # Errors
    /// Where the request makes none, or is one that goes no further.
    pub(crate) fn read(head: &Parts, longest: usize) -> Result<Self, Refusal> {
        check_size(head, longest)?;
        let upgrade = upgrade(head)?;
        check_framing(head)?;
        check_expectation(head)?;
        Ok(Self { host: host(head)?, path: Path::decode(head.uri.path())?, upgrade })
    }
}

/// Over HTTP/1.1 there is no request from a longer one. Each field counts as RFC 9113 section 6.5.2 has it.
fn check_size(head: &Parts, longest: usize) -> Result<(), Refusal> {
    let field = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 32;
    let target = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let all = target + head.headers.iter().map(field).sum::<usize>();
    if head.version == Version::HTTP_2 && all > longest {
        Err(Refusal::HeadTooLong)
    } else {
        Ok(())
    }
}

/// The target's host and `Host` have to be one: whoever reads only one of them must not be led astray. Over
/// HTTP/2 `:authority` may stand for `Host` (RFC 9113 section 8.3.1).
fn host(head: &Parts) -> Result<Host, Refusal> {
    let fields: Vec<_> = head.headers.get_all(header::HOST).iter().collect();
    let target = head.uri.authority().map(|authority| parse(authority.as_str())).transpose()?;
    let named = match fields[..] {
        [] => None,
        [field] => Some(parse(field.to_str().map_err(|_| Refusal::HostMalformed)?)?),
        _ => return Err(Refusal::HostAmbiguous),
    };
    match (target, named) {
        (None, None) => Err(Refusal::HostMissing),
        (Some(_), None) if head.version < Version::HTTP_2 => Err(Refusal::HostMissing),
        (Some(host), None) | (None, Some(host)) => Ok(host),
        (Some(target), Some(named)) if same(&target, &named, head.uri.scheme()) => Ok(named),
        (Some(_), Some(_)) => Err(Refusal::HostAmbiguous),
    }
}

fn parse(text: &str) -> Result<Host, Refusal> {
    text.parse().map_err(|_| Refusal::HostMalformed)
}

fn same(one: &Host, other: &Host, scheme: Option<&Scheme>) -> bool {
    let usual = if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 };
    one.name() == other.name() && one.port().unwrap_or(usual) == other.port().unwrap_or(usual)
}

/// One length, or `chunked` once and nothing with it: whatever else is said there, some backend reads otherwise.
fn check_framing(head: &Parts) -> Result<(), Refusal> {
    if head.headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(Refusal::Framing);
    }
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::Framing),
    }
}

fn check_expectation(head: &Parts) -> Result<(), Refusal> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    match head.headers.get_all(header::EXPECT).iter().all(known) {
        true => Ok(()),
        false => Err(Refusal::Expectation),
    }
}

/// Other upgrades are as if not asked for, as RFC 9110 section 7.8 allows: `h2c` would carry requests past all
/// that is judged here.
fn upgrade(head: &Parts) -> Result<Option<Upgrade>, Refusal> {
    if head.method == Method::TRACE {
        return Err(Refusal::Method);
    }
    if head.method == Method::CONNECT {
        return match head.extensions.get::<Protocol>() {
            Some(protocol) if protocol.as_str() == WEBSOCKET => Ok(Some(Upgrade::WebsocketOverTwo)),
            _ => Err(Refusal::Method),
        };
    }
    let mut wanted = head.headers.get_all(header::UPGRADE).iter().flat_map(tokens);
    let mut hop = head.headers.get_all(header::CONNECTION).iter().flat_map(tokens);
    let asked = head.version == Version::HTTP_11
        && head.method == Method::GET
        && wanted.any(|protocol| protocol.eq_ignore_ascii_case(WEBSOCKET))
        && hop.any(|token| token.eq_ignore_ascii_case("upgrade"));
    Ok(asked.then_some(Upgrade::Websocket))
}

pub(crate) const WEBSOCKET: &str = "websocket";

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(target: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const LONGEST: usize = 32 * 1024;

    #[test]
    fn a_head_over_http_2_may_be_so_long_and_no_longer() {
        let cookie = "c".repeat(LONGEST - "/".len() - "host".len() - 1 - "cookie".len() - 2 * 32);
        let mut parts = head("/", &[("host", "a"), ("cookie", &cookie)]);
        parts.version = Version::HTTP_2;
        assert!(Asked::read(&parts, LONGEST).is_ok());
        assert_eq!(Asked::read(&parts, LONGEST - 1).unwrap_err(), Refusal::HeadTooLong);
    }

    #[test]
    fn one_host_is_named_and_it_is_the_targets() {
        let read = |target, fields: &[(&str, &str)]| {
            Asked::read(&head(target, fields), LONGEST).map(|asked| asked.host.to_string())
        };
        assert_eq!(read("/", &[("host", "A:8443")]), Ok("a:8443".to_owned()));
        assert_eq!(read("http://a/", &[("host", "a:80")]), Ok("a:80".to_owned()));
        assert_eq!(read("/", &[]), Err(Refusal::HostMissing));
        assert_eq!(read("http://a/", &[]), Err(Refusal::HostMissing));
        assert_eq!(read("/", &[("host", "a"), ("host", "a")]), Err(Refusal::HostAmbiguous));
        assert_eq!(read("http://b/", &[("host", "a")]), Err(Refusal::HostAmbiguous));
        assert_eq!(read("http://a:81/", &[("host", "a")]), Err(Refusal::HostAmbiguous));
        for wrong in ["", "u@a", "a b", "a,b", "a/b"] {
            assert_eq!(read("/", &[("host", wrong)]), Err(Refusal::HostMalformed), "{wrong}");
        }
    }

    #[test]
    fn no_coding_but_chunked_once_is_taken() {
        for (codings, taken) in [
            (&["chunked"][..], true),
            (&["Chunked"], true),
            (&["chunked", "chunked"], false),
            (&["gzip, chunked"], false),
            (&["chunked, identity"], false),
            (&["identity"], false),
            (&["chunked;a"], false),
            (&[""], false),
        ] {
            let mut parts = head("/", &[("host", "a")]);
            for coding in codings {
                parts.headers.append(header::TRANSFER_ENCODING, coding.parse().unwrap());
            }
            let refused = Asked::read(&parts, LONGEST).err();
            assert_eq!(refused, (!taken).then_some(Refusal::Framing), "{codings:?}");
        }
    }

    #[test]
    fn a_websocket_alone_is_an_upgrade() {
        let asked = |fields: &[(&str, &str)]| {
            let mut all = vec![("host", "a")];
            all.extend_from_slice(fields);
            Asked::read(&head("/", &all), LONGEST).unwrap().upgrade
        };
        let connection = ("connection", "keep-alive, Upgrade");
        assert_eq!(asked(&[connection, ("upgrade", "WebSocket")]), Some(Upgrade::Websocket));
        assert_eq!(asked(&[("upgrade", "websocket")]), None);
        assert_eq!(asked(&[connection, ("upgrade", "h2c"), ("http2-settings", "x")]), None);
    }
}
