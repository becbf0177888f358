//! What a backend is told of where the client is and what it asked for: RFC 7239's field, and the older ones.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::connection::Connection;
use crate::host::Host;

/// Sets them all; what the client said under these names was removed before.
pub(crate) fn apply(connection: &Connection, host: &Host, headers: &mut HeaderMap) {
    let peer = connection.peer.ip().to_canonical();
    let proto = if connection.tls.is_some() { "https" } else { "http" };
    let node = match peer {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let fields = [
        ("forwarded", format!("for={node};host=\"{host}\";proto={proto}")),
        ("x-forwarded-for", peer.to_string()),
        ("x-forwarded-host", host.to_string()),
        ("x-forwarded-port", connection.local.port().to_string()),
        ("x-forwarded-proto", proto.to_owned()),
    ];
    for (name, value) in fields {
        let value = HeaderValue::try_from(value).expect("hosts and addresses make values");
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Http, Tls};

    #[test]
    fn addresses_of_both_kinds_are_written_as_the_rfc_wants_them() {
        let mut connection = Connection {
            peer: "[::ffff:192.0.2.7]:5000".parse().unwrap(),
            local: "192.0.2.1:443".parse().unwrap(),
            http: Http::One,
            tls: Some(Tls { server_name: None, identity: None }),
        };
        let host = "a.example:8443".parse().unwrap();
        let mut headers = HeaderMap::new();
        apply(&connection, &host, &mut headers);
        assert_eq!(headers["forwarded"], "for=192.0.2.7;host=\"a.example:8443\";proto=https");
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
        assert_eq!(headers["x-forwarded-port"], "443");
        connection.peer = "[2001:db8::1]:9".parse().unwrap();
        connection.tls = None;
        apply(&connection, &host, &mut headers);
        assert_eq!(
            headers["forwarded"],
            "for=\"[2001:db8::1]\";host=\"a.example:8443\";proto=http"
        );
        assert_eq!(headers["x-forwarded-proto"], "http");
    }
}
