//! Why a control packet was dropped: a closed list, for counters and tests.

use std::fmt;

/// Why a control packet had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// Not long enough, or not a control packet.
    Malformed,
    /// The control-channel key did not fit: wrong tls-auth key, direction or digest.
    WrongWrapping,
    /// Its replay stamp was seen or is too old.
    Replayed,
    /// An opcode that this role or this place does not take.
    UnexpectedOpcode,
    /// A key id that is neither the present nor the next generation.
    KeyIdOutOfSync,
    /// A message id that cannot be, such as a reset that is not message 0.
    BadMessageId,
    /// Beyond the receive window.
    BeyondWindow,
    /// From another session id than the peer's.
    WrongSession,
    /// Acknowledges packets of another session than ours.
    WrongAckedSession,
    /// The session id is all zero.
    ZeroSession,
    /// Gate: the cookie is not ours, is for another address, or is too old.
    WrongCookie,
    /// Gate: no acknowledgement of our reset in the third packet.
    NoCookie,
    /// Gate: a valid reset that was answered before.
    AlreadyAnswered,
    /// Gate: a cookie that has made a session before.
    CookieSpent,
    /// Gate: too many answers to this source prefix.
    RateLimited,
    /// Gate: all places for handshakes are taken. The client asks again.
    Busy,
    /// A renegotiation that follows the last one too closely, or comes before the first key.
    RenegotiationTooSoon,
    /// Stamped with a time that has not come.
    AheadOfClock,
    /// The session has ended.
    SessionEnded,
}

impl DropReason {
    /// Every reason, for counters.
    pub const ALL: [DropReason; 19] = [
        DropReason::Malformed,
        DropReason::WrongWrapping,
        DropReason::Replayed,
        DropReason::UnexpectedOpcode,
        DropReason::KeyIdOutOfSync,
        DropReason::BadMessageId,
        DropReason::BeyondWindow,
        DropReason::WrongSession,
        DropReason::WrongAckedSession,
        DropReason::ZeroSession,
        DropReason::WrongCookie,
        DropReason::NoCookie,
        DropReason::AlreadyAnswered,
        DropReason::CookieSpent,
        DropReason::RateLimited,
        DropReason::Busy,
        DropReason::RenegotiationTooSoon,
        DropReason::AheadOfClock,
        DropReason::SessionEnded,
    ];

    /// A stable snake_case name for counters.
    pub fn code(self) -> &'static str {
        match self {
            DropReason::Malformed => "malformed",
            DropReason::WrongWrapping => "wrong_wrapping",
            DropReason::Replayed => "replayed",
            DropReason::UnexpectedOpcode => "unexpected_opcode",
            DropReason::KeyIdOutOfSync => "key_id_out_of_sync",
            DropReason::BadMessageId => "bad_message_id",
            DropReason::BeyondWindow => "beyond_window",
            DropReason::WrongSession => "wrong_session",
            DropReason::WrongAckedSession => "wrong_acked_session",
            DropReason::ZeroSession => "zero_session",
            DropReason::WrongCookie => "wrong_cookie",
            DropReason::NoCookie => "no_cookie",
            DropReason::AlreadyAnswered => "already_answered",
            DropReason::CookieSpent => "cookie_spent",
            DropReason::RateLimited => "rate_limited",
            DropReason::Busy => "busy",
            DropReason::RenegotiationTooSoon => "renegotiation_too_soon",
            DropReason::AheadOfClock => "ahead_of_clock",
            DropReason::SessionEnded => "session_ended",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::Malformed => "not a control packet",
            DropReason::WrongWrapping => "the control-channel key does not fit",
            DropReason::Replayed => "replayed",
            DropReason::UnexpectedOpcode => "an opcode that does not belong here",
            DropReason::KeyIdOutOfSync => "key ids out of sync",
            DropReason::BadMessageId => "an impossible message id",
            DropReason::BeyondWindow => "beyond the receive window",
            DropReason::WrongSession => "another session id than the peer's",
            DropReason::WrongAckedSession => "acknowledges another session",
            DropReason::ZeroSession => "the session id is zero",
            DropReason::WrongCookie => "the cookie is not valid for this address and time",
            DropReason::NoCookie => "no cookie came back",
            DropReason::AlreadyAnswered => "this reset was answered before",
            DropReason::CookieSpent => "this cookie has made a session before",
            DropReason::RateLimited => "too many answers to this source",
            DropReason::Busy => "too many handshakes at once",
            DropReason::RenegotiationTooSoon => "a renegotiation too soon",
            DropReason::AheadOfClock => "stamped with a time that has not come",
            DropReason::SessionEnded => "the session has ended",
        })
    }
}

impl std::error::Error for DropReason {}
