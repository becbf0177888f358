//! Something to carry: an echo request to the server's address inside the tunnel, and its answer.
//!
//! The packet is made here and meets no interface of this machine.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use clock::Now;
use datapath::{DataKeys, OpenKey, SealKey};
use tunnel::{NewKey, Session};
use wire::KeyId;
use wire::data::{DataHeader, Payload, parse_header};
use wire::push::{PushOption, PushReply};

use super::Echo;
use crate::echo;

/// As large as the usual one.
const SIZE: u16 = 84;
/// Between two requests, and how long the last one's answer is waited for.
const PAUSE: Duration = Duration::from_millis(500);
const MOST: u32 = 3;

/// The request, from the keys of a tunnel on to its answer.
#[derive(Default)]
pub(super) struct Errand {
    keys: Option<(KeyId, SealKey, OpenKey)>,
    own: Option<Ipv4Addr>,
    gateway: Option<Ipv4Addr>,
    sent: u32,
    first: Option<Duration>,
    due: Option<Duration>,
    answered: Option<Duration>,
}

impl Errand {
    pub(super) fn take_key(&mut self, key: &NewKey) {
        self.keys = DataKeys::derive(key.cipher, &key.material, key.role)
            .map(|(seal, open)| (key.key_id, seal, open));
    }

    pub(super) fn take_push(&mut self, reply: &PushReply) {
        for option in &reply.options {
            match *option {
                PushOption::Ifconfig { local, .. } => self.own = Some(local),
                PushOption::RouteGateway(gateway) => self.gateway = gateway,
                _ => {}
            }
        }
    }

    /// The tunnel is there.
    pub(super) fn begin(&mut self, now: Now) {
        self.due = Some(now.boot);
    }

    /// Whether there is nothing more to wait for.
    pub(super) fn is_over(&self, now: Now) -> bool {
        let Some(due) = self.due else { return false };
        let cannot = self.keys.is_none() || self.own.is_none() || self.gateway.is_none();
        self.answered.is_some() || cannot || (self.sent >= MOST && due <= now.boot)
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The next request, sealed, once it is due.
    pub(super) fn packet(&mut self, session: &Session, now: Now) -> Option<Vec<u8>> {
        let ready = self.due.is_some_and(|due| due <= now.boot) && !self.is_over(now);
        let (key_id, seal, _) = self.keys.as_mut().filter(|_| ready)?;
        let peer = session.negotiated()?.peer_id;
        let header = match peer {
            Some(peer_id) => DataHeader::V2 { key_id: *key_id, peer_id },
            None => DataHeader::V1 { key_id: *key_id },
        };
        let request = echo::request(self.own?, self.gateway?, SIZE);
        let mut sealed = vec![0; SealKey::sealed_len(header, request.len())];
        seal.seal(header, &request, &mut sealed).ok()?;
        self.sent += 1;
        self.first.get_or_insert(now.boot);
        self.due = Some(now.boot + PAUSE);
        Some(sealed)
    }

    /// Under which key a packet of the tunnel was sealed; none if it is no such packet.
    pub(super) fn open(&mut self, packet: &mut [u8], now: Now) -> Option<KeyId> {
        let header = parse_header(packet).ok()?;
        let (key_id, _, open) = self.keys.as_mut()?;
        let opened = (header.key_id() == *key_id).then(|| open.open(header, packet).ok())??;
        let is_users = matches!(Payload::classify(opened.plaintext), Payload::Packet);
        if is_users && echo::is_answer(opened.plaintext, SIZE) {
            let took = self.first.map(|first| now.boot.saturating_sub(first));
            self.answered = self.answered.or(took);
        }
        Some(*key_id)
    }

    pub(super) fn echo(&self) -> Option<Echo> {
        let to = self.gateway.filter(|_| self.sent > 0)?;
        Some(Echo { to, answered: self.answered })
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errand").field("sent", &self.sent).finish_non_exhaustive()
    }
}
