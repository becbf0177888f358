//! Why a peer is not let in, or may not stay: one closed list for the log, for counters, and for the peer.

use std::fmt;
use std::time::Duration;

use pki::Refusal;
use tunnel::Close;
use wire::options::Framing;

use crate::Identity;

/// Why a peer is not let in, or may not stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Its certificate does not open this door.
    Certificate(Refusal),
    /// What its data packets are made of is not read here, by its own options.
    Framing(Framing),
    /// There is no room for another session.
    Full,
    /// It was not decided in time, or the request was given up.
    Undecided,
    /// For this reason, and it is known whose it is.
    Known {
        /// Whose.
        whom: Box<Identity>,
        /// Why not.
        why: Box<Denied>,
    },
}

impl Denied {
    /// This, of a peer that is known.
    #[must_use]
    pub fn of(self, whom: Identity) -> Self {
        Denied::Known { whom: Box::new(whom), why: Box::new(self) }
    }

    /// Whose it is, where that is known.
    pub fn whom(&self) -> Option<&Identity> {
        match self {
            Denied::Known { whom, .. } => Some(whom),
            _ => None,
        }
    }

    /// The refusal behind it, if a certificate is the cause.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Denied::Certificate(refusal) => Some(refusal),
            Denied::Known { why, .. } => why.refusal(),
            Denied::Framing(_) | Denied::Full | Denied::Undecided => None,
        }
    }

    /// A stable snake_case name for counters and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Denied::Certificate(refusal) => refusal.code(),
            Denied::Framing(Framing::Ethernet) => "client_dev_tap",
            Denied::Framing(Framing::Fragments) => "client_fragment",
            Denied::Framing(Framing::Compression) => "client_compression",
            Denied::Known { why, .. } => why.code(),
            Denied::Full => "no_free_address_or_slot",
            Denied::Undecided => "admission_undecided",
        }
    }

    /// How the peer is told. What somebody decided about it is final for its program, which then stops and
    /// shows the text. Where another certificate, another server or time alone may mend it, the program goes
    /// on trying: it reads its files anew, and takes its next server if this one does not let it in.
    pub(crate) fn close(&self) -> Close {
        let text = self.peer_message();
        match self {
            Denied::Certificate(refusal) if is_mended_elsewhere(refusal) => Close::Restart(text),
            Denied::Certificate(_) | Denied::Framing(_) => Close::AuthFailed(text),
            Denied::Full | Denied::Undecided => Close::AuthFailedForNow { pause: PAUSE, text },
            Denied::Known { why, .. } => why.close(),
        }
    }

    /// What the person at the peer is told: what is wrong, and what to say to whom. One line of bounded
    /// length.
    fn peer_message(&self) -> String {
        match self {
            Denied::Certificate(refusal) => {
                refusal.for_peer().chars().filter(|c| !c.is_control()).take(200).collect()
            }
            Denied::Framing(framing) => format!(
                "your profile has {}, which this VPN does not speak; remove that line, or ask its \
                 administrator for a new profile",
                framing.directive()
            ),
            Denied::Full => {
                "this VPN has no room for another connection; try again later, or tell its \
                 administrator"
                    .to_owned()
            }
            Denied::Undecided => {
                "this VPN could not decide in time whether to let you in; try again, or tell its \
                 administrator"
                    .to_owned()
            }
            Denied::Known { why, .. } => why.peer_message(),
        }
    }
}

/// Whether time or the CAs that are trusted are in the way, and not who it is.
fn is_mended_elsewhere(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::UnknownCa
            | Refusal::Expired { .. }
            | Refusal::NotYetValid { .. }
            | Refusal::CaExpired { .. }
            | Refusal::CrlExpired { .. }
    )
}

/// For whom there is no room: long enough that many who wait are no load.
const PAUSE: Duration = Duration::from_secs(30);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::Certificate(refusal) => fmt::Display::fmt(refusal, f),
            Denied::Framing(framing) => write!(
                f,
                "the client is configured with `{}`, so that none of its packets could be read here; \
                 remove that line from its profile",
                framing.directive()
            ),
            Denied::Known { why, .. } => why.fmt(f),
            Denied::Full => f.write_str(
                "there is no room for another session; raise the limit of sessions, or close some",
            ),
            Denied::Undecided => f.write_str(
                "whether to let the peer in was not decided in time; see above what kept the gateway",
            ),
        }
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Denied::Certificate(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credential, Principal};

    #[test]
    fn a_denial_of_somebody_known_is_the_same_denial() {
        let serial = pki::Serial::from_bytes(&[7]).unwrap();
        let id = pki::CertificateId { issuer: pki::IssuerId::of_name(b"a CA"), serial };
        let whom = Identity {
            principal: Principal {
                user: "alice".parse().expect("a name"),
                device: "phone".parse().expect("a name"),
            },
            credential: Credential::Certificate(id),
        };
        for denied in [Denied::Certificate(Refusal::UserDisabled), Denied::Full] {
            let known = denied.clone().of(whom.clone());
            assert_eq!((known.code(), known.whom()), (denied.code(), Some(&whom)));
            assert_eq!(known.peer_message(), denied.peer_message());
            assert_eq!(known.to_string(), denied.to_string());
            assert_eq!(known.refusal(), denied.refusal());
            assert_eq!(known.close(), denied.close());
        }
    }

    #[test]
    fn only_what_somebody_decided_makes_a_client_give_up() {
        let at = pki::Timestamp::from_unix_secs(1_790_000_000);
        let revoked = Denied::Certificate(Refusal::Revoked { revocation: None });
        for final_one in [revoked, Denied::Certificate(Refusal::UserDisabled)] {
            assert!(matches!(final_one.close(), Close::AuthFailed(_)), "{final_one:?}");
        }
        for mended in [Refusal::UnknownCa, Refusal::Expired { at }, Refusal::CaExpired { at }] {
            let close = Denied::Certificate(mended).close();
            assert!(matches!(close, Close::Restart(_)), "{close:?}");
        }
        let full = Denied::Full.close();
        assert!(matches!(full, Close::AuthFailedForNow { .. }), "{full:?}");
    }

    #[test]
    fn the_person_is_told_whom_to_ask_and_the_log_what_to_do_in_other_words() {
        let decided = [Refusal::UserDisabled, Refusal::DeviceDisabled, Refusal::NotInStore];
        let all = Framing::ALL.into_iter().map(Denied::Framing);
        let all = all.chain(decided.into_iter().map(Denied::Certificate));
        for denied in all.chain([Denied::Full, Denied::Undecided]) {
            let (person, log) = (denied.peer_message(), denied.to_string());
            assert_ne!(person, log);
            assert!(person.contains("administrator") && !person.contains("handfast"), "{person}");
            assert!(person.starts_with("you") || person.starts_with("this "), "{person}");
            assert!(log.contains("; ") && !log.contains("your "), "{log}");
            assert!(!person.contains(char::is_control) && person.len() <= 200, "{person}");
        }
    }

    #[test]
    fn the_person_and_the_log_are_told_the_line_of_the_profile() {
        for framing in Framing::ALL {
            let denied = Denied::Framing(framing);
            assert!(denied.to_string().contains(framing.directive()), "{denied}");
            let told = denied.peer_message();
            assert!(told.contains(framing.directive()) && told.contains("administrator"), "{told}");
        }
    }
}
