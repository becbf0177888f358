//! Why a connection of the VPN's door was refused or ended, as its story tells it: at which step, whose decision it was,
//! what mends it. What happened is said by the reason itself, in the words of log and status.
//!
//! Invariant: every `match` names all reasons, so that a new one does not compile before it has its story.

use engine::{Denied, DisconnectReason, StreamEnd};
use explain::Side;
use explain::catalogue::Kind;
use explain::kept::Verdict;
use pki::Refusal;
use rustls::AlertDescription;
use tunnel::{Close, EndReason, Misbehaviour, Progress};
use wire::options::Framing;

/// Where it ended, by whom, and what to do.
pub(super) struct Told {
    after: &'static [Kind],
    by: Option<Side>,
    pub(super) mends: &'static [&'static str],
}

const GATEWAY: Option<Side> = Some(Side::Server);
const CLIENT: Option<Side> = Some(Side::Client);
const NOBODY: Option<Side> = None;

/// Steps that something may follow on.
const KNOCK: &[Kind] = &[Kind::NotKept, Kind::ClientReset, Kind::ServerReset, Kind::CookieReturned];
const HELLOS: &[Kind] = &[Kind::CookieReturned, Kind::ClientHello, Kind::SecondClientHello];
const SERVER_SHOWN: &[Kind] = &[
    Kind::ServerHello,
    Kind::ServerHelloOld,
    Kind::ServerCertificate,
    Kind::ServerCertificateVerify,
    Kind::ServerHelloDone,
    Kind::ServerFinished,
];
const CLIENT_SHOWN: &[Kind] = &[
    Kind::ClientHello,
    Kind::ClientCertificate,
    Kind::NoClientCertificate,
    Kind::ClientCertificateVerify,
];
const FINISHED: &[Kind] = &[Kind::ServerFinished, Kind::ClientFinished];
const ASKED: &[Kind] = &[Kind::ClientKeyMessage];
const PUSHED: &[Kind] = &[Kind::ServerKeyMessage, Kind::PushReply];
const ALERTED: &[Kind] = &[Kind::Alert];
const ANY: &[Kind] = &[];

const NOTHING: &[&str] = &["Nothing needs to be done."];
const REPORT: &[&str] = &["Report it with the gateway's log: it is our fault."];
const NEW_PROFILE: &[&str] = &["Give the device a new profile: `handfast profile --renew`."];
const FLOOD: &[&str] = &[
    "If many of these come, somebody with the tls-auth key floods the gateway.",
    "Clients that are let in by right try again by themselves.",
];

/// The verdict of a reason, in the words that the log has for it.
pub(crate) fn verdict(why: &DisconnectReason) -> Verdict {
    let Told { after, by, mends } = of_connection(why);
    Verdict {
        code: why.code().to_owned(),
        by,
        after,
        sentence: why.to_string(),
        mends: mends.iter().map(|mend| (*mend).to_owned()).collect(),
    }
}

fn of_connection(why: &DisconnectReason) -> Told {
    let (after, by, mends) = match why {
        DisconnectReason::Session(reason) => match why.refusal() {
            Some(refusal) => return Told { after: CLIENT_SHOWN, ..of_refusal(&refusal) },
            None => return of_end(reason),
        },
        DisconnectReason::RefusedInTls(refused) => {
            return Told { after: CLIENT_SHOWN, ..of_refusal(&refused.refusal) };
        }
        DisconnectReason::Refused(denied) => return of_denied(denied),
        // Whatever was said in the handshake, this came later.
        DisconnectReason::Withdrawn(denied) => return Told { after: ANY, ..of_denied(denied) },
        DisconnectReason::Connection(end) => return of_stream(*end),
        DisconnectReason::Replaced => (
            ANY,
            GATEWAY,
            &[
                "Nothing, after a lost line.",
                "If it comes again and again, two machines share a profile: add a device.",
            ][..],
        ),
        DisconnectReason::BegunInPlace => (
            ANY,
            CLIENT,
            &["Nothing: it is back after a second. Often for one client it means a bad line."][..],
        ),
        DisconnectReason::Kicked => (ANY, GATEWAY, NOTHING),
        DisconnectReason::MadeRoom => (HELLOS, GATEWAY, FLOOD),
        DisconnectReason::PingTimeout => {
            (ANY, NOBODY, &["See whether the client, its network or the way to it is gone."][..])
        }
        DisconnectReason::Shutdown => (ANY, GATEWAY, NOTHING),
        DisconnectReason::Panicked => (ANY, GATEWAY, REPORT),
    };
    Told { after, by, mends }
}

fn of_denied(denied: &Denied) -> Told {
    let mends: &[&str] = match denied {
        Denied::Certificate(refusal) => return Told { after: ASKED, ..of_refusal(refusal) },
        Denied::Known { why, .. } => return of_denied(why),
        Denied::Framing(Framing::Ethernet) => &["Write `dev tun` into the client's profile."],
        Denied::Framing(Framing::Fragments) => {
            &["Remove `fragment` from the client's profile; `mssfix` does what is needed."]
        }
        Denied::Framing(Framing::Compression) => {
            &["Remove `comp-lzo` and `compress` from the client's profile."]
        }
        Denied::Full => &["Raise `vpn.max_sessions`, or close sessions."],
        Denied::Undecided => &["The gateway's log says what kept it from deciding."],
    };
    Told { after: ASKED, by: GATEWAY, mends }
}

fn of_refusal(refusal: &Refusal) -> Told {
    let mends: &[&str] = match refusal {
        Refusal::UnknownCa => {
            &["Give the device a profile of this gateway: its certificate is of another CA."]
        }
        Refusal::BadSignature => &[
            "Give the device a new profile: `handfast profile --renew`.",
            "Suspect an impostor: the proof of the private key is wrong.",
        ],
        Refusal::Malformed | Refusal::WrongUsage { .. } => NEW_PROFILE,
        Refusal::NameNotPermitted => &[
            "Suspect a misused CA.",
            "Have a certificate issued for names that the CA's name constraints permit.",
        ],
        Refusal::NoCertificate => &[
            "The profile has no `cert` and `key`, or those of another CA, which some programs then keep to themselves: give the device its own profile of this gateway.",
        ],
        Refusal::Expired { .. } => &[
            "Give the device a new profile: `handfast profile --renew`.",
            "If the certificate should hold still, the gateway's clock is wrong: compare it.",
        ],
        Refusal::NotYetValid { .. } => &[
            "Run `date -u` on the gateway, whose clock counts here: if it is slow, mend it.",
            "If it is right, the clock of the machine that issued the certificate was fast: mend that, and issue a new one. The client's clock has no part in it.",
        ],
        Refusal::CaExpired { .. } => &["Roll the CA over: `handfast ca rollover`."],
        Refusal::Revoked { .. } => &[
            "Nothing, if it is to stay out.",
            "If it may come back, issue it a new certificate: `handfast profile --renew`.",
        ],
        Refusal::NotInStore => &[
            "If an old backup was restored, renew the device.",
            "If none was, somebody has a copy of the CA's key.",
        ],
        Refusal::Forged => &["Somebody has a copy of the CA's key: make a new CA."],
        Refusal::NameMismatch { .. } => {
            &["Suspect an impostor, else mend `verify-x509-name` in the profile."]
        }
        Refusal::UnsupportedKey => {
            &["Issue a certificate with RSA of 2048 bits or more, P-256, P-384 or Ed25519."]
        }
        Refusal::CrlExpired { .. } => &["Fetch the present CRL."],
        Refusal::DeviceDisabled => &[
            "`handfast device enable`, if it may come in.",
            "`handfast check` tells whether it lacks an address.",
        ],
        Refusal::UserDisabled => &["`handfast user enable`, if it may come in."],
    };
    Told { after: CLIENT_SHOWN, by: GATEWAY, mends }
}

fn of_end(reason: &EndReason) -> Told {
    let (after, by, mends) = match reason {
        EndReason::HandshakeTimeout(progress) => return of_progress(*progress),
        EndReason::RenegotiationTimeout(progress) => {
            return Told { after: ANY, ..of_progress(*progress) };
        }
        EndReason::TlsFailed(error) => return of_tls(error),
        EndReason::PeerMisbehaved(what) => return of_misbehaviour(*what),
        EndReason::NoCommonCipher => (
            ASKED,
            GATEWAY,
            &["Have `data-ciphers` of the profile name one of `vpn.ciphers` here."][..],
        ),
        EndReason::IdentityChanged => {
            (ANY, GATEWAY, &["This never happens by itself: suspect an attack."][..])
        }
        EndReason::CertificateExpired => (ANY, GATEWAY, NEW_PROFILE),
        EndReason::KeyTooOld => (ANY, GATEWAY, REPORT),
        // What was refused is told where it was decided.
        EndReason::Refused(_) => (ASKED, GATEWAY, NOTHING),
        EndReason::AuthFailed(_) => (PUSHED, GATEWAY, &["The server's log says why."][..]),
        EndReason::PushUnusable(_) => (PUSHED, CLIENT, &["Mend the server's settings."][..]),
        EndReason::PeerExit => (ANY, CLIENT, NOTHING),
        EndReason::PeerRestart { .. } => (ANY, GATEWAY, NOTHING),
        EndReason::PeerHalt(_) => (ANY, GATEWAY, &["Ask the server's administrator."][..]),
        EndReason::Closed(how) => (ANY, GATEWAY, of_close(how)),
        EndReason::RestoredMidHandshake | EndReason::RestoredAfterItsEnd => (ANY, GATEWAY, NOTHING),
        EndReason::KeyDerivationFailed | EndReason::OwnMessageNotTaken => {
            (FINISHED, GATEWAY, REPORT)
        }
        EndReason::OwnKeyMessage(_) => {
            (FINISHED, CLIENT, &["Shorten the user name, the password or the system's facts."][..])
        }
        EndReason::OwnPush(_) => {
            (ASKED, GATEWAY, &["Mend `vpn.push`; `handfast check` helps."][..])
        }
    };
    Told { after, by, mends }
}

fn of_close(how: &Close) -> &'static [&'static str] {
    match how {
        Close::Exit
        | Close::Restart(_)
        | Close::Halt(_)
        | Close::AuthFailed(_)
        | Close::AuthFailedForNow { .. }
        | Close::Replaced => NOTHING,
    }
}

fn of_progress(progress: Progress) -> Told {
    let (after, by, mends): (_, _, &[&str]) = match progress {
        Progress::ResetUnanswered => (KNOCK, NOBODY, &["See whether packets reach the server."]),
        Progress::BeforeHello => (
            HELLOS,
            NOBODY,
            &[
                "A bad line, or something on the way drops large packets: try a smaller `tun-mtu`, or the TCP port.",
                "It may be no VPN client at all, but somebody who has the tls-auth key.",
            ],
        ),
        Progress::SilentAfterOurCertificate => (
            SERVER_SHOWN,
            NOBODY,
            &[
                "Most likely the client refused our certificate without a word: the client's own log has the reason.",
                "It may not know this CA, as with another gateway's profile; want another name (compare verify-x509-name in its profile with the names of the certificate here); refuse its usage; or have a wrong clock.",
                "If its log says nothing, something on the way drops large packets.",
            ],
        ),
        Progress::TlsUnfinished => (SERVER_SHOWN, NOBODY, &["See the other side's log."]),
        Progress::NoKeyMessage => (FINISHED, NOBODY, &["See the client's log, and the line."]),
        Progress::AwaitingAdmission => {
            (ASKED, GATEWAY, &["The gateway's log says what kept it from deciding."])
        }
        Progress::AwaitingInstall => (ASKED, GATEWAY, REPORT),
        Progress::Unacknowledged | Progress::NoPushRequest => {
            (PUSHED, NOBODY, &["A bad line: see whether packets from here reach the client."])
        }
        Progress::NoPushReply => (PUSHED, NOBODY, &["See the server's log."]),
        Progress::StreamBroken => (
            HELLOS,
            NOBODY,
            &["Somebody with the tls-auth key disturbs it, or the client is broken."],
        ),
        Progress::Complete => (ANY, NOBODY, NOTHING),
    };
    Told { after, by, mends }
}

/// An alert that came is the client's finding, and about us; anything else is ours.
fn of_tls(error: &rustls::Error) -> Told {
    let rustls::Error::AlertReceived(alert) = error else {
        let mends = &[
            "If it has no version, cipher or group in common with the gateway: a client older than TLS 1.2 has to be updated.",
            "The client's own log says more.",
        ];
        return Told { after: HELLOS, by: GATEWAY, mends };
    };
    let mends: &[&str] = match *alert {
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown => &[
            "The client does not trust this gateway's CA, or does not like the server's name: give it a current profile.",
        ],
        AlertDescription::CertificateExpired => &[
            "Compare the client's clock with the time at which the gateway's certificate ends: `handfast status`.",
        ],
        AlertDescription::CertificateRevoked => {
            &["The client has a CRL in which the gateway's certificate stands: see `handfast crl`."]
        }
        _ => &["The client's own log says what it disliked."],
    };
    Told { after: ALERTED, by: CLIENT, mends }
}

fn of_misbehaviour(what: Misbehaviour) -> Told {
    let after = match what {
        Misbehaviour::MessageTooLong | Misbehaviour::BadKeyMessage => FINISHED,
        Misbehaviour::PushTooLong => PUSHED,
    };
    Told { after, by: GATEWAY, mends: &["Update the client; report it if it is a common one."] }
}

pub(super) fn of_stream(end: StreamEnd) -> Told {
    let (by, mends): (_, &[&str]) = match end {
        StreamEnd::PeerClosed => (CLIENT, NOTHING),
        StreamEnd::Broken(_) => (NOBODY, &["The line; or the client left with data on its way."]),
        StreamEnd::EmptyFrame | StreamEnd::LongFrame | StreamEnd::EarlyData => {
            (GATEWAY, &["Nothing: it is no OpenVPN client."])
        }
        StreamEnd::Forged => {
            (GATEWAY, &["If it is a user, the profile is another gateway's: fetch it again."])
        }
        StreamEnd::TooMuch | StreamEnd::TooSlow => {
            (GATEWAY, &["Many of these: a line that is too slow for a handshake."])
        }
        StreamEnd::Evicted => (GATEWAY, FLOOD),
        StreamEnd::Closed | StreamEnd::Gone => (NOBODY, NOTHING),
        StreamEnd::InternalError => (GATEWAY, REPORT),
    };
    Told { after: ANY, by, mends }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_breaks_it_off_is_named_and_an_alert_is_the_clients_finding() {
        let of = |why| verdict(&why);
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let alerted = of(DisconnectReason::Session(EndReason::TlsFailed(alert)));
        assert_eq!((alerted.by, alerted.code.as_str()), (CLIENT, "tls_failed"));
        assert!(alerted.mends[0].contains("does not trust"), "{alerted:?}");
        let refusal = Refusal::Revoked { revocation: None };
        let in_tls = of(DisconnectReason::Session(EndReason::TlsFailed(refusal.clone().into())));
        assert_eq!(
            (in_tls.by, in_tls.code.as_str(), in_tls.after),
            (GATEWAY, "revoked", CLIENT_SHOWN)
        );
        let later = of(DisconnectReason::Withdrawn(refusal.into()));
        assert_eq!((later.code.as_str(), later.after), ("revoked", ANY));
        let silent = EndReason::HandshakeTimeout(Progress::SilentAfterOurCertificate);
        let silent = of(DisconnectReason::Session(silent));
        assert_eq!((silent.by, silent.after), (NOBODY, SERVER_SHOWN));
    }

    #[test]
    fn a_story_says_what_the_log_says() {
        for why in [DisconnectReason::PingTimeout, DisconnectReason::Refused(Denied::Full)] {
            let verdict = verdict(&why);
            assert_eq!((verdict.code.as_str(), verdict.sentence), (why.code(), why.to_string()));
            assert!(!verdict.mends.is_empty());
        }
    }
}
