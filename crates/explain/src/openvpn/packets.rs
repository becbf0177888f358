//! The tunnel's packets, opened: where whoever tells a capture asks for it, and holds its key log.
//!
//! Their keys come from the exporter of the TLS inside, so a key log of that is enough. What is opened is handed
//! on at once; nothing of it goes into a story, and of the keys nothing comes out.

use std::fmt;

use datapath::{DataKeys, OpenKey};
use wire::cipher::Cipher;
use wire::data::{DataHeader, Payload};
use wire::key_material::{KeyMaterial, Role};
use wire::push::{ProtocolFlag, PushOption};
use zeroize::Zeroizing;

use crate::place::{Seen, Side};
use crate::tls;

/// What both use (RFC 5705) to make the keys of the tunnel's packets.
const LABEL: &[u8] = b"EXPORTER-OpenVPN-datakeys";

/// A packet of the tunnel, as it went in on one side and came out on the other.
pub struct TunnelPacket {
    /// Microseconds since 1970.
    pub at: u64,
    /// The frame of the capture that it stood in.
    pub frame: u32,
    /// Who sent it.
    pub from: Side,
    /// From its IP header on.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// What became of data packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Packets of the tunnel's users, each handed on.
    pub packets: u64,
    /// Signs of life and goodbyes, which no user sent.
    pub signs: u64,
    /// Packets that stay closed: their keys can't be made from what is known, or they came before.
    pub closed: u64,
}

/// What the server said of the tunnel's packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    cipher: Cipher,
    by_exporter: bool,
}

/// The keys of one generation, by who sends under them.
pub(super) struct Openers {
    client: OpenKey,
    server: OpenKey,
}

/// What is opened of one session, if that is asked for.
#[derive(Default)]
pub(super) struct Opening {
    wanted: bool,
    counts: Opened,
    ready: Vec<TunnelPacket>,
}

impl Agreed {
    /// By the options of a push; none if they name no cipher that is known here.
    pub(super) fn of(options: &[PushOption]) -> Option<Agreed> {
        let cipher = options.iter().find_map(|option| match option {
            PushOption::Cipher(name) => Cipher::from_name(name),
            _ => None,
        })?;
        let by_exporter = options.iter().any(|option| match option {
            PushOption::KeyDerivationTlsEkm => true,
            PushOption::ProtocolFlags(flags) => flags.contains(&ProtocolFlag::TlsEkm),
            _ => false,
        });
        Some(Agreed { cipher, by_exporter })
    }
}

impl Openers {
    /// From what TLS exports; none without its secret, or where the keys are made another way.
    pub(super) fn of(agreed: Agreed, tls: &tls::Connection) -> Option<Openers> {
        let exported = tls.export(LABEL, KeyMaterial::LEN).filter(|_| agreed.by_exporter)?;
        let bytes: Zeroizing<[u8; KeyMaterial::LEN]> =
            Zeroizing::new(exported.as_slice().try_into().ok()?);
        let material = KeyMaterial::from_bytes(&bytes).ok()?;
        // What one side sent is opened as the other side does.
        let (_, client) = DataKeys::derive(agreed.cipher, &material, Role::TlsServer)?;
        let (_, server) = DataKeys::derive(agreed.cipher, &material, Role::TlsClient)?;
        Some(Openers { client, server })
    }

    fn open(
        &mut self,
        from: Side,
        header: DataHeader,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let key = match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let length = key.open(header, &mut bytes).ok()?.plaintext.len();
        let skipped = bytes.len().checked_sub(length)?;
        bytes.drain(..skipped);
        Some(bytes)
    }
}

impl Opening {
    pub(super) fn wanted() -> Self {
        Self { wanted: true, ..Self::default() }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Opens a packet, if there are keys for it.
    pub(super) fn packet(
        &mut self,
        seen: &Seen<'_>,
        header: DataHeader,
        keys: Option<&mut Openers>,
    ) {
        let opened = keys.and_then(|keys| keys.open(seen.from, header, seen.bytes));
        let Some(bytes) = opened else {
            self.counts.closed += 1;
            return;
        };
        if !matches!(Payload::classify(&bytes), Payload::Packet) {
            self.counts.signs += 1;
            return;
        }
        self.counts.packets += 1;
        let (at, frame, from) = (seen.at, seen.frame(), seen.from);
        self.ready.push(TunnelPacket { at, frame, from, bytes });
    }

    /// What was opened since, and the counts of all.
    pub(super) fn take(&mut self) -> (Vec<TunnelPacket>, Opened) {
        (std::mem::take(&mut self.ready), std::mem::take(&mut self.counts))
    }
}

impl Opened {
    /// Both together.
    pub(crate) fn add(&mut self, more: Opened) {
        self.packets += more.packets;
        self.signs += more.signs;
        self.closed += more.closed;
    }
}

impl fmt::Debug for TunnelPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelPacket")
            .field("frame", &self.frame)
            .field("from", &self.from)
            .field("length", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
