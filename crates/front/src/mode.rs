//! What connections to an address begin with, as the settings write it.
//!
//! One port can be for several protocols where the client speaks first: its first bytes tell which it is. Where it
//! waits for the server's greeting there is nothing to go by. Invariant: no [`Protocol`] is of that kind.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use starttls::Protocol as Spoken;

/// What connections to an address begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Mode {
    /// With TLS.
    #[default]
    Implicit,
    /// With one of several protocols, which their first bytes tell apart.
    Shared,
    /// With a request in the clear.
    Http,
    /// In the clear with this protocol, whose clients ask for TLS by its own words: `starttls:imap`.
    Starttls(Spoken),
}

/// A protocol in which the client speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Protocol {
    /// TLS, for virtual servers.
    Tls,
    /// OpenVPN over TCP, for the VPN.
    OpenVpn,
    /// PostgreSQL's question for TLS, and then that.
    Postgres,
    /// A request in the clear, for what the CA publishes; all others are sent to HTTPS.
    Http,
}

/// Why a text is no mode, or no protocol of a shared address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeFault {
    /// There is no such mode.
    NoMode(String),
    /// There is no such protocol.
    NoProtocol(String),
    /// Its clients wait for the server to speak first.
    ServerFirst(String),
    /// It is no protocol with STARTTLS, or none that is served here.
    NoStarttls(String),
}

impl Mode {
    /// By which protocol's words clients ask for TLS.
    pub fn starttls(self) -> Option<Spoken> {
        match self {
            Self::Starttls(protocol) => Some(protocol),
            Self::Implicit | Self::Shared | Self::Http => None,
        }
    }
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tls, Self::OpenVpn, Self::Postgres, Self::Http];

    /// As the settings have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::OpenVpn => "openvpn",
            Self::Postgres => "postgresql",
            Self::Http => "http",
        }
    }
}

impl FromStr for Mode {
    type Err = ModeFault;

    fn from_str(text: &str) -> Result<Self, ModeFault> {
        if let Some(protocol) = text.strip_prefix("starttls:") {
            let none = |_| ModeFault::NoStarttls(protocol.to_owned());
            return protocol.parse().map(Self::Starttls).map_err(none);
        }
        let all = [Self::Implicit, Self::Shared, Self::Http];
        let found = all.into_iter().find(|mode| mode.to_string() == text);
        found.ok_or_else(|| ModeFault::NoMode(text.to_owned()))
    }
}

impl FromStr for Protocol {
    type Err = ModeFault;

    fn from_str(text: &str) -> Result<Self, ModeFault> {
        let found = Self::ALL.into_iter().find(|protocol| protocol.word() == text);
        found.ok_or_else(|| match SERVER_FIRST.contains(&text) {
            true => ModeFault::ServerFirst(text.to_owned()),
            false => ModeFault::NoProtocol(text.to_owned()),
        })
    }
}

impl Display for Mode {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Implicit => f.write_str("implicit"),
            Self::Shared => f.write_str("shared"),
            Self::Http => f.write_str("http"),
            Self::Starttls(protocol) => write!(f, "starttls:{protocol}"),
        }
    }
}

impl Display for ModeFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMode(text) => {
                write!(
                    f,
                    "`{text}` is no mode; write one of `implicit`, `shared`, `http`, `starttls:PROTOCOL`"
                )
            }
            Self::NoStarttls(text) => {
                let served = Spoken::ALL.map(Spoken::name).join(", ");
                write!(f, "`starttls:{text}` is not served; write one of {served}")
            }
            Self::NoProtocol(text) => write!(
                f,
                "`{text}` can't share an address; write some of `tls`, `openvpn`, `postgresql`, `http`"
            ),
            Self::ServerFirst(text) => write!(
                f,
                "clients of {text} wait for the server to speak first, so that nothing tells them from others; give \
                 {text} an address of its own"
            ),
        }
    }
}

impl Error for ModeFault {}

impl TryFrom<String> for Mode {
    type Error = ModeFault;

    fn try_from(text: String) -> Result<Self, ModeFault> {
        text.parse()
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> String {
        mode.to_string()
    }
}

impl TryFrom<String> for Protocol {
    type Error = ModeFault;

    fn try_from(text: String) -> Result<Self, ModeFault> {
        text.parse()
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> String {
        protocol.word().to_owned()
    }
}

/// Protocols whose servers greet.
const SERVER_FIRST: [&str; 12] = [
    "smtp",
    "submission",
    "lmtp",
    "imap",
    "pop3",
    "sieve",
    "managesieve",
    "nntp",
    "ftp",
    "mysql",
    "mariadb",
    "ssh",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_protocols_are_written_as_they_are_read() {
        for mode in ["implicit", "shared", "http", "starttls:ftp", "starttls:xmpp-server"] {
            assert_eq!(mode.parse::<Mode>().unwrap().to_string(), mode);
        }
        for protocol in Protocol::ALL {
            assert_eq!(protocol.word().parse(), Ok(protocol));
        }
        for none in ["starttls:", "starttls:https"] {
            assert!(matches!(none.parse::<Mode>(), Err(ModeFault::NoStarttls(_))), "{none}");
        }
        assert_eq!("Shared".parse::<Mode>(), Err(ModeFault::NoMode("Shared".into())));
        assert_eq!("ldap".parse::<Protocol>(), Err(ModeFault::NoProtocol("ldap".into())));
    }

    #[test]
    fn a_protocol_whose_server_greets_is_refused_with_the_reason() {
        for word in SERVER_FIRST {
            let fault = word.parse::<Protocol>().unwrap_err().to_string();
            assert!(fault.contains("speak first") && fault.contains("of its own"), "{fault}");
        }
    }
}
