//! How commands change the table. A command that can't be executed changes nothing and is answered by
//! [`Notice::Refused`].

use clock::Now;
use wire::KeyId;
use wire::cipher::Cipher;
use wire::key_material::{KeyMaterial, Role};

use super::core::Core;
use crate::fault::{self, Place};
use crate::peer::Peer;
use crate::{
    Command, CommandRefused, DataKeys, Endpoint, IpNet, Notice, PeerRef, PeerSettings, RouteChange,
};

/// Carries commands out.
pub(super) struct Commands<'w>(pub(super) &'w mut Core);

impl Commands<'_> {
    pub(super) fn apply(&mut self, command: Command, now: Now) {
        self.about(command.peer(), |this| this.execute(command, now));
    }

    pub(super) fn heard(&mut self, peer: PeerRef, now: Now) {
        self.about(peer, |this| this.peer_heard(peer, now));
    }

    pub(super) fn apply_route(&mut self, change: RouteChange) {
        self.about(change.peer(), |this| match change {
            RouteChange::New { peer, networks, sender } => this.route_new(peer, networks, sender),
            RouteChange::Del { peer } => this.route_del(peer),
        });
    }

    fn about(&mut self, peer: PeerRef, work: impl FnOnce(&mut Self) -> Result<(), CommandRefused>) {
        self.0.current_peer = Some(peer);
        fault::pass(Place::Command, peer);
        if let Err(why) = work(self) {
            self.0.notices.push(Notice::Refused { peer, why });
        }
        fault::pass(Place::Command, peer);
        self.0.current_peer = None;
    }

    fn execute(&mut self, command: Command, now: Now) -> Result<(), CommandRefused> {
        match command {
            Command::PeerNew { peer, endpoint, settings } => {
                self.peer_new(peer, endpoint, settings, now)
            }
            Command::PeerDel { peer } => self.peer_del(peer),
            Command::KeyNew { peer, key_id, cipher, material, role, fresh } => {
                self.key_new(peer, key_id, cipher, (&material, role), fresh)
            }
            Command::KeySwap { peer, key_id } => self.key_swap(peer, key_id, now),
            Command::KeyDel { peer, key_id } => self.key_del(peer, key_id),
        }
    }

    fn peer_new(
        &mut self,
        peer: PeerRef,
        endpoint: Endpoint,
        settings: PeerSettings,
        now: Now,
    ) -> Result<(), CommandRefused> {
        if !self.0.settings.shard.owns(peer.id.get()) {
            return Err(CommandRefused::WrongShard);
        }
        let nets: Vec<IpNet> = settings.nets().collect();
        self.0.table.insert(Peer::new(peer, endpoint, settings, now.boot))?;
        let slot = peer.id.get();
        nets.into_iter().for_each(|net| self.0.routes.insert(net, slot));
        self.0.rearm(slot);
        Ok(())
    }

    fn peer_heard(&mut self, peer: PeerRef, now: Now) -> Result<(), CommandRefused> {
        let found = self.0.table.named(peer).ok_or(CommandRefused::NoSuchPeer)?;
        if found.alive.heard(now.boot) {
            self.0.rearm(peer.id.get());
        }
        Ok(())
    }

    fn peer_del(&mut self, peer: PeerRef) -> Result<(), CommandRefused> {
        let gone = self.0.table.remove(peer).ok_or(CommandRefused::NoSuchPeer)?;
        let slot = peer.id.get();
        gone.settings.nets().for_each(|net| self.0.routes.remove(net, slot));
        self.0.timers.disarm(slot, gone.alive.armed);
        self.0.notices.push(Notice::Deleted { peer, counters: gone.counters });
        Ok(())
    }

    fn route_new(
        &mut self,
        peer: PeerRef,
        networks: Vec<IpNet>,
        sender: Option<Endpoint>,
    ) -> Result<(), CommandRefused> {
        let slot = peer.id.get();
        if self.0.settings.shard.owns(slot) {
            return Err(CommandRefused::WrongShard);
        }
        let former = self.0.remote_peers.insert(slot, networks.clone(), sender);
        former.into_iter().for_each(|net| self.0.routes.remove(net, slot));
        networks.into_iter().for_each(|net| self.0.routes.insert(net, slot));
        Ok(())
    }

    fn route_del(&mut self, peer: PeerRef) -> Result<(), CommandRefused> {
        let slot = peer.id.get();
        let former = self.0.remote_peers.remove(slot);
        former.into_iter().for_each(|net| self.0.routes.remove(net, slot));
        Ok(())
    }

    fn key_new(
        &mut self,
        peer: PeerRef,
        key_id: KeyId,
        cipher: Cipher,
        (material, role): (&KeyMaterial, Role),
        fresh: bool,
    ) -> Result<(), CommandRefused> {
        let found = self.0.table.named(peer).ok_or(CommandRefused::NoSuchPeer)?;
        if found.keys.has(key_id) {
            return Err(CommandRefused::KeyTaken);
        }
        let (seal, open) =
            DataKeys::derive(cipher, material, role).ok_or(CommandRefused::UnusableKey)?;
        found.keys.install(key_id, seal, open, fresh);
        Ok(())
    }

    fn key_swap(&mut self, peer: PeerRef, key_id: KeyId, now: Now) -> Result<(), CommandRefused> {
        let found = self.0.table.named(peer).ok_or(CommandRefused::NoSuchPeer)?;
        if !found.seal_with(key_id, now.boot) {
            return Err(CommandRefused::NoSuchKey);
        }
        self.0.rearm(peer.id.get());
        Ok(())
    }

    fn key_del(&mut self, peer: PeerRef, key_id: KeyId) -> Result<(), CommandRefused> {
        let found = self.0.table.named(peer).ok_or(CommandRefused::NoSuchPeer)?;
        if found.keys.delete(key_id) { Ok(()) } else { Err(CommandRefused::NoSuchKey) }
    }
}
