//! The steps of a handshake as they are told to those who use it, each with its place in a real one.
//!
//! What is told inexactly is kept as it is told, and corrected beside it. What one side does by itself, as a check, is no
//! message: its place is where that side shows the outcome, or the word of the side that tells the story.

mod place;

use crate::catalogue::{Chapter, Kind};
use crate::place::Side;
use crate::story::{Ending, Protocol, Source, Step, Story};

pub use place::Place;

/// One step as it is told.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The sentence.
    pub told: &'static str,
    /// What is more exact; empty where nothing is.
    correction: &'static str,
    /// The same where no step of the story is it; empty where that is no other.
    unseen: &'static str,
    /// The steps that it is, or that show it.
    kinds: &'static [Kind],
    /// Whose steps those are.
    by: Option<Side>,
    /// A value that a step must have to be meant.
    with: Option<&'static str>,
    /// It is a check, which one side makes of what these steps of the other bring: only what follows on them shows it.
    checks: &'static [Kind],
}

/// What only some have.
const TOLD: Told =
    Told { told: "", correction: "", unseen: "", kinds: &[], by: None, with: None, checks: &[] };

impl Told {
    /// What is more exact, of this story.
    pub fn exactly(&self, story: &Story) -> &'static str {
        let place = self.place(story);
        let goes_on = !matches!(story.ending, Ending::Broken(_) | Ending::Dropped(_));
        match (&place, story.is_of_a_gateway()) {
            (Place::Shows(steps), _) if ends_with_a_refusal(story, steps) => REFUSED,
            (Place::Here(_) | Place::Shows(_) | Place::OwnWord | Place::Asked, _) => {
                self.correction
            }
            (_, _) if self.unseen.is_empty() => self.correction,
            // It let the client in, whatever it kept of that.
            (_, true) if goes_on && self.correction.is_empty() => CARRIED,
            (_, true) if goes_on => self.correction,
            // Whoever was answered had knocked well, whether that is kept or not.
            (_, _) if self.is_of_the_knock() && is_answered(story) => self.correction,
            (_, _) if self.has_nothing_to_check(story) => NOTHING_TO_CHECK,
            (_, true) if story.missing.is_empty() => NOT_KEPT,
            // What is closed, or is not in a capture, was said all the same where a tunnel came of it.
            (Place::Sealed(_) | Place::Unseen, false) if story.protocol == Protocol::OpenVpn => {
                match (&story.ending, &place) {
                    (Ending::Done, _) => self.correction,
                    (_, Place::Sealed(_)) => NOT_SEEN,
                    _ if has_a_hole(story) => NOT_SEEN,
                    _ => self.unseen,
                }
            }
            (_, _) => self.unseen,
        }
    }

    /// The real steps that it stands for, by the names of the catalogue.
    pub fn entries(&self) -> Vec<&'static str> {
        self.kinds.iter().map(|kind| kind.entry().name).collect()
    }
}

/// Whether the server said something of a handshake, which it does to nobody whose knock it drops.
fn is_answered(story: &Story) -> bool {
    let said = |step: &&Step| step.from == Side::Server && step.source == Source::Seen;
    story.steps.iter().filter(said).any(|step| step.chapter > Chapter::Knock)
}

/// Whether the last of these steps is a no.
fn ends_with_a_refusal(story: &Story, steps: &[u32]) -> bool {
    let last = steps.last().and_then(|number| story.steps.iter().find(|one| one.number == *number));
    last.is_some_and(|last| ["alert", "auth_failed"].contains(&last.entry.as_str()))
}

/// Of a check that ended with a no.
const REFUSED: &str = "It did not accept what the other showed, and says so there. Why, as far as it is known, is told with the end, at the top.";

/// Of a check of what was never shown.
const NOTHING_TO_CHECK: &str =
    "Here it did not come to that: no certificate of the other had come.";

/// Of a connection that its gateway tells.
const CARRIED: &str = "The gateway takes what they say to the service that was asked for; it keeps none of it, and counts the bytes.";

/// Of a handshake that failed, where its gateway did not keep how far it came.
const NOT_KEPT: &str = "Whether it came to that is not known here: the gateway did not keep it.";

/// Of what may stand where nobody can read, or in what a capture lacks.
const NOT_SEEN: &str = "Whether it came to that can't be seen here.";

/// Whether a capture lacks a part of it.
fn has_a_hole(story: &Story) -> bool {
    let lacks = [Kind::Missing, Kind::NotCaptured, Kind::CutShort].map(|kind| kind.entry().name);
    story.steps.iter().any(|step| lacks.contains(&step.entry.as_str()))
}

/// All that is told of a protocol.
pub fn steps(protocol: Protocol) -> &'static [Told] {
    match protocol {
        Protocol::OpenVpn => VPN,
        Protocol::Tls => HTTPS,
    }
}

const VPN: &[Told] = &[
    Told {
        told: "The client sends a packet whose header is signed with the shared key against floods.",
        correction: "Strictly it is no signature: everybody with a profile holds the same key (an HMAC), so a code that fits says that the sender has a profile, and not who it is.",
        kinds: &[Kind::ClientReset, Kind::ResetRepeated, Kind::CookieReturned, Kind::WrongWrapping],
        by: Some(Side::Client),
        ..TOLD
    },
    Told {
        told: "The server accepts or drops it by that signature, which is cheap, so that floods cost little.",
        correction: "It drops without an answer what the code does not fit. Over UDP it also has the client repeat a number first, so that invented addresses get no further.",
        unseen: "It drops without an answer what the code does not fit. No answer is seen here, which has other causes too.",
        kinds: &[Kind::ServerReset],
        by: Some(Side::Server),
        checks: &[Kind::ClientReset, Kind::WrongWrapping, Kind::NotCaptured],
        ..TOLD
    },
    Told {
        told: "The client sends its certificate.",
        correction: "On the wire the client says hello first, and the server shows its certificate before the client does.",
        kinds: &[Kind::ClientCertificate, Kind::NoClientCertificate],
        by: Some(Side::Client),
        ..TOLD
    },
    Told {
        told: "The server checks its signature against the CA's certificate, and looks into the list of revoked ones.",
        correction: "A certificate alone proves nothing, since everybody may copy it: the signature over this very conversation proves that the client has its key. Whether it looks into a list can't be seen on the wire; where the gateway itself tells and had asked its records, they have their word in the certificate's box.",
        kinds: &[Kind::ServerKeyMessage, Kind::Alert, Kind::AuthFailed],
        by: Some(Side::Server),
        checks: &[Kind::ClientCertificate, Kind::NoClientCertificate],
        ..TOLD
    },
    Told {
        told: "If that is right, the server sends its own certificate.",
        correction: "It has sent it already: in TLS the server goes first.",
        unseen: "In TLS the server goes first; here it did not come to that.",
        kinds: &[Kind::ServerCertificate],
        by: Some(Side::Server),
        ..TOLD
    },
    Told {
        told: "The client checks that against the CA's certificate in its profile.",
        correction: "It went on, so it accepted the certificate.",
        unseen: "Whether the client accepted a certificate is not known: it did not go on from there.",
        kinds: &[Kind::ClientFinished, Kind::Alert],
        by: Some(Side::Client),
        checks: &[Kind::ServerCertificate],
        ..TOLD
    },
    Told {
        told: "Both are sure of each other, as far as they trust the CA.",
        correction: "By then they have agreed on the key for the tunnel's packets, which is none of the TLS keys, and is renewed within an hour unless a setting says otherwise.",
        unseen: "Here it did not come to a tunnel. Else they then agree on the key for its packets, which is none of the TLS keys.",
        kinds: &[Kind::PushReply, Kind::DataBegins],
        ..TOLD
    },
];

const HTTPS: &[Told] = &[
    Told {
        told: "The client asks the server who it is.",
        correction: "It says hello, and what it speaks; a certificate is the usual answer.",
        kinds: &[Kind::ClientHello, Kind::SecondClientHello],
        by: Some(Side::Client),
        ..TOLD
    },
    Told {
        told: "The server sends a certificate signed by a CA that both trust.",
        correction: "The certificate alone proves nothing: the server's own signature does, which holds for this connection alone.",
        kinds: &[Kind::ServerCertificate],
        by: Some(Side::Server),
        ..TOLD
    },
    Told {
        told: "The client checks the signature.",
        correction: "Two of them: the CA's under the certificate, and the server's own for this connection. No message says so: that the client goes on does.",
        unseen: "Two of them: the CA's under the certificate, and the server's own for this connection. That the client went on from there is not seen here.",
        kinds: &[Kind::ClientFinished, Kind::Alert],
        by: Some(Side::Client),
        checks: &[Kind::ServerCertificate],
        ..TOLD
    },
    Told {
        told: "It asks the CA whether the certificate still holds.",
        correction: "It need not where the server has asked beforehand and brings the CA's answer along (a staple). Where none came, this page says so.",
        kinds: &[Kind::CertificateStatus, Kind::ServerCertificate],
        by: Some(Side::Server),
        with: Some("staple_length"),
        ..TOLD
    },
    Told {
        told: "They agree on a session key of limited life, after which another takes its place.",
        correction: "In TLS 1.3 the agreement stands in the hellos, in TLS 1.2 in later messages. The key lives as long as the connection; in TLS 1.3 a KeyUpdate, by which one side changes its key, may replace it before. A ticket's lifetime is not the key's.",
        kinds: &[
            Kind::ServerHello,
            Kind::ServerHelloResumed,
            Kind::ServerHelloOldResumed,
            Kind::ServerKeyExchange,
            Kind::ClientKeyExchange,
            Kind::KeyUpdate,
        ],
        ..TOLD
    },
    Told {
        told: "They speak securely.",
        unseen: "No data was seen under the keys of this connection.",
        kinds: &[Kind::ApplicationData],
        ..TOLD
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_steps_of_the_vpn_and_six_of_https_have_real_steps() {
        assert_eq!((steps(Protocol::OpenVpn).len(), steps(Protocol::Tls).len()), (7, 6));
        assert!(VPN.iter().chain(HTTPS).all(|told| !told.entries().is_empty()));
    }

    #[test]
    fn what_one_side_does_is_no_step_of_the_other() {
        for told in VPN.iter().chain(HTTPS) {
            let first = told.told.split(' ').nth(1).unwrap_or_default();
            let who = [("client", Side::Client), ("server", Side::Server)];
            let who = who.iter().find(|(word, _)| *word == first).map(|(_, side)| *side);
            assert!(who.is_none() || told.by == who, "{}", told.told);
        }
    }
}
