//! Why a connection was not let in, or why nobody is behind it: one closed type for log, status, metrics and tests.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;

use pki::Refusal;
use proxied::NotProxied;
use rustls::{AlertDescription, PeerIncompatible};
use starttls::Fault;
use uplink::ReachError;

use crate::mode::Protocol;

/// Why a connection was refused. Displays as one sentence: what is wrong, and what to do.
#[derive(Debug)]
pub enum Refused {
    /// It was opened and closed without a byte.
    Silent,
    /// It was closed in the middle of the handshake.
    LeftEarly,
    /// The handshake did not end in time.
    Slow,
    /// What came is no TLS.
    NotTls,
    /// What came is no protocol that is known at a shared address.
    UnknownProtocol,
    /// The address does not take that.
    NotTaken {
        /// What.
        protocol: Protocol,
    },
    /// It does, and nobody is there who would.
    NotOpen {
        /// What.
        protocol: Protocol,
    },
    /// A client of PostgreSQL wants no TLS.
    InTheClear,
    /// More came before TLS began than the question for it.
    EarlyBytes,
    /// It does not come to TLS by its protocol's STARTTLS.
    Upgrade(Fault),
    /// A listed proxy does not say who its client is, or not so that it can be read.
    Proxy(NotProxied),
    /// The peer says that it is a proxy, and is not listed as one.
    NotListed,
    /// The first message has no end.
    HelloTooLong,
    /// The handshake failed.
    Tls(rustls::Error),
    /// It did, since the client lacks something.
    Unmet {
        /// What, in the words of the library.
        what: PeerIncompatible,
        /// What the client has instead, where it says so.
        offers: Option<String>,
    },
    /// The connection broke in the handshake.
    Broken(io::Error),
    /// No virtual server has the name.
    UnknownName {
        /// The name, if one was asked for.
        asked: Option<String>,
    },
    /// The address is for one virtual server, which has greeted, and another one has the name.
    NotHere {
        /// The name that was asked for.
        asked: String,
        /// Which server greeted.
        server: String,
    },
    /// The virtual server speaks none of the client's protocols.
    NoProtocol {
        /// Which server.
        server: String,
    },
    /// The virtual server has no certificate that serves.
    NoCertificate {
        /// Which server.
        server: String,
    },
    /// The client's certificate does not open this door.
    Certificate(Refusal),
    /// It does, and its holder is not among those who are let in there.
    NotAmongUsers {
        /// Which server.
        server: String,
    },
    /// There are too many connections.
    TooMany {
        /// Where: a virtual server or an address.
        at: String,
    },
    /// Too many of its host begin at once where each has a connection of the backend's to itself.
    Crowded {
        /// Which server's.
        server: String,
    },
    /// The certificate that it was shown was withdrawn before it reached a backend.
    OwnWithdrawn {
        /// Which server's.
        server: String,
    },
    /// A data connection is not its control connection's client's.
    AnothersData {
        /// Which server's.
        server: String,
    },
    /// An operator closed it before it reached a backend.
    Kicked,
    /// The backend does not answer.
    Backend {
        /// Which.
        target: String,
        /// Why not.
        source: io::Error,
    },
}

impl Refused {
    /// Every code of its own, beside those of [`Refusal`] and [`Fault`].
    pub const CODES: [&'static str; 25] = [
        "silent",
        "left_early",
        "slow_handshake",
        "not_tls",
        "unknown_protocol",
        "protocol_not_taken",
        "protocol_not_open",
        "postgresql_in_the_clear",
        "bytes_before_tls",
        "bad_proxy_header",
        "proxy_not_listed",
        "hello_too_long",
        "tls_failed",
        "connection_broke",
        "unknown_server_name",
        "name_not_here",
        "no_common_protocol",
        "no_server_certificate",
        "not_among_users",
        "too_many_connections",
        "too_many_at_once",
        "own_certificate_withdrawn",
        "data_of_another",
        "kicked",
        "backend_unreachable",
    ];

    /// Every code that a refusal may have, but for a certificate's.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        Self::CODES.into_iter().chain(Fault::CODES)
    }

    /// A stable name for metrics and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::LeftEarly => "left_early",
            Self::Slow => "slow_handshake",
            Self::NotTls => "not_tls",
            Self::UnknownProtocol => "unknown_protocol",
            Self::NotTaken { .. } => "protocol_not_taken",
            Self::NotOpen { .. } => "protocol_not_open",
            Self::InTheClear => "postgresql_in_the_clear",
            Self::EarlyBytes => "bytes_before_tls",
            Self::Upgrade(fault) => fault.code(),
            Self::Proxy(_) => "bad_proxy_header",
            Self::NotListed => "proxy_not_listed",
            Self::HelloTooLong => "hello_too_long",
            Self::Tls(_) | Self::Unmet { .. } => "tls_failed",
            Self::Broken(_) => "connection_broke",
            Self::UnknownName { .. } => "unknown_server_name",
            Self::NotHere { .. } => "name_not_here",
            Self::NoProtocol { .. } => "no_common_protocol",
            Self::NoCertificate { .. } => "no_server_certificate",
            Self::Certificate(refusal) => refusal.code(),
            Self::NotAmongUsers { .. } => "not_among_users",
            Self::TooMany { .. } => "too_many_connections",
            Self::Crowded { .. } => "too_many_at_once",
            Self::OwnWithdrawn { .. } => "own_certificate_withdrawn",
            Self::AnothersData { .. } => "data_of_another",
            Self::Kicked => "kicked",
            // Somebody on the way to it may be why.
            Self::Backend { source, .. } => match reach_error(source) {
                Some(ReachError::NoTls(fault)) => fault.code(),
                _ => "backend_unreachable",
            },
        }
    }
}

fn reach_error(error: &io::Error) -> Option<&ReachError> {
    error.get_ref()?.downcast_ref::<ReachError>()
}

impl Display for Refused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str(
                "the peer closed without a byte; a monitor that only looks whether the port is open does that",
            ),
            Self::LeftEarly => f.write_str(
                "the peer closed in the middle of the handshake; its own log says why, most often that it does not \
                 trust the CA",
            ),
            Self::Slow => f.write_str("the handshake did not end in time; look at the way to the peer"),
            Self::NotTls => {
                f.write_str("the peer does not speak TLS; have it use TLS, or another port")
            }
            Self::UnknownProtocol => f.write_str(
                "the peer speaks no protocol that shares this address; have it speak TLS, or use another port",
            ),
            Self::NotTaken { protocol } => write!(
                f,
                "this address does not take {}; add it to its `protocols`, or have the peer use another port",
                protocol.word()
            ),
            Self::NotOpen { protocol } => write!(
                f,
                "this address takes {}, and its door is not open; `handfast check` says why",
                protocol.word()
            ),
            Self::InTheClear => f.write_str(
                "a client of PostgreSQL goes on without TLS; have it connect with sslmode=verify-full",
            ),
            Self::EarlyBytes => f.write_str(
                "more came before TLS began than the question for it; the client is broken, or somebody is between",
            ),
            Self::Upgrade(fault) => fault.fmt(f),
            Self::Proxy(error) => {
                write!(f, "{error}; have it send the PROXY protocol, or take it out of `proxies`")
            }
            Self::NotListed => f.write_str(
                "the peer says by the PROXY protocol that it is a proxy; add it to `proxies`, or have it not say so",
            ),
            Self::HelloTooLong => f.write_str(
                "the peer's first message is longer than any client's; it is broken, or tries what happens",
            ),
            Self::Tls(rustls::Error::AlertReceived(alert)) => {
                write!(f, "the peer ended the handshake with the alert {alert:?}; {}", mend(*alert))
            }
            Self::Tls(error) => failed(f, error),
            Self::Unmet { what, offers } => {
                let error = what.clone().into();
                match (pki::unmet(&error), offers) {
                    (Some(unmet), Some(offers)) => {
                        write!(f, "{} ({offers}); {}", unmet.lack, unmet.mend)
                    }
                    (Some(unmet), None) => write!(f, "{}; {}", unmet.lack, unmet.mend),
                    (None, _) => failed(f, &error),
                }
            }
            Self::Broken(error) => {
                write!(f, "the connection broke in the handshake: {error}; look at the way to the peer")
            }
            Self::UnknownName { asked: Some(name) } => {
                write!(f, "no virtual server is called {name}; add it to a [[tls.server]], or mend the client")
            }
            Self::UnknownName { asked: None } => f.write_str(
                "the peer asks for no name; give one [[tls.server]] `default = true` to have such peers",
            ),
            Self::NotHere { asked, server } => write!(
                f,
                "this address is {server}'s, which greets before a name is known, and the peer asks for {asked}; have \
                 it ask for {server}, or add {asked} to the `names` of that server"
            ),
            Self::NoProtocol { server } => write!(
                f,
                "{server} speaks none of the protocols that the peer offers; add one to its `alpn`, or leave that out"
            ),
            Self::NoCertificate { server } => write!(
                f,
                "{server} has no certificate that the peer can read; `handfast check` says what it lacks"
            ),
            Self::Certificate(refusal) => refusal.fmt(f),
            Self::NotAmongUsers { server } => write!(
                f,
                "the peer's certificate holds, and its holder is not among the users of {server}; add it there to let \
                 it in"
            ),
            Self::TooMany { at } => {
                write!(f, "there are too many connections to {at}; raise its max_connections, or find out whose they are")
            }
            Self::Crowded { server } => write!(
                f,
                "too many of the peer's host come to {server} at once and do not log in; have it open fewer at a time, \
                 or find out whose they are"
            ),
            Self::OwnWithdrawn { server } => write!(
                f,
                "the certificate of {server} that the peer was shown holds no longer; its next connection is shown \
                 another"
            ),
            Self::AnothersData { server } => write!(
                f,
                "a data connection to {server} comes from another host than its control connection, or shows another \
                 certificate; have the client use one for both"
            ),
            Self::Kicked => f.write_str(
                "an operator closed it before it reached a backend; it may come back unless something else forbids it",
            ),
            Self::Backend { target, source } => {
                match reach_error(source) {
                    None | Some(ReachError::Dial(_)) => {
                        write!(f, "{target} does not answer: {source}; start it, or mend `backend`")
                    }
                    Some(why) => write!(
                        f,
                        "{target} is not reached over TLS: {why}; see to its certificate, or mend `backend_tls`"
                    ),
                }
            }
        }
    }
}

fn failed(f: &mut Formatter<'_>, error: &rustls::Error) -> fmt::Result {
    write!(f, "the handshake failed: {error}; the peer's own log says more")
}

/// What an alert of the peer's implies: it is about us.
fn mend(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::UnknownCA => {
            "it does not trust the CA: `handfast ca export` writes what it needs"
        }
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "its own log says which: it wants another name, does not trust the CA (`handfast ca export`), or its clock is behind"
        }
        AlertDescription::CertificateExpired => {
            "by its clock our certificate is over or not valid yet: compare that clock with `handfast tls list`"
        }
        _ => "its own log says more",
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::Broken(error) | Self::Backend { source: error, .. } => Some(error),
            Self::Certificate(refusal) => Some(refusal),
            Self::Proxy(error) => Some(error),
            Self::Upgrade(fault) => Some(fault),
            _ => None,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Certificate(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_says_what_to_do_and_every_code_is_listed() {
        let (at, server) = (|| "x".to_owned(), || "wiki.example.org".to_owned());
        let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
        let all = [
            Refused::Silent,
            Refused::LeftEarly,
            Refused::Slow,
            Refused::NotTls,
            Refused::UnknownProtocol,
            Refused::NotTaken { protocol: Protocol::Http },
            Refused::NotOpen { protocol: Protocol::OpenVpn },
            Refused::InTheClear,
            Refused::EarlyBytes,
            Refused::Proxy(NotProxied::Missing),
            Refused::NotListed,
            Refused::HelloTooLong,
            Refused::Tls(rustls::Error::DecryptError),
            Refused::Broken(broken()),
            Refused::UnknownName { asked: None },
            Refused::NotHere { asked: at(), server: server() },
            Refused::NoProtocol { server: server() },
            Refused::NoCertificate { server: server() },
            Refused::NotAmongUsers { server: server() },
            Refused::TooMany { at: at() },
            Refused::Crowded { server: server() },
            Refused::OwnWithdrawn { server: server() },
            Refused::AnothersData { server: server() },
            Refused::Kicked,
            Refused::Backend { target: at(), source: broken() },
        ];
        assert_eq!(all.each_ref().map(Refused::code), Refused::CODES);
        assert!(all.iter().all(|refused| refused.to_string().contains("; ")));
    }

    #[test]
    fn a_backend_whose_certificate_does_not_do_is_told_from_one_that_is_not_there() {
        let of = |source| Refused::Backend { target: "tls:a:1".to_owned(), source }.to_string();
        let (lacking, gone) = (io::Error::other(ReachError::Pin), io::ErrorKind::TimedOut.into());
        assert!(
            of(lacking)
                .ends_with("is not the pinned one; see to its certificate, or mend `backend_tls`")
        );
        assert!(of(gone).starts_with("tls:a:1 does not answer: "));
        let source = io::Error::other(ReachError::NoTls(Fault::NotOffered));
        let stripped = Refused::Backend { target: "imap://a:143".to_owned(), source };
        assert_eq!(stripped.code(), "starttls_not_offered");
    }

    #[test]
    fn an_alert_is_the_peers_word_and_about_us() {
        let of = |alert| Refused::Tls(rustls::Error::AlertReceived(alert)).to_string();
        let distrust = of(AlertDescription::UnknownCA);
        assert!(distrust.starts_with("the peer ended") && distrust.contains("ca export"));
        assert!(of(AlertDescription::DecodeError).ends_with("its own log says more"));
    }
}
