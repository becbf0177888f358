//! Why a TCP connection ended, typed, with one sentence each and a stable code for counters.

use std::fmt;
use std::io::ErrorKind;

/// Why a TCP connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The peer closed it.
    PeerClosed,
    /// It broke, here or on its way.
    Broken(ErrorKind),
    /// The peer announced a packet of no bytes.
    EmptyFrame,
    /// The peer announced a packet that is longer than any.
    LongFrame,
    /// A control packet failed the tls-auth check.
    Forged,
    /// A data packet came before there was a session.
    EarlyData,
    /// More came than it takes to begin a session, and none began.
    TooMuch,
    /// No session began in time.
    TooSlow,
    /// It had no session, and its place was needed.
    Evicted,
    /// Its session was over.
    Closed,
    /// It was gone before its session began.
    Gone,
    /// Handling its packets panicked.
    InternalError,
}

impl StreamEnd {
    /// Every reason, for counters.
    pub const ALL: [StreamEnd; 12] = [
        StreamEnd::PeerClosed,
        StreamEnd::Broken(ErrorKind::Other),
        StreamEnd::EmptyFrame,
        StreamEnd::LongFrame,
        StreamEnd::Forged,
        StreamEnd::EarlyData,
        StreamEnd::TooMuch,
        StreamEnd::TooSlow,
        StreamEnd::Evicted,
        StreamEnd::Closed,
        StreamEnd::Gone,
        StreamEnd::InternalError,
    ];

    /// Whether it is more than the usual end: something that the peer did wrong, or that was lacking.
    pub fn is_fault(self) -> bool {
        !matches!(self, StreamEnd::PeerClosed | StreamEnd::Closed)
    }

    /// Whether the peer's end of it was closed; whoever leaves with bytes unread resets it.
    pub(crate) fn is_the_peers_doing(self) -> bool {
        let reset = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        match self {
            StreamEnd::PeerClosed => true,
            StreamEnd::Broken(kind) => reset.contains(&kind),
            _ => false,
        }
    }

    /// A stable snake_case name for counters and JSON.
    pub fn code(self) -> &'static str {
        match self {
            StreamEnd::PeerClosed => "tcp_closed_by_peer",
            StreamEnd::Broken(_) => "tcp_broken",
            StreamEnd::EmptyFrame => "tcp_empty_frame",
            StreamEnd::LongFrame => "tcp_long_frame",
            StreamEnd::Forged => "tcp_forged_control",
            StreamEnd::EarlyData => "tcp_early_data",
            StreamEnd::TooMuch => "tcp_too_much_without_session",
            StreamEnd::TooSlow => "tcp_no_session_in_time",
            StreamEnd::Evicted => "tcp_evicted",
            StreamEnd::Closed => "tcp_closed",
            StreamEnd::Gone => "tcp_gone_before_session",
            StreamEnd::InternalError => "internal_error",
        }
    }
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StreamEnd::PeerClosed => "the peer closed the TCP connection",
            StreamEnd::Broken(kind) => return write!(f, "the TCP connection broke: {kind}"),
            StreamEnd::EmptyFrame => "the peer announced a packet of no bytes over TCP",
            StreamEnd::LongFrame => "the peer announced a packet over TCP that is too long for any",
            StreamEnd::Forged => {
                "a control packet over TCP failed the tls-auth check; the peer has another key"
            }
            StreamEnd::EarlyData => "a data packet came over TCP before there was a session",
            StreamEnd::TooMuch => "much came over TCP, and no session began",
            StreamEnd::TooSlow => "no session began over TCP in time",
            StreamEnd::Evicted => "the TCP connection had no session, and its place was needed",
            StreamEnd::Closed => "the TCP connection was closed with its session",
            StreamEnd::Gone => "the TCP connection was gone before its session began",
            StreamEnd::InternalError => {
                "an internal error ended the TCP connection; please report the log"
            }
        })
    }
}
