//! Which service is reached: `HOST:PORT`, or `PROTOCOL://HOST[:PORT]` where TLS begins by that protocol's STARTTLS.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use starttls::Protocol;

/// A service, and the name that its certificate has to have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    host: String,
    port: u16,
    name: ServerName<'static>,
    starttls: Option<Protocol>,
}

/// It is no service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotATarget {
    /// There is no port.
    NoPort,
    /// The host is neither a name nor an address.
    NoHost,
    /// What stands before `://` is no protocol with STARTTLS.
    Scheme,
}

impl Target {
    /// The host, without the brackets of IPv6.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the certificate has to be for.
    pub fn name(&self) -> &ServerName<'static> {
        &self.name
    }

    /// By which protocol TLS begins; else it begins at once.
    pub fn starttls(&self) -> Option<Protocol> {
        self.starttls
    }

    /// The same service under another name.
    ///
    /// # Errors
    /// Where that is none.
    pub fn with_name(self, name: &str) -> Result<Self, NotATarget> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| NotATarget::NoHost)?;
        Ok(Self { name, ..self })
    }
}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let Some((scheme, rest)) = text.split_once("://") else { return at(text, None) };
        let protocol = scheme.parse().map_err(|_| NotATarget::Scheme)?;
        at(rest.trim_end_matches('/'), Some(protocol))
    }
}

fn at(text: &str, starttls: Option<Protocol>) -> Result<Target, NotATarget> {
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let (host, port) = match (starttls, has_port) {
        (Some(protocol), false) => (text, protocol.port()),
        _ => {
            let (host, port) = text.rsplit_once(':').ok_or(NotATarget::NoPort)?;
            (host, port.parse().map_err(|_| NotATarget::NoPort)?)
        }
    };
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or(NotATarget::NoHost)?,
        None if host.contains(':') => return Err(NotATarget::NoHost),
        None => host,
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| NotATarget::NoHost)?;
    Ok(Target { host: host.to_owned(), port, name, starttls })
}

impl TryFrom<String> for Target {
    type Error = NotATarget;

    fn try_from(text: String) -> Result<Self, NotATarget> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(protocol) = self.starttls {
            write!(f, "{protocol}://")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for NotATarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPort => "a service is HOST:PORT, and there is no port",
            Self::NoHost => "a service is HOST:PORT, and there is no host; IPv6 stands in brackets",
            Self::Scheme => {
                "a service is HOST:PORT, without a scheme, where TLS begins at once; else the scheme is its protocol \
                 with STARTTLS: smtp, submission, lmtp, imap, pop3, sieve, nntp, ftp, ldap, xmpp, xmpp-server, postgresql, \
                 mysql, irc"
            }
        })
    }
}

impl Error for NotATarget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("db.example.com:5432", "db.example.com", 5432),
            ("192.0.2.1:443", "192.0.2.1", 443),
            ("[2001:db8::1]:443", "2001:db8::1", 443),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.host(), target.port()), (host, port));
            assert_eq!(target.to_string(), text);
        }
        for (text, port, again) in [
            ("smtp://mx.example.com", 25, "smtp://mx.example.com:25"),
            ("submission://mx.example.com:2587/", 2587, "submission://mx.example.com:2587"),
            ("imap://[2001:db8::1]", 143, "imap://[2001:db8::1]:143"),
            ("mariadb://192.0.2.1", 3306, "mysql://192.0.2.1:3306"),
            ("ftp://files.example.com", 21, "ftp://files.example.com:21"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.port(), target.to_string().as_str()), (port, again));
            assert!(target.starttls().is_some());
        }
        for (wrong, why) in [
            ("smtp://", NotATarget::NoHost),
            ("smtp://a:x", NotATarget::NoPort),
            ("db.example.com", NotATarget::NoPort),
            ("db.example.com:", NotATarget::NoPort),
            (":443", NotATarget::NoHost),
            ("2001:db8::1:443", NotATarget::NoHost),
            ("a b:443", NotATarget::NoHost),
            ("https://a:443", NotATarget::Scheme),
        ] {
            assert_eq!(wrong.parse::<Target>(), Err(why), "{wrong}");
        }
    }
}
