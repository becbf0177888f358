//! Why a connection of the VPN's door was refused or ended, as its story tells it: at which step, whose decision it was,
//! what mends it. What happened is said by the reason itself, in the words of log and status.
//!
//! Invariant: every `match` names all reasons, so that a new one does not compile before it has its story.

use engine::{Denied, DisconnectReason, StreamEnd};
use explain::Side;
use explain::catalogue::Kind;
use explain::kept::Verdict;
use explain::render::capital;
use pki::Refusal;
use rustls::AlertDescription;
use tunnel::{Close, EndReason, Misbehaviour, Progress};
use wire::options::Framing;

/// Where it ended, by whom, and what to do.
pub(super) struct Told {
    after: &'static [Kind],
    pub(super) by: Option<Side>,
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
const NEW_PROFILE: &[&str] =
    &["Give the device a new profile: `handfast profile USER/DEVICE --renew`."];
const FLOOD: &[&str] = &[
    "If many of these come, somebody with the tls-auth key floods the gateway.",
    "Clients that are let in by right try again by themselves.",
];

/// A client that has our certificate and goes no further: what its log may have, and what is to be done then.
macro_rules! disliked {
    ($how:literal, $otherwise:literal) => {
        &[
            concat!("Most likely the client refused what step “The server's certificate” shows, ", $how, ". Its own log has the reason, and each has its mend:"),
            "Name (`VERIFY X509NAME ERROR`): write into the client's profile `verify-x509-name` with the common name of the certificate below, or fetch the profile again. A stock client compares that name alone, so that no other name of the certificate helps it.",
            "If the profile has the name that is meant, and the certificate another, the client came to another service than it wanted: mend `remote` in its profile, or what its name leads to in DNS. If it is the right service, its certificate has the wrong name: issue one with the name that is meant.",
            "CA (`VERIFY ERROR`, and that an issuer is not found or a certificate signed itself): the profile is another gateway's or an old one: fetch it again.",
            "Clock (`VERIFY ERROR`, and that the certificate has expired or is not yet valid): compare the client's clock with the times of the certificate below, and mend that clock.",
            "Usage (`VERIFY KU ERROR`, `VERIFY EKU ERROR`): the profile wants `remote-cert-tls server`; a certificate of the gateway has that usage, one of a device has not.",
            $otherwise,
        ]
    };
}

const SILENT: &[&str] = disliked!(
    "without a word",
    "If its log says nothing of that, the packets were lost: something on the way drops large ones. Try a smaller `tun-mtu` or TCP."
);
const CLOSED: &[&str] = disliked!(
    "and closed the connection without a word",
    "If its log says nothing of that, whoever uses it stopped it, or something on the way closed the connection."
);

/// The verdict of a reason, in the words that the log has for it.
pub(crate) fn verdict(why: &DisconnectReason) -> Verdict {
    let Told { after, by, mends } = of_connection(why);
    let mends = match why.unmet() {
        Some(unmet) => vec![format!("{}.", capital(unmet.mend))],
        None => mends.iter().map(|mend| (*mend).to_owned()).collect(),
    };
    Verdict { code: why.code().to_owned(), by, after, sentence: why.to_string(), mends }
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
                "Nothing, where the line was lost or the client was killed: no goodbye of the former session came here.",
                "If it comes again and again, two machines share a profile: add a device.",
            ][..],
        ),
        DisconnectReason::BegunInPlace => (
            ANY,
            GATEWAY,
            &[
                "Nothing: it is back after a second. Its renewal of keys had failed, or it was killed and started again at the same port.",
                "Often for one client it means a bad line.",
            ][..],
        ),
        DisconnectReason::Kicked => (ANY, GATEWAY, NOTHING),
        DisconnectReason::MadeRoom => (HELLOS, GATEWAY, FLOOD),
        DisconnectReason::ClosedAfterOurCertificate => (SERVER_SHOWN, CLIENT, CLOSED),
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
        Refusal::UnknownCa => &[
            "The client's profile is another gateway's, or older than the CA of this one: give it a profile of this gateway, with a new key and certificate: `handfast profile USER/DEVICE --renew`.",
            "If nobody knows that client, the gateway did what it should: see under Certificates which CA issued what it showed.",
        ],
        Refusal::BadSignature => &[
            "Give the device a new profile: `handfast profile USER/DEVICE --renew`.",
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
            "Give the device a new profile: `handfast profile USER/DEVICE --renew`. Until it is on the device, the device is refused.",
            "If the certificate's end has not come yet, the gateway's clock is fast: compare `date -u` on the gateway with a clock that is right, and mend it. The client's clock has no part in it.",
        ],
        Refusal::NotYetValid { .. } => &[
            "Two clocks may be wrong: the gateway's, which counts here, and that of the machine that issued the certificate. Compare `date -u` on the gateway with a clock that is right: if the gateway's is slow, mend it, and the certificate holds as it is.",
            "If it is right, the other clock was fast when the certificate was issued: mend that, and issue a new one, as by `handfast profile USER/DEVICE --renew`.",
            "The client's own clock has no part in this.",
        ],
        Refusal::CaExpired { .. } => &["Roll the CA over: `handfast ca rollover`."],
        Refusal::Revoked { .. } => &[
            "Nothing, if it is to stay out. `handfast events` has who revoked it.",
            "If it may come back, issue it a new certificate with a new key: `handfast profile USER/DEVICE --renew`. The revoked one never holds again.",
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
            "`handfast device enable USER/DEVICE`, if it may come in: a new profile changes nothing.",
            "`handfast check` tells whether it lacks an address.",
        ],
        Refusal::UserDisabled => {
            &["`handfast user enable USER`, if it may come in: a new profile changes nothing."]
        }
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
            &[
                "Compare `data-ciphers` of the client's profile (what it offers stands in the values of step “Key message of the client”) with `vpn.ciphers` here (`handfast config show`), and add one of these to the profile, or fetch the profile again.",
                "Or allow the client's here, if it is an AEAD one: `handfast config set vpn.ciphers AES-256-GCM AES-128-GCM CHACHA20-POLY1305`, and restart the gateway. Ciphers in CBC mode are not spoken here.",
            ][..],
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
        Progress::SilentAfterOurCertificate => (SERVER_SHOWN, NOBODY, SILENT),
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
        let mends = &["The client's own log says more."];
        return Told { after: HELLOS, by: GATEWAY, mends };
    };
    let mends: &[&str] = match *alert {
        AlertDescription::UnknownCA => &[
            "The client refused the gateway's certificate, since it does not trust the CA of that: give the client a current profile of this gateway.",
        ],
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => &[
            "The client refused the gateway's certificate and says no more. Its own log has the reason: another name than its profile has (`verify-x509-name`), another CA, or a time that is not yet valid by its clock.",
            "Another name or CA: give the client a current profile of this gateway.",
            "Time: compare the client's clock, which stamps its packets, with the times of the gateway's certificate below, and mend it.",
        ],
        AlertDescription::CertificateExpired => &[
            "By the client's clock the gateway's certificate has expired or is not valid yet: the alert is one for both. Compare that clock with the times of the certificate below, and mend it if it is wrong.",
            "If the client's clock is right, it is the gateway's certificate: `handfast check` says whether it is renewed in time.",
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
        let old = rustls::Error::from(rustls::PeerIncompatible::Tls12NotOffered);
        let old = of(DisconnectReason::Session(EndReason::TlsFailed(old)));
        assert_eq!((old.by, old.code.as_str()), (GATEWAY, "tls_failed"));
        assert!(old.sentence.starts_with("TLS failed: the peer speaks TLS 1.1"), "{old:?}");
        assert!(old.mends[0].starts_with("Renew the client"), "{old:?}");
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
        let closed = of(DisconnectReason::ClosedAfterOurCertificate);
        assert_eq!((closed.by, closed.after), (CLIENT, SERVER_SHOWN));
        assert_eq!(closed.mends[1..6], silent.mends[1..6], "the same log has the same reasons");
        assert!(closed.mends.iter().all(|mend| !mend.contains("Nothing needs")), "{closed:?}");
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
