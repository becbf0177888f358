//! From a session's request to a registered peer, and what sessions tell of themselves later.
//!
//! Registered first, then looked at once more: what changed in between is caught.

use datapath::{Command, PeerCounters};
use tunnel::{Close, Hello};
use wire::peer_info::PeerInfo;

use super::{Control, Registered, told};
use crate::grant::{grant, peer_settings};
use crate::session::{ConnectionId, FromSession, ToSession};
use crate::{Admitted, Ending, Identity, Report, SessionInfo};

impl Control {
    pub(super) fn hear(&mut self, id: ConnectionId, what: FromSession) {
        match what {
            FromSession::Admission(hello) => self.admit(id, &hello),
            FromSession::Established(cipher) => {
                self.figures.sessions_opened += 1;
                let Some(registered) = self.registered(id) else { return };
                registered.established = true;
                registered.info.cipher = cipher;
                let info = registered.info.clone();
                self.parts.admission.report(Report::Opened(info));
            }
            FromSession::Renegotiated => {
                self.figures.renegotiations += 1;
                let now = self.parts.clock.now().boot;
                let Some(registered) = self.registered(id) else { return };
                registered.info.renegotiations += 1;
                registered.info.renegotiated_at = Some(now);
                let number = registered.info.number;
                self.parts.admission.report(Report::Renegotiated { number });
            }
            FromSession::Ended(ending) => self.end(id, ending, None),
        }
    }

    fn admit(&mut self, id: ConnectionId, hello: &Hello) {
        let verdict = self.parts.admission.admit(hello);
        let Some(connection) = self.connections.get(&id).filter(|c| !c.ended) else { return };
        match (verdict, &connection.admitted) {
            (Err(refusal), _) => {
                let told = tunnel::Refusal { code: refusal.code(), told: told(&refusal) };
                let message = ToSession::Refused(told);
                self.end(id, Ending::Refused(refusal), Some(message));
            }
            (Ok(admitted), Some(registered)) if registered.info.identity == admitted.identity => {
                let (peer, endpoint) = (registered.peer, &connection.endpoint);
                let buffer = self.parts.data.receive_buffer();
                let grant = grant(&admitted, peer, &hello.peer_info, endpoint, buffer);
                let message = ToSession::Admitted(peer, Box::new(grant));
                self.tell(id, message);
            }
            // A renewed certificate of the same device connects anew instead.
            (Ok(_), Some(_)) => {
                let close = ToSession::Close(Close::Restart(String::new()));
                self.end(id, Ending::Replaced, Some(close));
            }
            (Ok(admitted), None) => self.register(id, hello, admitted),
        }
    }

    fn register(&mut self, id: ConnectionId, hello: &Hello, admitted: Admitted) {
        self.replace_older(id, &admitted.identity);
        let Some(connection) = self.connections.get(&id) else { return };
        let worker = connection.endpoint.stream().map(|stream| stream.worker);
        // A device has one session, so this counts them; a replaced one's peer-id may still be taken.
        let has_room = self.by_device.len() <= self.parts.max_sessions as usize;
        let Some(peer) = has_room.then(|| self.peer_ids.take(worker)).flatten() else {
            let Identity { user, device, .. } = admitted.identity;
            self.by_device.remove(&(user, device));
            let told = tunnel::Refusal { code: "full", told: "the gateway is full".to_owned() };
            return self.end(id, Ending::Full, Some(ToSession::Refused(told)));
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let settings = peer_settings(
            &admitted,
            peer,
            &hello.peer_info,
            &connection.endpoint,
            &self.parts.data_settings,
        );
        let info = SessionInfo {
            number: id,
            identity: admitted.identity.clone(),
            tcp: connection.endpoint.stream().is_some(),
            source: connection.remote,
            local: connection.endpoint.local,
            addresses: admitted.addresses.clone(),
            cipher: None,
            tls: hello.tls,
            peer_version: client_name(&hello.peer_info),
            since: self.parts.clock.now().boot,
            renegotiations: 0,
            renegotiated_at: None,
            counters: PeerCounters::default(),
        };
        let endpoint = connection.endpoint;
        connection.admitted = Some(Registered { peer, info, established: false });
        self.sources.end(connection.source);
        self.parts.pool.end(connection.seat);
        self.by_peer.insert(peer, id);
        self.parts.data.apply(Command::PeerNew { peer, endpoint, settings });
        // Registered: from here on a sweep finds it. What changed before that is caught now.
        if let Err(refusal) = self.parts.admission.standing(&admitted.identity) {
            let told = tunnel::Refusal { code: refusal.code(), told: told(&refusal) };
            return self.end(id, Ending::Withdrawn(refusal), Some(ToSession::Refused(told)));
        }
        let buffer = self.parts.data.receive_buffer();
        let grant = grant(&admitted, peer, &hello.peer_info, &endpoint, buffer);
        self.tell(id, ToSession::Admitted(peer, Box::new(grant)));
    }

    /// A device has one address, so its older session goes when the new one is admitted.
    fn replace_older(&mut self, id: ConnectionId, identity: &Identity) {
        let device = (identity.user.clone(), identity.device.clone());
        if let Some(older) = self.by_device.insert(device, id) {
            self.end(older, Ending::Replaced, Some(ToSession::Close(Close::Replaced)));
        }
    }
}

/// What a client calls itself: `OpenVPN 2.6.14 linux`.
fn client_name(info: &PeerInfo) -> String {
    let [version, platform] = ["IV_VER", "IV_PLAT"].map(|name| info.get(name).unwrap_or("?"));
    format!("{version} {platform}")
}
