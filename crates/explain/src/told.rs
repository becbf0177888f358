//! The steps of a handshake as they are told to those who use it, each with its place in a real one.
//!
//! What is told inexactly is kept as it is told, and corrected beside it.

use crate::catalogue::Kind;
use crate::story::{Ending, Protocol, Step, Story};

/// One step as it is told.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The sentence.
    pub told: &'static str,
    /// What is more exact; empty where nothing is.
    correction: &'static str,
    /// The same where no step of the story is it; empty where that is no other.
    unseen: &'static str,
    kinds: &'static [Kind],
    /// A value that a step must have to be meant.
    with: Option<&'static str>,
}

impl Told {
    /// What is more exact, of this story.
    pub fn exactly(&self, story: &Story) -> &'static str {
        let seen = story.steps.iter().any(|step| self.is(step));
        let goes_on = !matches!(story.ending, Ending::Broken(_) | Ending::Dropped(_));
        match story.is_of_a_gateway() {
            _ if seen || self.unseen.is_empty() => self.correction,
            // It let the client in, whatever it kept of that.
            true if goes_on && self.correction.is_empty() => CARRIED,
            true if goes_on => self.correction,
            true if story.missing.is_empty() => NOT_KEPT,
            _ => self.unseen,
        }
    }

    /// The real steps that it stands for, by the names of the catalogue.
    pub fn entries(&self) -> Vec<&'static str> {
        self.kinds.iter().map(|kind| kind.entry().name).collect()
    }

    /// Whether it tells this step.
    pub fn is(&self, step: &Step) -> bool {
        let has = |name: &str| step.fields.iter().any(|field| field.name == name);
        self.entries().contains(&step.entry.as_str()) && self.with.is_none_or(has)
    }
}

/// Of a connection that its gateway tells.
const CARRIED: &str = "What they say, the gateway passes on; it looks at none of it and keeps none, and counts the bytes.";

/// Of a handshake that failed, where its gateway did not keep how far it came.
const NOT_KEPT: &str = "Whether it came to that is not known here: the gateway did not keep it.";

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
        correction: "Strictly it is no signature: everybody with a profile holds the same key (an HMAC), so it says that the sender has a profile and not who it is.",
        unseen: "",
        kinds: &[Kind::ClientReset, Kind::ResetRepeated, Kind::WrongWrapping],
        with: None,
    },
    Told {
        told: "The server accepts or drops it by that signature, which is cheap, so that floods cost little.",
        correction: "It drops without an answer what the code does not fit, and lets the client repeat a number first, so that invented addresses get no further.",
        unseen: "",
        kinds: &[Kind::ServerReset, Kind::CookieReturned],
        with: None,
    },
    Told {
        told: "The client sends its certificate.",
        correction: "On the wire the client says hello first, and the server shows its certificate before the client does.",
        unseen: "",
        kinds: &[Kind::ClientCertificate, Kind::ClientCertificateVerify],
        with: None,
    },
    Told {
        told: "The server checks its signature against the CA's certificate, and looks into the list of revoked ones.",
        correction: "A certificate alone proves nothing, since everybody may copy it: the signature over this very conversation proves that the client has its key. Whether it looks into a list can't be seen on the wire; where the gateway itself tells, its records stand below.",
        unseen: "",
        kinds: &[Kind::ClientCertificateVerify, Kind::ClientFinished],
        with: None,
    },
    Told {
        told: "If that is right, the server sends its own certificate.",
        correction: "It has sent it already: in TLS the server goes first.",
        unseen: "In TLS the server goes first; here it did not come to that.",
        kinds: &[Kind::ServerCertificate, Kind::ServerCertificateVerify],
        with: None,
    },
    Told {
        told: "The client checks that against the CA's certificate in its profile.",
        correction: "It went on, so it accepted the certificate.",
        unseen: "Whether the client accepted a certificate is not known: it did not go on from there.",
        kinds: &[Kind::ClientFinished],
        with: None,
    },
    Told {
        told: "Both are sure of each other, as far as they trust the CA.",
        correction: "By then they have agreed on the key for the tunnel's packets, which is none of the TLS keys, and is renewed within an hour unless a setting says otherwise.",
        unseen: "Here it did not come to that. Else they then agree on the key for the tunnel's packets, which is none of the TLS keys.",
        kinds: &[Kind::PushReply, Kind::DataBegins],
        with: None,
    },
];

const HTTPS: &[Told] = &[
    Told {
        told: "The client asks the server who it is.",
        correction: "It says hello, and what it speaks; a certificate is the usual answer.",
        unseen: "",
        kinds: &[Kind::ClientHello, Kind::SecondClientHello],
        with: None,
    },
    Told {
        told: "The server sends a certificate signed by a CA that both trust.",
        correction: "The certificate alone proves nothing: the server's own signature does, which holds for this connection alone.",
        unseen: "",
        kinds: &[Kind::ServerCertificate, Kind::ServerCertificateVerify, Kind::ServerKeyExchange],
        with: None,
    },
    Told {
        told: "The client checks the signature.",
        correction: "Two of them: the CA's under the certificate, and the server's own for this connection.",
        unseen: "",
        kinds: &[Kind::ServerCertificateVerify, Kind::ServerKeyExchange, Kind::ServerFinished],
        with: None,
    },
    Told {
        told: "It asks the CA whether the certificate still holds.",
        correction: "It need not where the server has asked beforehand and brings the CA's answer along (a staple). Where none came, this page says so.",
        unseen: "",
        kinds: &[Kind::CertificateStatus, Kind::ServerCertificate],
        with: Some("staple_length"),
    },
    Told {
        told: "They agree on a session key of limited life, after which another takes its place.",
        correction: "In TLS 1.3 the agreement stands in the hellos, in TLS 1.2 in later messages. The key lives as long as the connection; in TLS 1.3 a KeyUpdate, by which one side changes its key, may replace it before. A ticket's lifetime is not the key's.",
        unseen: "",
        kinds: &[
            Kind::ServerHello,
            Kind::ServerKeyExchange,
            Kind::ClientKeyExchange,
            Kind::KeyUpdate,
        ],
        with: None,
    },
    Told {
        told: "They speak securely.",
        correction: "",
        unseen: "No data was seen under the keys of this connection.",
        kinds: &[Kind::ApplicationData],
        with: None,
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
}
