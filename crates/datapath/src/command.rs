//! The messages between the control plane and a worker. The verbs are those of Linux's `ovpn`
//! driver: peer new, delete; key new, swap, delete; and back: float, expired, used up.
//!
//! Invariant: a message names a peer by [`PeerRef`], and one with another generation than the
//! living peer's has no effect.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use wire::cipher::Cipher;
use wire::data::DataHeader;
use wire::key_material::{KeyMaterial, Role};
use wire::{KeyId, PeerId};

use crate::{Endpoint, IpNet, PeerCounters, Shard};

/// One owner of a slot in the peer table. Generations of a slot only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerRef {
    /// The slot. A server's slot is the peer-id it pushed; a client's is its own choice, usually 0.
    pub id: PeerId,
    /// Which owner of that slot.
    pub generation: u32,
}

/// The header of the packets sent to a peer. Either is always accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// P_DATA_V1: the peer finds us by address.
    V1,
    /// P_DATA_V2 with this peer-id.
    V2(PeerId),
}

impl Header {
    /// The header of a packet under one key.
    pub fn with_key(self, key_id: KeyId) -> DataHeader {
        match self {
            Header::V1 => DataHeader::V1 { key_id },
            Header::V2(peer_id) => DataHeader::V2 { key_id, peer_id },
        }
    }
}

/// The largest TCP segment that a SYN through the tunnel may announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mss {
    /// Inside IPv4.
    pub v4: u16,
    /// Inside IPv6.
    pub v6: u16,
}

impl Mss {
    /// Leaves every SYN as it is.
    pub const UNTOUCHED: Mss = Mss { v4: u16::MAX, v6: u16::MAX };
}

/// The same by what the outer packets go over: IPv6's headers take more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MssByUnderlay {
    /// Over IPv4.
    pub v4: Mss,
    /// Over IPv6.
    pub v6: Mss,
}

impl MssByUnderlay {
    /// Leaves every SYN as it is.
    pub const UNTOUCHED: MssByUnderlay = MssByUnderlay { v4: Mss::UNTOUCHED, v6: Mss::UNTOUCHED };

    /// The limits on the path to this endpoint.
    pub fn over(self, endpoint: &Endpoint) -> Mss {
        match endpoint.remote.ip().to_canonical() {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        }
    }
}

/// `None` turns that half off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// A ping leaves when no data packet left for this long.
    pub ping: Option<Duration>,
    /// The peer has expired when nothing authentic came for this long.
    pub ping_restart: Option<Duration>,
}

/// Everything about a peer but its keys and its whereabouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// How our packets to it begin.
    pub header: Header,
    /// Its own addresses inside the tunnel.
    pub addresses: Vec<IpAddr>,
    /// Networks behind it. On a client: everything (0.0.0.0/0 and ::/0).
    pub networks: Vec<IpNet>,
    /// Limits for SYNs in both directions.
    pub mss: MssByUnderlay,
    /// Ping and expiry.
    pub keep_alive: KeepAlive,
    /// Follow the peer to a new address once it proved itself there (P_DATA_V2 only).
    pub float: bool,
    /// Its receive buffer is small: [`Worker::paused_until`](crate::Worker::paused_until) says when it has
    /// been sent enough at once.
    pub paced: bool,
}

impl PeerSettings {
    /// Every network whose packets are the peer's.
    pub fn nets(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.addresses.iter().copied().map(IpNet::host).chain(self.networks.iter().copied())
    }
}

/// What the control plane asks for. Commands are applied between batches, in order.
#[derive(Debug)]
pub enum Command {
    /// A peer comes into being, without keys.
    PeerNew {
        /// Its slot must be free and the generation higher than any before in that slot.
        peer: PeerRef,
        /// Where it is.
        endpoint: Endpoint,
        /// What it may do.
        settings: PeerSettings,
    },
    /// The peer is closed. Once this is applied nothing is sealed or opened for it ever again.
    PeerDel {
        /// Which peer.
        peer: PeerRef,
    },
    /// Opens with this key from now on.
    KeyNew {
        /// Which peer.
        peer: PeerRef,
        /// Its place, which must be free.
        key_id: KeyId,
        /// The algorithm.
        cipher: Cipher,
        /// Both directions.
        material: KeyMaterial,
        /// Our role in the TLS handshake that made it.
        role: Role,
        /// Nothing was ever sealed with it. A peer that nothing is sealed for yet is answered under such a key from
        /// its first packet on, before any `KeySwap`. Another one's packet ids, and nonces with them, could come
        /// again: it seals when told alone.
        fresh: bool,
    },
    /// Seals with this key from now on.
    KeySwap {
        /// Which peer.
        peer: PeerRef,
        /// A key that was installed.
        key_id: KeyId,
    },
    /// The key is gone for both directions.
    KeyDel {
        /// Which peer.
        peer: PeerRef,
        /// Which key.
        key_id: KeyId,
    },
}

impl Command {
    /// The peer that it concerns.
    pub fn peer(&self) -> PeerRef {
        match *self {
            Command::PeerNew { peer, .. }
            | Command::PeerDel { peer }
            | Command::KeyNew { peer, .. }
            | Command::KeySwap { peer, .. }
            | Command::KeyDel { peer, .. } => peer,
        }
    }
}

/// What a worker is told of another one's peer, to hand its packets on. Not the control plane's to say:
/// whatever shares out peers among workers does.
#[derive(Clone, Debug)]
pub enum RouteChange {
    /// The peer comes into being; its packets are handed on to its owner.
    New {
        /// Which peer.
        peer: PeerRef,
        /// Its own addresses and the networks behind it.
        networks: Vec<IpNet>,
        /// Where it sends from, which tells its packets that don't name a slot (P_DATA_V1). `None` where
        /// such packets can't come to another worker.
        sender: Option<Endpoint>,
    },
    /// It is gone.
    Del {
        /// Which peer.
        peer: PeerRef,
    },
}

impl RouteChange {
    /// The peer that it concerns.
    pub fn peer(&self) -> PeerRef {
        match *self {
            RouteChange::New { peer, .. } | RouteChange::Del { peer } => peer,
        }
    }
}

/// What a worker tells the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The first packet under this key was authentic: the peer seals with it.
    FirstUse {
        /// Which peer.
        peer: PeerRef,
        /// Which key.
        key_id: KeyId,
    },
    /// The answer to [`Command::PeerDel`].
    Deleted {
        /// Which peer.
        peer: PeerRef,
        /// Its totals.
        counters: PeerCounters,
    },
    /// The peer proved itself at another endpoint; packets go there already.
    Float {
        /// Which peer.
        peer: PeerRef,
        /// Where it is.
        endpoint: Endpoint,
    },
    /// The peer comes back, again and again, to an address that it had just left: its packets are copied
    /// on their way, or come over two paths. Said once.
    Flapping {
        /// Which peer.
        peer: PeerRef,
    },
    /// Nothing authentic came for the time of ping-restart. Said once; the peer stays until deleted.
    Expired {
        /// Which peer.
        peer: PeerRef,
    },
    /// Time to renegotiate: half of the key's packet ids or of what its cipher bears is spent. Said
    /// again with each further thirty-second.
    KeysNearlyUsedUp {
        /// Which peer.
        peer: PeerRef,
        /// Which key.
        key_id: KeyId,
    },
    /// The peer said goodbye in the data channel (OCC EXIT). Said once.
    Exit {
        /// Which peer.
        peer: PeerRef,
    },
    /// A command about the peer panicked in a worker that doesn't own it, and that may hand none of its
    /// packets on. Its owner has it still. Never said by this crate: the shell that drives it does.
    WorkerPanicked {
        /// Which peer.
        peer: PeerRef,
    },
    /// A command had no effect.
    Refused {
        /// The peer that it concerned.
        peer: PeerRef,
        /// Why.
        why: CommandRefused,
    },
}

/// Why a command had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandRefused {
    /// No such peer, or another owner of its slot: late news about a former peer.
    NoSuchPeer,
    /// The slot is beyond [`WorkerSettings::slots`].
    NoSuchSlot,
    /// The slot belongs to another worker's shard, or, for a route, to this one's.
    WrongShard,
    /// The slot has an owner.
    SlotTaken,
    /// The slot had this generation or a later one before.
    OldGeneration,
    /// No key with that id.
    NoSuchKey,
    /// There is a key with that id; it has to be deleted first.
    KeyTaken,
    /// The key material can't be used: all zero.
    UnusableKey,
}

impl fmt::Display for CommandRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CommandRefused::NoSuchPeer => "the command names a peer that doesn't exist (any more)",
            CommandRefused::NoSuchSlot => "the command names a slot beyond the worker's table",
            CommandRefused::WrongShard => "the command names a slot of another worker's shard",
            CommandRefused::SlotTaken => "the slot still belongs to another peer",
            CommandRefused::OldGeneration => "the slot has seen a later generation",
            CommandRefused::KeyTaken => "a key with that id is installed already",
            CommandRefused::NoSuchKey => "the command names a key that isn't installed",
            CommandRefused::UnusableKey => "the key material is all zero",
        })
    }
}

impl std::error::Error for CommandRefused {}

/// What happens to a packet from one peer for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerToPeer {
    /// It is sealed for the other peer at once; the TUN device never sees it.
    Direct,
    /// It goes to the TUN device like any other; the kernel's rules decide.
    #[default]
    ViaKernel,
    /// It is dropped.
    Refuse,
}

/// How a worker tells peers apart on receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// P_DATA_V2 belongs to the slot of its peer-id, P_DATA_V1 to its sender's address.
    Server,
    /// Every packet belongs to its sender's address; the peer-id isn't looked at (like stock).
    Client,
}

/// What a worker is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Which lookup.
    pub side: Side,
    /// Peer slots, at most 2^24 - 1. A server's greatest peer-id plus one; 1 for a client.
    pub slots: u32,
    /// Traffic between peers.
    pub peer_to_peer: PeerToPeer,
    /// The slots that are this worker's.
    pub shard: Shard,
}

impl WorkerSettings {
    /// A server of up to `slots` peers whose traffic among themselves is the kernel's matter.
    pub fn server(slots: u32) -> Self {
        Self { side: Side::Server, slots, peer_to_peer: PeerToPeer::default(), shard: Shard::WHOLE }
    }

    /// A client: its one peer is the server.
    pub fn client() -> Self {
        Self {
            side: Side::Client,
            slots: 1,
            peer_to_peer: PeerToPeer::default(),
            shard: Shard::WHOLE,
        }
    }
}
