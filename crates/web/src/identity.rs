//! What a backend is told of who the client is: RFC 9440's fields and two of our own.
//!
//! They are made once for a connection. Their names arrive from nobody else: `hygiene` removes them first.

use std::error::Error;
use std::fmt;

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::connection::Identity;

/// The leaf (RFC 9440 section 2.2).
pub(crate) const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
/// What leads from there to a CA (RFC 9440 section 2.3).
pub(crate) const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
/// The user's name in the gateway's records.
pub(crate) const USER: HeaderName = HeaderName::from_static("handfast-user");
/// The device's name among the user's.
pub(crate) const DEVICE: HeaderName = HeaderName::from_static("handfast-device");

/// A user's or device's name that can't stand in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAHeader;

/// The fields of one connection.
#[derive(Debug, Default)]
pub(crate) struct IdentityFields(Vec<(HeaderName, HeaderValue)>);

impl IdentityFields {
    /// None where the client showed no certificate.
    pub(crate) fn new(identity: Option<&Identity>) -> Result<Self, NotAHeader> {
        let Some(identity) = identity else { return Ok(Self::default()) };
        let mut fields = vec![(CLIENT_CERT, value(&byte_sequence(&identity.leaf))?)];
        if !identity.chain.is_empty() {
            let chain: Vec<_> = identity.chain.iter().map(|cert| byte_sequence(cert)).collect();
            fields.push((CLIENT_CERT_CHAIN, value(&chain.join(", "))?));
        }
        fields.push((USER, value(&identity.user)?));
        if let Some(device) = &identity.device {
            fields.push((DEVICE, value(device)?));
        }
        Ok(Self(fields))
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.insert(name, value.clone());
        }
    }
}

fn value(text: &str) -> Result<HeaderValue, NotAHeader> {
    HeaderValue::from_str(text).map_err(|_| NotAHeader)
}

/// RFC 8941 section 3.3.5.
fn byte_sequence(octets: &[u8]) -> String {
    format!(":{}:", BASE64.encode(octets))
}

impl fmt::Display for NotAHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client's name can't be told to a backend, as it has letters beyond ASCII")
    }
}

impl Error for NotAHeader {}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_certificate_is_a_byte_sequence_and_the_chain_a_list_of_them() {
        let identity = Identity {
            user: "alice".into(),
            device: Some("laptop".into()),
            leaf: Bytes::from_static(b"leaf"),
            chain: vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")],
        };
        let mut headers = HeaderMap::new();
        IdentityFields::new(Some(&identity)).unwrap().apply(&mut headers);
        assert_eq!(headers[CLIENT_CERT], ":bGVhZg==:");
        assert_eq!(headers[CLIENT_CERT_CHAIN], ":b25l:, :dHdv:");
        assert_eq!(
            (&headers[USER], &headers[DEVICE]),
            (&"alice".parse().unwrap(), &"laptop".parse().unwrap())
        );
        let break_out = Identity { user: "a\r\nb: c".into(), ..identity };
        assert_eq!(IdentityFields::new(Some(&break_out)).unwrap_err(), NotAHeader);
    }
}
