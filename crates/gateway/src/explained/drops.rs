//! Packets that are dropped without a word, as stories: nobody hears of them, so the counters are all that is known.
//!
//! A client whose packets end here waits and gives up, and only this side can say why. Invariant: every `match` names
//! all reasons, so that a new one does not compile before it has its story.

use engine::{DropCause, StreamEnd};
use explain::Side;
use explain::catalogue::Kind;
use explain::kept::Verdict;
use tunnel::DropReason;
use wire::tls_auth::{AuthDigest, Suspect};

use super::reasons;

/// The verdict of packets that are counted under this code.
pub(crate) fn verdict(code: &str) -> Option<Verdict> {
    let (sentence, mends) = suspected(code)
        .or_else(|| control(code))
        .or_else(|| data(code))
        .or_else(|| connection(code))
        .or_else(|| machine(code))?;
    Some(Verdict {
        code: code.to_owned(),
        by: Some(Side::Server),
        after: KNOCK,
        sentence,
        mends: mends.iter().map(|mend| (*mend).to_owned()).collect(),
    })
}

/// Over what they came, as far as the cause tells.
pub(crate) fn transport(code: &str) -> &'static str {
    let is_of_streams = StreamEnd::ALL.into_iter().any(|end| end.code() == code);
    match is_of_streams || code.starts_with("tcp_") {
        true => "tcp",
        // What looks at codes before there is a session reads datagrams.
        false if suspected(code).is_some() => "udp",
        false => "udp or tcp",
    }
}

type Told = (String, &'static [&'static str]);

const KNOCK: &[Kind] = &[Kind::NotKept];
const NOTHING: &[&str] = &["Nothing: a few of these are the weather of the internet."];
const FLOOD: &[&str] = &["Many of these: somebody with the tls-auth key floods the gateway."];
const PROFILE: &[&str] =
    &["If it is a user, the profile is another gateway's or an old one: fetch it again."];
const REPORT: &[&str] = &["Report it with the gateway's log: it is our fault."];

/// Packets whose code does not fit, of which some are looked at closely.
fn suspected(code: &str) -> Option<Told> {
    let suspect = match code {
        "wrong_tls_auth" => None,
        "wrong_tls_auth_key" => Some(Suspect::Key),
        "wrong_key_direction" => Some(Suspect::KeyDirection),
        "wrong_auth_digest" => Some(Suspect::Digest(AuthDigest::Sha512)),
        _ => return None,
    };
    Some(match suspect {
        None => ("the code on a control packet does not fit our tls-auth key".to_owned(), PROFILE),
        Some(suspect) => (suspect.to_string(), of_suspect(suspect)),
    })
}

fn of_suspect(suspect: Suspect) -> &'static [&'static str] {
    match suspect {
        Suspect::Key => &[
            "The client gets no answer and sees a timeout. If a user complains, the profile is an old one or another gateway's: fetch it again.",
            "If nobody complains, it was a scanner: nothing is to be done.",
        ],
        Suspect::KeyDirection => &["Write `key-direction 1` into the client's profile."],
        Suspect::Digest(_) => &[
            "Write `auth` into the client's profile as `vpn.auth` has it here, or fetch the profile again.",
        ],
    }
}

fn control(code: &str) -> Option<Told> {
    let reason = DropReason::ALL.into_iter().find(|reason| reason.code() == code)?;
    let mends = match reason {
        DropReason::WrongWrapping => PROFILE,
        DropReason::Malformed
        | DropReason::UnexpectedOpcode
        | DropReason::KeyIdOutOfSync
        | DropReason::BadMessageId
        | DropReason::BeyondWindow
        | DropReason::WrongSession
        | DropReason::WrongAckedSession
        | DropReason::ZeroSession
        | DropReason::NoCookie
        | DropReason::AlreadyAnswered
        | DropReason::CookieSpent
        | DropReason::SessionEnded => NOTHING,
        DropReason::Replayed => {
            &["Many of these: somebody replays what was recorded, in vain."][..]
        }
        DropReason::WrongCookie => &["Many of these: invented addresses, in vain."][..],
        DropReason::RateLimited | DropReason::Busy => FLOOD,
        DropReason::RenegotiationTooSoon => {
            &["See `reneg-sec` of the client: it is very small."][..]
        }
        DropReason::AheadOfClock => &[
            "Compare `date -u` on the gateway with a clock that is right: its own may be behind. Many of these: forged packets.",
        ][..],
    };
    Some((reason.to_string(), mends))
}

fn data(code: &str) -> Option<Told> {
    let cause = DropCause::ALL.into_iter().find(|cause| cause.code() == code)?;
    let mends = match cause {
        DropCause::TooShort
        | DropCause::UnknownKey
        | DropCause::PacketIdZero
        | DropCause::Replayed
        | DropCause::FloatRefused
        | DropCause::LinkLocal
        | DropCause::NoSealKey
        | DropCause::Forged
        | DropCause::ByRule => NOTHING,
        DropCause::UnknownPeer => {
            &["Nothing: after a restart clients send on until they notice."][..]
        }
        DropCause::TooOld => &["The line of this client brings packets far out of order."][..],
        DropCause::KeyUsedUp => REPORT,
        DropCause::NotIp => &["See whether the client's profile has `dev tap`."][..],
        DropCause::ForeignSource => {
            &["The client forwards for others, which this version does not take."][..]
        }
        DropCause::NoRoute => &["Nothing: the subscriber is not connected."][..],
        DropCause::PeerToPeer => {
            &["Set `vpn.client_to_client` if subscribers may reach each other."][..]
        }
        DropCause::SinkFull => &["A full line; steady: a machine that is too slow."][..],
        DropCause::BadOffload => &["Set `vpn.without = [\"tun\"]`, and report it."][..],
        DropCause::HandOver => &["Normal in bursts: see `data path` in `handfast status`."][..],
    };
    Some((cause.to_string(), mends))
}

fn connection(code: &str) -> Option<Told> {
    let end = StreamEnd::ALL.into_iter().find(|end| end.code() == code)?;
    Some((end.to_string(), reasons::of_stream(end).mends))
}

/// What has a counter of its own.
fn machine(code: &str) -> Option<Told> {
    let (sentence, mends): (_, &'static [&'static str]) = match code {
        "malformed_control" => ("what came was no control packet", NOTHING),
        "control_overflow" => ("more control packets came than can be handled", FLOOD),
        "send_errors" => (
            "the system did not take a datagram that was to be sent",
            &["See the route to the client: `ip route get`."],
        ),
        "tun_errors" => (
            "the system did not take a packet out of the tunnel",
            &["See whether the interface is up: `ip link`."],
        ),
        "tcp_queue_full" => (
            "a subscriber's TCP connection did not take what waits for it",
            &["Its line is slower than what it asks for; what is inside slows down by that."],
        ),
        "tcp_gone" => ("a TCP connection had ended just before", NOTHING),
        "tcp_accept_pauses" => (
            "no TCP connection was taken for a moment, as no file descriptor was left",
            &["Raise `LimitNOFILE`, or lower `vpn.max_sessions`."],
        ),
        _ => return None,
    };
    Some((sentence.to_owned(), mends))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of docs/operation.md, which a test holds against what is counted.
    const OPERATION: &str = include_str!("../../../../docs/operation.md");

    #[test]
    fn every_cause_that_is_counted_has_a_story_with_a_mend() {
        let (_, table) = OPERATION.split_once("| cause | what it means | what to do |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let codes: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
        assert!(codes.len() > 40, "{codes:?}");
        for code in codes {
            let verdict = verdict(code).unwrap_or_else(|| panic!("{code} has no story"));
            assert!(!verdict.sentence.is_empty() && !verdict.mends.is_empty(), "{code}");
        }
        assert!(verdict("weather").is_none());
    }

    #[test]
    fn what_only_a_stream_can_do_came_over_tcp() {
        let of = ["tcp_long_frame", "tcp_accept_pauses", "wrong_tls_auth_key", "replayed"];
        assert_eq!(of.map(transport), ["tcp", "tcp", "udp", "udp or tcp"]);
    }
}
