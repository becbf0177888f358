//! The protocols, by the name that settings and addresses have for them.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// A protocol with a way into TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Mail between servers (RFC 5321, RFC 3207).
    Smtp,
    /// Mail from its writer (RFC 6409); the same words on another port.
    Submission,
    /// Mail to a mailbox (RFC 2033).
    Lmtp,
    /// Mailboxes (RFC 9051).
    Imap,
    /// Mailboxes (RFC 1939, RFC 2595).
    Pop3,
    /// Filters of mailboxes (RFC 5804).
    Sieve,
    /// News (RFC 3977, RFC 4642).
    Nntp,
    /// Files (RFC 959, RFC 4217).
    Ftp,
    /// Directories (RFC 4511).
    Ldap,
    /// Chat, from its writer (RFC 6120).
    Xmpp,
    /// Chat between servers (RFC 6120).
    XmppServer,
    /// PostgreSQL.
    Postgresql,
    /// MySQL and MariaDB.
    Mysql,
    /// Chat (IRCv3 `tls`).
    Irc,
}

/// No protocol is called so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProtocol(String);

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Smtp,
        Self::Submission,
        Self::Lmtp,
        Self::Imap,
        Self::Pop3,
        Self::Sieve,
        Self::Nntp,
        Self::Ftp,
        Self::Ldap,
        Self::Xmpp,
        Self::XmppServer,
        Self::Postgresql,
        Self::Mysql,
        Self::Irc,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Sieve => "sieve",
            Self::Nntp => "nntp",
            Self::Ftp => "ftp",
            Self::Ldap => "ldap",
            Self::Xmpp => "xmpp",
            Self::XmppServer => "xmpp-server",
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Irc => "irc",
        }
    }

    /// The port on which it begins in the clear.
    pub fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Submission => 587,
            Self::Lmtp => 24,
            Self::Imap => 143,
            Self::Pop3 => 110,
            Self::Sieve => 4190,
            Self::Nntp => 119,
            Self::Ftp => 21,
            Self::Ldap => 389,
            Self::Xmpp => 5222,
            Self::XmppServer => 5269,
            Self::Postgresql => 5432,
            Self::Mysql => 3306,
            Self::Irc => 6667,
        }
    }

    /// Whether the service's first words are part of what follows inside TLS, so that they have to be its own.
    pub fn greets_for_good(self) -> bool {
        self == Self::Mysql
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        let known = Self::ALL.into_iter().find(|protocol| protocol.name() == text);
        let other = || match text {
            "managesieve" => Some(Self::Sieve),
            "postgres" => Some(Self::Postgresql),
            "mariadb" => Some(Self::Mysql),
            _ => None,
        };
        known.or_else(other).ok_or_else(|| UnknownProtocol(text.to_owned()))
    }
}

impl Display for Protocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Display for UnknownProtocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let known = Protocol::ALL.map(Protocol::name).join(", ");
        write!(f, "`{}` is none of the protocols with STARTTLS: {known}", self.0)
    }
}

impl Error for UnknownProtocol {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_read_as_it_is_written_and_by_its_other_names() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
        }
        assert_eq!("mariadb".parse(), Ok(Protocol::Mysql));
        assert_eq!("managesieve".parse(), Ok(Protocol::Sieve));
        assert!("https".parse::<Protocol>().unwrap_err().to_string().contains("smtp, "));
    }
}
