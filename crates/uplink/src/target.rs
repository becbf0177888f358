//! Which service is reached: `HOST:PORT`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use rustls::pki_types::ServerName;

/// A service, and the name that its certificate has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    name: ServerName<'static>,
}

/// It is no service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotATarget {
    /// There is no port.
    NoPort,
    /// The host is neither a name nor an address.
    NoHost,
    /// A scheme stands before it.
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
        if text.contains("://") {
            return Err(NotATarget::Scheme);
        }
        let (host, port) = text.rsplit_once(':').ok_or(NotATarget::NoPort)?;
        let port = port.parse().map_err(|_| NotATarget::NoPort)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or(NotATarget::NoHost)?,
            None if host.contains(':') => return Err(NotATarget::NoHost),
            None => host,
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| NotATarget::NoHost)?;
        Ok(Self { host: host.to_owned(), port, name })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            Self::Scheme => "a service is HOST:PORT, without a scheme: TLS begins at once there",
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
        for (wrong, why) in [
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
