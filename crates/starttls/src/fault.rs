//! Why a connection does not come to TLS: one closed type for both sides.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

/// Why a connection does not come to TLS. Displays as one sentence: what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer left before TLS began.
    Left,
    /// Octets in the clear stood where TLS has to begin.
    Injected,
    /// A line or a message has no end.
    TooLong,
    /// The peer goes on and on without asking for TLS.
    TooMany,
    /// It is not the protocol.
    Malformed,
    /// The client wants to go on in the clear.
    InTheClear,
    /// The service has no TLS to offer, or somebody between took the offer away.
    NotOffered,
    /// The service offers TLS and does not begin it; this is what it says.
    Declined(String),
    /// The service takes no connection now; this is what it says.
    Unready(String),
    /// The backend is to be told who the client is, and takes no word for it.
    NotIntroduced,
}

impl Fault {
    /// Every code.
    pub const CODES: [&'static str; 10] = [
        "left_before_tls",
        "injected_before_tls",
        "line_too_long",
        "too_many_commands",
        "not_the_protocol",
        "insists_on_plaintext",
        "starttls_not_offered",
        "starttls_declined",
        "service_not_ready",
        "xclient_not_taken",
    ];

    /// A stable name for metrics and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Left => "left_before_tls",
            Self::Injected => "injected_before_tls",
            Self::TooLong => "line_too_long",
            Self::TooMany => "too_many_commands",
            Self::Malformed => "not_the_protocol",
            Self::InTheClear => "insists_on_plaintext",
            Self::NotOffered => "starttls_not_offered",
            Self::Declined(_) => "starttls_declined",
            Self::Unready(_) => "service_not_ready",
            Self::NotIntroduced => "xclient_not_taken",
        }
    }

    /// What is wrong.
    pub fn what(&self) -> String {
        let what = match self {
            Self::Left => "the peer left before TLS began",
            Self::Injected => "octets in the clear stood where TLS has to begin",
            Self::TooLong => "the peer sent a line or a message without an end",
            Self::TooMany => "the peer goes on and on without beginning TLS",
            Self::Malformed => "the peer does not speak the protocol",
            Self::InTheClear => "the client wants to go on without TLS",
            Self::NotOffered => "the service offers no STARTTLS",
            Self::NotIntroduced => "the backend does not let itself be told who the client is",
            Self::Declined(said) => {
                return format!("the service offers STARTTLS and does not begin: {said}");
            }
            Self::Unready(said) => return format!("the service takes no connection: {said}"),
        };
        what.to_owned()
    }

    /// What to do.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Left => "its own log says why; have it use STARTTLS",
            Self::Injected => {
                "somebody between may have put them in: find out who; a client that sends too early has a fault"
            }
            Self::TooLong | Self::TooMany => "it is broken, or tries what happens",
            Self::Malformed => "see that both sides mean the same protocol and port",
            Self::InTheClear => "have the client use STARTTLS, or require it",
            Self::NotOffered => {
                "turn TLS on there; where it is on, somebody between takes the offer away"
            }
            Self::Declined(_) => "the service's own log says more",
            Self::Unready(_) => "wait, or look at the service",
            Self::NotIntroduced => {
                "list this machine in its smtpd_authorized_xclient_hosts, or take `xclient` away"
            }
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), self.mend())
    }
}

impl Error for Fault {}

/// What a peer said, for people: short, and nothing that a terminal obeys.
pub(crate) fn quoted(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(&said[..said.len().min(LONGEST)]);
    text.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_and_every_sentence_says_what_to_do() {
        let said = || "x".to_owned();
        let all = [
            Fault::Left,
            Fault::Injected,
            Fault::TooLong,
            Fault::TooMany,
            Fault::Malformed,
            Fault::InTheClear,
            Fault::NotOffered,
            Fault::Declined(said()),
            Fault::Unready(said()),
            Fault::NotIntroduced,
        ];
        assert_eq!(all.each_ref().map(Fault::code), Fault::CODES);
        assert!(all.iter().all(|fault| fault.to_string().contains("; ")));
    }

    #[test]
    fn what_a_peer_said_moves_no_cursor() {
        assert_eq!(quoted(b"550 no\x1b[2J\r\n"), "550 no?[2J");
        assert_eq!(quoted(&[b'a'; 5000]).len(), LONGEST);
    }
}
