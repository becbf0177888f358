//! Packets that are dropped without a word, as stories: nobody hears of them, so the counters are all that is known.
//!
//! A client whose knock ends here waits and gives up, and only this side can say why. All other drops leave handshakes
//! and sessions as they are. Invariant: every `match` names all reasons, so that a new one does not compile before it
//! has its story and its kind.

use engine::{DropCause, LastFrom, StreamEnd};
use explain::Side;
use explain::catalogue::Kind;
use explain::kept::{Dropped, Outcome, Verdict};
use tunnel::DropReason;
use wire::tls_auth::{AuthDigest, Suspect};

use super::reasons;

/// What has become of whatever is counted under this code.
pub(crate) fn outcome(code: &str) -> Option<Outcome> {
    let ends_there = |(sentence, mends): Told, by| {
        Outcome::Over(Verdict { after: KNOCK, ..told(code, by, sentence, mends) })
    };
    let suspect = suspected(code).map(|said| ends_there(said, GATEWAY));
    let one = || {
        let (what, (sentence, mends)) =
            control(code).or_else(|| data(code)).or_else(|| machine(code))?;
        Some(Outcome::Dropped { what, why: told(code, GATEWAY, sentence, mends) })
    };
    let stream = || {
        let end = StreamEnd::ALL.into_iter().find(|end| end.code() == code)?;
        let of_stream = reasons::of_stream(end);
        Some(ends_there((end.to_string(), of_stream.mends), of_stream.by))
    };
    suspect.or_else(one).or_else(stream)
}

/// What is counted, before the count.
pub(crate) fn counted(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Dropped { what: Dropped::Waiting, .. } => "how often, since the start",
        Outcome::Dropped { what: Dropped::Own, .. } => "dropped, since the start",
        Outcome::Over(why) if is_of_streams(&why.code) => {
            "connections that ended so, since the start"
        }
        _ => "dropped without an answer, since the start",
    }
}

fn told(code: &str, by: Option<Side>, sentence: String, mends: Mends) -> Verdict {
    let mends = mends.iter().map(|mend| (*mend).to_owned()).collect();
    Verdict { code: code.to_owned(), by, after: &[], sentence, mends }
}

/// Over what they came, as far as the cause tells, or the last of them.
pub(crate) fn transport(code: &str, last: Option<LastFrom>) -> &'static str {
    match (is_of_streams(code) || code.starts_with("tcp_"), last.map(|last| last.over_tcp)) {
        (true, _) | (false, Some(true)) => "tcp",
        (false, Some(false)) => "udp",
        (false, None) => "udp or tcp",
    }
}

fn is_of_streams(code: &str) -> bool {
    StreamEnd::ALL.into_iter().any(|end| end.code() == code)
}

type Mends = &'static [&'static str];
type Told = (String, Mends);

const GATEWAY: Option<Side> = Some(Side::Server);
const KNOCK: &[Kind] = &[Kind::NotKept];
const NOTHING: &[&str] = &["Nothing: a few of these are the weather of the internet."];
const LINE: &[&str] =
    &["Nothing: a few of these come with every line that loses or reorders packets."];
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
            "The client gets no answer: over UDP it waits in vain, over TCP its connection is closed. If a user complains, the profile is an old one or another gateway's: fetch it again.",
            "If nobody complains, it was most likely a scanner: nothing is to be done.",
        ],
        Suspect::KeyDirection => &["Write `key-direction 1` into the client's profile."],
        Suspect::Digest(_) => &[
            "Write `auth` into the client's profile as `vpn.auth` has it here, or fetch the profile again.",
        ],
    }
}

fn control(code: &str) -> Option<(Dropped, Told)> {
    let reason = DropReason::ALL.into_iter().find(|reason| reason.code() == code)?;
    let (what, mends) = match reason {
        DropReason::WrongWrapping => (Dropped::Any, PROFILE),
        DropReason::Malformed
        | DropReason::UnexpectedOpcode
        | DropReason::KeyIdOutOfSync
        | DropReason::BadMessageId
        | DropReason::ZeroSession => (Dropped::Any, NOTHING),
        DropReason::NoCookie | DropReason::AlreadyAnswered | DropReason::CookieSpent => {
            (Dropped::Strangers, NOTHING)
        }
        DropReason::WrongCookie => {
            (Dropped::Strangers, &["Many of these: invented addresses, in vain."][..])
        }
        DropReason::RateLimited | DropReason::Busy => (Dropped::Strangers, FLOOD),
        DropReason::BeyondWindow
        | DropReason::WrongSession
        | DropReason::WrongAckedSession
        | DropReason::SessionEnded => (Dropped::Control, LINE),
        DropReason::RenegotiationTooSoon => {
            (Dropped::Control, &["See `reneg-sec` of the client: it is very small."][..])
        }
        DropReason::AheadOfClock => (
            Dropped::Control,
            &[
                "Compare `date -u` on the gateway with a clock that is right: its own may be behind. Many of these: forged packets.",
            ][..],
        ),
        // Data packets are counted under the same name.
        DropReason::Replayed => (
            Dropped::Sessions,
            &["Many of these: somebody replays what was recorded, in vain."][..],
        ),
    };
    Some((what, (reason.to_string(), mends)))
}

fn data(code: &str) -> Option<(Dropped, Told)> {
    let cause = DropCause::ALL.into_iter().find(|cause| cause.code() == code)?;
    let (what, mends) = match cause {
        DropCause::TooShort => (Dropped::Any, NOTHING),
        DropCause::UnknownPeer => (
            Dropped::Strangers,
            &["Nothing: after a restart clients send on until they notice."][..],
        ),
        DropCause::Replayed => (Dropped::Sessions, LINE),
        DropCause::UnknownKey
        | DropCause::PacketIdZero
        | DropCause::FloatRefused
        | DropCause::Forged
        | DropCause::ByRule => (Dropped::Data, LINE),
        DropCause::LinkLocal => (
            Dropped::Data,
            &[
                "Nothing: systems ask for IPv6 neighbours on every interface, and in a tunnel there are none.",
            ][..],
        ),
        DropCause::TooOld => {
            (Dropped::Data, &["The line of this client brings packets far out of order."][..])
        }
        DropCause::KeyUsedUp => (Dropped::Data, REPORT),
        DropCause::NotIp => {
            (Dropped::Data, &["See whether the client's profile has `dev tap`."][..])
        }
        DropCause::ForeignSource => (
            Dropped::Data,
            &["The client forwards for others, which this version does not take."][..],
        ),
        DropCause::PeerToPeer => (
            Dropped::Data,
            &["Set `vpn.client_to_client` if subscribers may reach each other."][..],
        ),
        DropCause::NoSealKey => (Dropped::Own, &["Nothing: its handshake is not over yet."][..]),
        DropCause::NoRoute => (Dropped::Own, &["Nothing: the subscriber is not connected."][..]),
        DropCause::SinkFull => {
            (Dropped::Own, &["A full line; steady: a machine that is too slow."][..])
        }
        DropCause::BadOffload => {
            (Dropped::Own, &["Set `vpn.without = [\"tun\"]`, and report it."][..])
        }
        DropCause::HandOver => {
            (Dropped::Own, &["Normal in bursts: see `data path` in `handfast status`."][..])
        }
    };
    Some((what, (cause.to_string(), mends)))
}

/// What has a counter of its own.
fn machine(code: &str) -> Option<(Dropped, Told)> {
    let (what, sentence, mends): (_, _, Mends) = match code {
        "malformed_control" => (Dropped::Any, "what came was no control packet", NOTHING),
        "control_overflow" => {
            (Dropped::Any, "more control packets came than can be handled", FLOOD)
        }
        "send_errors" => (
            Dropped::Own,
            "the system did not take a datagram that was to be sent",
            &["See the route to the client: `ip route get`."],
        ),
        "tun_errors" => (
            Dropped::Own,
            "the system did not take a packet out of the tunnel",
            &["See whether the interface is up: `ip link`."],
        ),
        "tcp_queue_full" => (
            Dropped::Own,
            "a subscriber's TCP connection did not take what waits for it",
            &["Its line is slower than what it asks for; what is inside slows down by that."],
        ),
        "tcp_gone" => (Dropped::Own, "a TCP connection had ended just before", LINE),
        "tcp_accept_pauses" => (
            Dropped::Waiting,
            "no TCP connection was taken for a moment, as no file descriptor was left",
            &["Raise `LimitNOFILE`, or lower `vpn.max_sessions`."],
        ),
        _ => return None,
    };
    Some((what, (sentence.to_owned(), mends)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The table of docs/operation.md, which a test holds against what is counted.
    const OPERATION: &str = include_str!("../../../../docs/operation.md");

    #[test]
    fn every_cause_that_is_counted_has_a_story_with_a_mend_and_its_kind() {
        let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for code in counted_codes() {
            let outcome = outcome(code).unwrap_or_else(|| panic!("{code} has no story"));
            let (kind, verdict) = match outcome {
                Outcome::Over(verdict) => ("knock".to_owned(), verdict),
                Outcome::Dropped { what, why } => (format!("{what:?}"), why),
                other => panic!("{code}: {other:?}"),
            };
            assert!(!verdict.sentence.is_empty() && !verdict.mends.is_empty(), "{code}");
            kinds.entry(kind).or_default().push(code);
        }
        kinds.values_mut().for_each(|codes| codes.sort_unstable());
        let sorted: Vec<(&str, Vec<&str>)> =
            kinds.iter().map(|(kind, codes)| (kind.as_str(), codes.clone())).collect();
        let expected =
            KINDS.map(|(kind, codes)| (kind, codes.split_whitespace().collect::<Vec<_>>()));
        assert_eq!(sorted, expected);
        assert!(outcome("weather").is_none());
    }

    /// Whoever knocks and gets no further; and what of a packet that is dropped its count tells.
    const KINDS: [(&str, &str); 8] = [
        (
            "Any",
            "bad_message_id control_overflow key_id_out_of_sync malformed malformed_control too_short unexpected_opcode wrong_wrapping zero_session",
        ),
        (
            "Control",
            "ahead_of_clock beyond_window renegotiation_too_soon session_ended wrong_acked_session wrong_session",
        ),
        (
            "Data",
            "by_rule float_refused foreign_source forged key_used_up link_local not_ip packet_id_zero peer_to_peer too_old unknown_key",
        ),
        (
            "Own",
            "bad_offload hand_over no_route no_seal_key send_errors sink_full tcp_gone tcp_queue_full tun_errors",
        ),
        ("Sessions", "replayed"),
        (
            "Strangers",
            "already_answered busy cookie_spent no_cookie rate_limited unknown_peer wrong_cookie",
        ),
        ("Waiting", "tcp_accept_pauses"),
        (
            "knock",
            "internal_error tcp_broken tcp_closed tcp_closed_by_peer tcp_early_data tcp_empty_frame tcp_evicted tcp_forged_control tcp_gone_before_session tcp_long_frame tcp_no_session_in_time tcp_too_much_without_session wrong_auth_digest wrong_key_direction wrong_tls_auth wrong_tls_auth_key",
        ),
    ];

    fn counted_codes() -> Vec<&'static str> {
        let (_, table) = OPERATION.split_once("| cause | what it means | what to do |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let codes: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
        assert!(codes.len() > 40, "{codes:?}");
        codes.into_iter().chain(StreamEnd::ALL.map(StreamEnd::code)).collect()
    }

    #[test]
    fn a_stream_that_its_client_closed_was_not_refused_by_the_gateway() {
        let by = |code: &str| match outcome(code) {
            Some(Outcome::Over(verdict)) => verdict.by,
            other => panic!("{other:?}"),
        };
        assert_eq!(by("tcp_closed_by_peer"), Some(Side::Client));
        assert_eq!((by("tcp_broken"), by("tcp_long_frame")), (None, GATEWAY));
    }

    #[test]
    fn what_only_a_stream_can_do_came_over_tcp() {
        let of = ["tcp_long_frame", "tcp_accept_pauses", "wrong_tls_auth_key", "replayed"];
        assert_eq!(
            of.map(|code| transport(code, None)),
            ["tcp", "tcp", "udp or tcp", "udp or tcp"]
        );
        let last = |over_tcp| {
            let source = "192.0.2.1:1".parse().unwrap();
            Some(LastFrom { boot: std::time::Duration::ZERO, source, over_tcp })
        };
        assert_eq!(
            [true, false].map(|over| transport("wrong_tls_auth_key", last(over))),
            ["tcp", "udp"]
        );
    }
}
