//! Fields that don't go on: those of one hop, and those that only a gateway may say.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Removes the fields of one hop (RFC 9110 section 7.6.1), those named by `Connection` among them.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        // What is no text hides no name that stands beside it.
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Removes what a client says in the gateway's place, in any spelling that a backend may take for it: programs
/// behind CGI, WSGI and the like see whatever is no letter and no digit as one and the same.
pub(crate) fn remove_forged(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> =
        headers.keys().filter(|name| is_the_gateways(name.as_str())).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// The comma-separated members of a field.
pub(crate) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|token| !token.is_empty())
}

fn is_the_gateways(name: &str) -> bool {
    let plain: String = name
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' })
        .collect();
    OURS.contains(&plain.as_str()) || OUR_PREFIXES.iter().any(|prefix| plain.starts_with(prefix))
}

const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const OURS: [&str; 5] =
    ["client-cert", "client-cert-chain", "forwarded", "x-real-ip", "x-client-cert"];
const OUR_PREFIXES: [&str; 2] = ["handfast-", "x-forwarded-"];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
            })
            .collect()
    }

    #[test]
    fn forged_fields_are_removed_in_every_spelling() {
        for name in [
            "Client-Cert",
            "client_cert",
            "CLIENT.CERT",
            "Client-Cert-Chain",
            "client_cert-chain",
            "Handfast-User",
            "handfast_user",
            "Handfast-Device",
            "handfast.device",
            "handfast-anything",
            "handfast~user",
            "X-Forwarded-For",
            "x_forwarded_for",
            "X-Forwarded-Client-Cert",
            "Forwarded",
            "X-Real-IP",
            "x_real_ip",
        ] {
            let mut fields = headers(&[(name, "mallory"), (name, "again"), ("accept", "*/*")]);
            remove_forged(&mut fields);
            assert_eq!(fields, headers(&[("accept", "*/*")]), "{name}");
        }
        let innocent = headers(&[("client-certificate", "a"), ("user", "b"), ("x-handfast", "c")]);
        let mut kept = innocent.clone();
        remove_forged(&mut kept);
        assert_eq!(kept, innocent);
    }

    #[test]
    fn what_connection_names_ends_here() {
        let mut fields = headers(&[
            ("connection", "close, X-Secret"),
            ("connection", "keep-alive, , te"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("keep-alive", "5"),
            ("upgrade", "h2c"),
            ("proxy-connection", "x"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x"),
            ("accept", "a"),
        ]);
        remove_hop_by_hop(&mut fields);
        assert_eq!(fields, headers(&[("accept", "a")]));
        let mut fields = headers(&[("accept", "a"), ("x-secret", "1")]);
        let odd = HeaderValue::from_bytes(b"\xff, X-Secret").unwrap();
        fields.insert(header::CONNECTION, odd);
        remove_hop_by_hop(&mut fields);
        assert_eq!(fields, headers(&[("accept", "a")]));
    }
}
