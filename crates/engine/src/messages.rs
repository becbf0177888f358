//! What the control task and a session's task tell each other. Values only.

use datapath::{Endpoint, Notice, PeerRef};
use tokio::sync::oneshot;
use tunnel::{Close, Grant, Hello, Life, Refusal};
use wire::cipher::Cipher;
use wire::peer_info::PeerInfo;

use crate::{Decision, DisconnectReason};

/// Tells connections of this process apart; never used twice.
pub(crate) type ConnectionId = u64;

/// What a session's task is told.
#[derive(Debug)]
pub(crate) enum ToSession {
    /// The answer to an admission: in, as this peer.
    Admitted(PeerRef, Box<Grant>),
    /// The answer to an admission: out.
    Refused(Refusal),
    /// Something the data worker said about its peer.
    Notice(Notice),
    /// Its peer is at another address.
    Moved(Endpoint),
    /// Renew the keys.
    Renegotiate,
    /// How long its keys live.
    Life(oneshot::Sender<Life>),
    /// End, in this way.
    Close(Close),
}

/// What the control task hears of a session.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// A peer with a good certificate asks to be let in. Its admission is asked, and answers later.
    Asked {
        /// Which of this session's questions.
        attempt: u64,
        /// What the peer says about itself.
        about: About,
    },
    /// The admission's answer.
    Decided {
        /// To which question.
        attempt: u64,
        /// The answer.
        decision: Decision,
    },
    /// Data flows.
    Established(Option<Cipher>),
    /// Keys were renewed.
    Renegotiated,
    /// It is over; the task lingers for the peer's last acknowledgements.
    Ended(DisconnectReason),
}

/// What a session is made ready with, of all that a peer says about itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// The version of the control channel's TLS.
    pub(crate) tls: &'static str,
    /// What the peer's program says about itself.
    pub(crate) peer_info: PeerInfo,
    /// When its certificate runs out.
    pub(crate) not_after: Option<pki::Timestamp>,
}

impl About {
    pub(crate) fn of(hello: &Hello) -> Self {
        let not_after = hello.chain.first().and_then(|leaf| pki::leaf_not_after(leaf).ok());
        Self { tls: hello.tls, peer_info: hello.peer_info.clone(), not_after }
    }

    /// What a client calls itself: `2.6.14 linux`, and behind it the program that it is the engine of, where
    /// it says so: `3.11.7 android (net.openvpn.connect.android_3.5.1)`.
    pub(crate) fn client_name(&self) -> String {
        let [version, platform] =
            ["IV_VER", "IV_PLAT"].map(|name| self.peer_info.get(name).unwrap_or("?"));
        match self.peer_info.get("IV_GUI_VER") {
            Some(program) => format!("{version} {platform} ({program})"),
            None => format!("{version} {platform}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_with_the_program_around_it() {
        let name = |lines: &str| {
            let peer_info = PeerInfo::parse(lines);
            About { tls: "TLS 1.3", peer_info, not_after: None }.client_name()
        };
        assert_eq!(name("IV_VER=2.6.14\nIV_PLAT=linux\n"), "2.6.14 linux");
        let connect = "IV_VER=3.11.7\nIV_PLAT=ios\nIV_GUI_VER=net.openvpn.connect.ios_3.5.1\n";
        assert_eq!(name(connect), "3.11.7 ios (net.openvpn.connect.ios_3.5.1)");
        assert_eq!(name(""), "? ?");
    }
}
