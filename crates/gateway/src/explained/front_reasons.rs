//! Why a connection of the TLS door was refused, as its story tells it. What happened is said by the reason itself, in the
//! words of log and status, and what to do stands behind its semicolon.
//!
//! Invariant: the `match` names all reasons, so that a new one does not compile before it has its story.

use explain::Side;
use explain::catalogue::Kind;
use explain::kept::Verdict;
use explain::render::capital;
use front::{Ended, Refused};

const GATEWAY: Option<Side> = Some(Side::Server);
const CLIENT: Option<Side> = Some(Side::Client);
const NOBODY: Option<Side> = None;

const BEFORE: &[Kind] = &[Kind::NotKept, Kind::InTheClear];
const HELLO: &[Kind] = &[Kind::ClientHello, Kind::SecondClientHello, Kind::Unreadable];
const CLIENT_SHOWN: &[Kind] = &[
    Kind::ClientHello,
    Kind::SecondClientHello,
    Kind::ClientCertificate,
    Kind::NoClientCertificate,
    Kind::ClientCertificateVerify,
];
const ALERTED: &[Kind] = &[Kind::Alert];
/// Behind all that was said.
const LATER: &[Kind] = &[];

/// The verdict of a reason.
pub(crate) fn verdict(why: &Refused) -> Verdict {
    let (after, by) = place(why);
    let sentence = why.to_string();
    Verdict { code: why.code().to_owned(), by, after, mends: vec![mend(&sentence)], sentence }
}

/// The codes of ends that are no refusals.
pub(super) const ENDS: [&str; 6] =
    ["finished", "connection_broke", "idle", "too_old", "own_certificate_withdrawn", "kicked"];

/// Why an open connection ended, or the verdict of the refusal that took its right.
pub(crate) fn end_verdict(why: &Ended) -> Verdict {
    let (by, sentence, mend) = match why {
        Ended::Finished => (NOBODY, "both sides were done".to_owned(), "Nothing needs to be done."),
        Ended::Broken => (
            NOBODY,
            "one side broke it off".to_owned(),
            "See the way to the client, and the backend's log.",
        ),
        Ended::Idle => (
            GATEWAY,
            "nothing went either way for too long".to_owned(),
            "Raise `idle_seconds` of its [[tls.server]], if it is to stay open.",
        ),
        Ended::TooOld => (
            GATEWAY,
            "it was open for as long as a connection may be".to_owned(),
            "Raise `max_age_seconds` of its [[tls.server]], if it is to stay open.",
        ),
        Ended::OwnWithdrawn(refusal) => (
            GATEWAY,
            format!(
                "the certificate that the client was shown does not hold any longer: {refusal}"
            ),
            "Nothing: the client comes back and is shown another one.",
        ),
        Ended::Kicked => (
            GATEWAY,
            "closed by an administrator; the client may come back".to_owned(),
            "Nothing needs to be done.",
        ),
        Ended::Withdrawn(refusal) => return verdict(&refusal.clone().into()),
    };
    let mends = vec![mend.to_owned()];
    Verdict { code: why.code().to_owned(), by, after: LATER, sentence, mends }
}

/// The steps that it follows on, and whose decision it was.
fn place(why: &Refused) -> (&'static [Kind], Option<Side>) {
    match why {
        Refused::Silent => (BEFORE, CLIENT),
        Refused::LeftEarly => (LATER, CLIENT),
        Refused::Slow | Refused::Broken(_) => (LATER, NOBODY),
        Refused::NotTls
        | Refused::UnknownProtocol
        | Refused::NotTaken { .. }
        | Refused::NotOpen { .. }
        | Refused::InTheClear
        | Refused::EarlyBytes
        | Refused::Upgrade(_)
        | Refused::Crowded { .. }
        | Refused::Proxy(_)
        | Refused::NotListed => (BEFORE, GATEWAY),
        Refused::HelloTooLong
        | Refused::UnknownName { .. }
        | Refused::NotHere { .. }
        | Refused::NoProtocol { .. }
        | Refused::NoCertificate { .. } => (HELLO, GATEWAY),
        Refused::Tls(rustls::Error::AlertReceived(_)) => (ALERTED, CLIENT),
        Refused::Unmet { .. } => (HELLO, GATEWAY),
        Refused::Tls(_) => (LATER, GATEWAY),
        Refused::Certificate(_) | Refused::NotAmongUsers { .. } | Refused::AnothersData { .. } => {
            (CLIENT_SHOWN, GATEWAY)
        }
        Refused::TooMany { .. }
        | Refused::OwnWithdrawn { .. }
        | Refused::Kicked
        | Refused::Backend { .. } => (LATER, GATEWAY),
    }
}

/// What stands behind the semicolon, as a sentence.
fn mend(sentence: &str) -> String {
    let mend = sentence.rsplit_once("; ").map_or("the gateway's log says more", |(_, mend)| mend);
    format!("{}.", capital(mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_verdict_under_its_own_code() {
        let refusal = pki::Refusal::UserDisabled;
        let own = Ended::OwnWithdrawn(refusal.clone());
        let all = [Ended::Finished, Ended::Broken, Ended::Idle, Ended::TooOld, own, Ended::Kicked];
        assert_eq!(all.each_ref().map(|end| end_verdict(end).code), ENDS);
        assert_eq!(end_verdict(&Ended::Withdrawn(refusal)).code, "user_disabled");
    }

    #[test]
    fn who_refused_is_told_from_who_left_and_the_mend_is_a_sentence() {
        let unknown = verdict(&Refused::UnknownName { asked: Some("a.example".to_owned()) });
        assert_eq!((unknown.by, unknown.code.as_str()), (GATEWAY, "unknown_server_name"));
        assert_eq!(unknown.mends, ["Add it to a [[tls.server]], or mend the client."]);
        assert_eq!(verdict(&Refused::LeftEarly).by, CLIENT);
        assert_eq!(verdict(&Refused::Slow).by, NOBODY);
    }
}
