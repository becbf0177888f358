//! What is asked for in the clear and not published: the way to the same over HTTPS.

use bytes::Bytes;
use http::header::{HOST, HeaderValue, LOCATION};
use http::request::Parts;
use http::uri::Authority;
use http::{Response, StatusCode};
use http_body_util::Full;

/// 308, after which method and body stay as they were. Nothing, where the request names no host, or two.
pub(crate) fn to_https(head: &Parts, port: u16) -> Option<Response<Full<Bytes>>> {
    let authority = authority(head)?;
    let (host, path) = (authority.host(), head.uri.path_and_query());
    let path = path.map_or("/", |path| path.as_str());
    let to = match port {
        443 => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(to).ok()?);
    Some(response)
}

fn authority(head: &Parts) -> Option<Authority> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let named = hosts.next().map(|host| Authority::try_from(host.as_bytes()));
    let said = match (head.uri.authority(), named) {
        (Some(said), _) => said.clone(),
        (None, named) => named?.ok()?,
    };
    let is_plain = !said.as_str().contains('@') && !said.host().is_empty();
    (is_plain && hosts.next().is_none()).then_some(said)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_way_to_https_keeps_host_and_path_and_leaves_the_plain_port_behind() {
        for (asked, host, port, to) in [
            ("/a%20b?c=d", "www.example.org:80", 443, "https://www.example.org/a%20b?c=d"),
            ("/", "[2001:db8::1]:80", 8443, "https://[2001:db8::1]:8443/"),
            ("http://wiki.example.org/x", "other", 443, "https://wiki.example.org/x"),
        ] {
            let head = head(asked, &[host]);
            let response = to_https(&head, port).unwrap();
            assert_eq!(
                (response.status().as_u16(), &response.headers()[LOCATION]),
                (308, &to.parse().unwrap())
            );
        }
    }

    #[test]
    fn who_names_no_host_or_two_is_sent_nowhere() {
        for hosts in [&[][..], &["a", "b"], &["a@b"], &["a b"], &["a/b"], &[""]] {
            assert!(to_https(&head("/", hosts), 443).is_none(), "{hosts:?}");
        }
    }

    fn head(asked: &str, hosts: &[&str]) -> Parts {
        let request = hosts.iter().fold(Request::get(asked), |to, host| to.header(HOST, *host));
        request.body(()).unwrap().into_parts().0
    }
}
