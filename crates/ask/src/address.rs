//! An address as certificates name it: `http://HOST[:PORT]/PATH`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddress {
    host: String,
    port: u16,
    authority: String,
    target: String,
}

/// It is no address of plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressError;

impl HttpAddress {
    /// The host's name or address, without the brackets of IPv6.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they were written, for the request.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }
}

impl FromStr for HttpAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let uri: Uri = text.parse().map_err(|_| AddressError)?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(AddressError);
        }
        let authority = uri.authority().ok_or(AddressError)?;
        // A user and a password have no place there.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(AddressError);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.as_str().to_owned(),
            target: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("that is no address of plain HTTP: http://HOST[:PORT]/PATH")
    }
}

impl Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_alone_is_an_address() {
        let address: HttpAddress = "http://[2001:db8::1]:8080/ca/ab.crl?x".parse().unwrap();
        assert_eq!((address.host(), address.port()), ("2001:db8::1", 8080));
        assert_eq!((address.authority(), address.target()), ("[2001:db8::1]:8080", "/ca/ab.crl?x"));
        let plain: HttpAddress = "http://vpn.example.net".parse().unwrap();
        assert_eq!((plain.host(), plain.port(), plain.target()), ("vpn.example.net", 80, "/"));
        for wrong in ["https://a/", "ldap://a/", "a/b", "", "http://", "http://u:p@a/", "http:///x"]
        {
            assert_eq!(wrong.parse::<HttpAddress>(), Err(AddressError), "{wrong}");
        }
    }
}
