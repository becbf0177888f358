//! One generation of data keys: sealing and opening in the AEAD format of OpenVPN 2.4 and later
//! (packet id, tag, ciphertext), with what each direction has to count.
//!
//! Invariant: a [`SealKey`] never uses a packet id twice, and never one beyond 0xFFFFFFFF.

use std::fmt;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce,
    UnboundKey,
};
use wire::cipher::Cipher;
use wire::data::DataHeader;
use wire::key_material::{Direction, KeyMaterial, KeySlices, Role};
use zeroize::Zeroize;

use crate::{ReplayWindow, Replayed};

/// Bytes that a P_DATA_V1 packet is longer than what it holds.
pub const OVERHEAD_V1: usize = DataHeader::V1_LEN + PACKET_ID + TAG;
/// Bytes that a P_DATA_V2 packet is longer than what it holds.
pub const OVERHEAD_V2: usize = DataHeader::V2_LEN + PACKET_ID + TAG;

/// Makes both directions of a key generation.
#[derive(Debug)]
pub struct DataKeys;

impl DataKeys {
    /// The keys of somebody who had `role` in the TLS handshake. `None` only if the material's
    /// length doesn't fit the cipher, which the types rule out.
    pub fn derive(
        cipher: Cipher,
        material: &KeyMaterial,
        role: Role,
    ) -> Option<(SealKey, OpenKey)> {
        let seal = SealKey {
            key: Half::new(cipher, material.slice(role, Direction::Send))?,
            next_id: 1,
            usage: Usage::new(cipher),
        };
        let open = OpenKey {
            key: Half::new(cipher, material.slice(role, Direction::Receive))?,
            window: ReplayWindow::new(),
            usage: Usage::new(cipher),
            forged: 0,
        };
        Some((seal, open))
    }
}

/// Seals packets. Ids start at 1 and grow by one.
pub struct SealKey {
    key: Half,
    /// One more than a u32 holds once all ids are used.
    next_id: u64,
    usage: Usage,
}

impl SealKey {
    /// How long the datagram for `plaintext` bytes is.
    pub fn sealed_len(header: DataHeader, plaintext: usize) -> usize {
        overhead(header) + plaintext
    }

    /// Seals `plaintext` into `out`, which is exactly [`Self::sealed_len`] long.
    pub fn seal(
        &mut self,
        header: DataHeader,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(), SealError> {
        let packet_id = self.packet_id_for(plaintext.len())?;
        if plaintext.is_empty() || out.len() != overhead(header) + plaintext.len() {
            return Err(SealError::WrongLength);
        }
        let (head, body) = out.split_at_mut(overhead(header) - TAG);
        write_head(header, packet_id, head);
        let (tag, ciphertext) = body.split_at_mut(TAG);
        self.key
            .key
            .seal_out_of_place_scatter(
                self.key.nonce(packet_id),
                Aad::from(associated(header, head)),
                plaintext,
                ciphertext,
                &[],
                tag,
            )
            .map_err(|_| SealError::WrongLength)?;
        self.sealed(packet_id, plaintext.len());
        Ok(())
    }

    /// How much is spent of the packet ids or of what the cipher bears, whichever is more: 0 to 32
    /// thirty-seconds.
    pub fn spent(&self) -> u8 {
        ((self.next_id.saturating_sub(1) >> ID_SHARE) as u8).max(self.usage.spent())
    }

    /// Whether it is time to renegotiate: half is spent.
    pub fn nearly_used_up(&self) -> bool {
        self.spent() >= NEARLY_USED_UP
    }

    fn packet_id_for(&self, len: usize) -> Result<u32, SealError> {
        let id = u32::try_from(self.next_id).map_err(|_| SealError::UsedUp)?;
        if self.usage.exceeded_by(len) { Err(SealError::UsedUp) } else { Ok(id) }
    }

    fn sealed(&mut self, packet_id: u32, len: usize) {
        self.next_id = u64::from(packet_id) + 1;
        self.usage.add(len);
    }

    /// Starts at another packet id, for tests of known answers and of the end of the ids.
    #[cfg(test)]
    pub(crate) fn set_next_id(&mut self, id: u32) {
        self.next_id = u64::from(id);
    }

    #[cfg(test)]
    pub(crate) fn set_spent(&mut self, blocks: u64) {
        self.usage.spent = blocks;
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").field("next_id", &self.next_id).finish_non_exhaustive()
    }
}

/// Opens packets and remembers which ids it has seen.
pub struct OpenKey {
    key: Half,
    window: ReplayWindow,
    usage: Usage,
    forged: u64,
}

/// What a packet held.
#[derive(Debug)]
pub struct Opened<'b> {
    /// The plaintext, where the ciphertext was.
    pub plaintext: &'b mut [u8],
    /// Whether no packet with a higher id was opened before. Only such a packet says where its
    /// sender is; a late one may come from a place that it left.
    pub newest: bool,
}

impl OpenKey {
    /// Opens a datagram in place. The caller read `header` from it, and picked this key by it. After
    /// an error the bytes are garbage.
    pub fn open<'b>(
        &mut self,
        header: DataHeader,
        datagram: &'b mut [u8],
    ) -> Result<Opened<'b>, OpenError> {
        if datagram.len() <= overhead(header) {
            return Err(OpenError::TooShort);
        }
        let (head, body) = datagram.split_at_mut(overhead(header) - TAG);
        let packet_id = read_packet_id(head).ok_or(OpenError::TooShort)?;
        // Cheap, and spares the cipher in a flood of copies. It decides nothing that the check after
        // authentication doesn't decide again.
        self.window.check(packet_id)?;
        if self.forged >= MAX_FORGED {
            return Err(OpenError::UsedUp);
        }
        let (tag, text) = body.split_at_mut(TAG);
        let aad = Aad::from(associated(header, head));
        let nonce = self.key.nonce(packet_id);
        let Ok(plaintext) = self.key.key.open_in_place_separate_tag(nonce, aad, tag, text) else {
            self.forged += 1;
            return Err(OpenError::Forged);
        };
        let newest = self.window.accept(packet_id)?;
        self.usage.add(plaintext.len());
        Ok(Opened { plaintext, newest })
    }

    /// As [`SealKey::spent`], by what the peer has used.
    pub fn spent(&self) -> u8 {
        ((self.window.highest() >> ID_SHARE) as u8).max(self.usage.spent())
    }

    /// As [`SealKey::nearly_used_up`].
    pub fn nearly_used_up(&self) -> bool {
        self.spent() >= NEARLY_USED_UP
    }
}

impl fmt::Debug for OpenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenKey").field("highest", &self.window.highest()).finish_non_exhaustive()
    }
}

/// Why a packet wasn't sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// We must not use this key any more: its packet ids or the cipher's margin are spent.
    UsedUp,
    /// The caller's buffer doesn't fit, or there is nothing to seal.
    WrongLength,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SealError::UsedUp => "the key's packet ids or its cipher's margin are spent",
            SealError::WrongLength => "the buffer doesn't fit the packet",
        })
    }
}

impl std::error::Error for SealError {}

/// Why a packet wasn't opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// No room for packet id, tag and one byte.
    TooShort,
    /// The id is 0, was seen, or is too old.
    Replayed(Replayed),
    /// The tag is wrong.
    Forged,
    /// So many tags were wrong that the next guess could be right.
    UsedUp,
}

impl From<Replayed> for OpenError {
    fn from(why: Replayed) -> Self {
        OpenError::Replayed(why)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::TooShort => f.write_str("the packet is too short"),
            OpenError::Replayed(why) => why.fmt(f),
            OpenError::Forged => f.write_str("the packet's tag is wrong"),
            OpenError::UsedUp => f.write_str("too many forged packets were tried on this key"),
        }
    }
}

impl std::error::Error for OpenError {}

/// The key of one direction.
struct Half {
    key: LessSafeKey,
    implicit_iv: [u8; NONCE_LEN - PACKET_ID],
}

impl Half {
    fn new(cipher: Cipher, slices: KeySlices<'_>) -> Option<Self> {
        let algorithm = algorithm(cipher);
        let key = UnboundKey::new(algorithm, slices.cipher.get(..algorithm.key_len())?).ok()?;
        Some(Self { key: LessSafeKey::new(key), implicit_iv: slices.implicit_iv() })
    }

    fn nonce(&self, packet_id: u32) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        let (id, iv) = nonce.split_at_mut(PACKET_ID);
        id.copy_from_slice(&packet_id.to_be_bytes());
        iv.copy_from_slice(&self.implicit_iv);
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.implicit_iv.zeroize();
    }
}

/// What a key was used for, in the units of the AES-GCM bound: packets plus 16-byte blocks of text
/// and associated data.
struct Usage {
    spent: u64,
    limit: u64,
}

impl Usage {
    fn new(cipher: Cipher) -> Self {
        let limit = match cipher {
            Cipher::Aes256Gcm | Cipher::Aes128Gcm => GCM_LIMIT,
            Cipher::ChaCha20Poly1305 => u64::MAX,
        };
        Self { spent: 0, limit }
    }

    fn cost(len: usize) -> u64 {
        // The packet, the block of associated data, the text.
        2 + (len as u64).div_ceil(16)
    }

    fn add(&mut self, len: usize) {
        self.spent = self.spent.saturating_add(Self::cost(len));
    }

    fn exceeded_by(&self, len: usize) -> bool {
        self.spent.saturating_add(Self::cost(len)) > self.limit
    }

    /// In thirty-seconds of the limit, which is just below a power of two.
    fn spent(&self) -> u8 {
        (self.spent >> (u64::BITS - self.limit.leading_zeros() - 5)) as u8
    }
}

fn algorithm(cipher: Cipher) -> &'static Algorithm {
    match cipher {
        Cipher::Aes256Gcm => &AES_256_GCM,
        Cipher::Aes128Gcm => &AES_128_GCM,
        Cipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
    }
}

fn overhead(header: DataHeader) -> usize {
    header.wire_len() + PACKET_ID + TAG
}

/// Writes everything in front of the tag; `head` has just that length.
fn write_head(header: DataHeader, packet_id: u32, head: &mut [u8]) {
    let (front, id) = head.split_at_mut(header.wire_len());
    front.copy_from_slice(&header.to_bytes()[..header.wire_len()]);
    id.copy_from_slice(&packet_id.to_be_bytes());
}

/// What the tag covers besides the text: V1 leaves the opcode out.
fn associated(header: DataHeader, head: &[u8]) -> &[u8] {
    match header {
        DataHeader::V1 { .. } => head.get(DataHeader::V1_LEN..).unwrap_or_default(),
        DataHeader::V2 { .. } => head,
    }
}

fn read_packet_id(head: &[u8]) -> Option<u32> {
    head.last_chunk().map(|id| u32::from_be_bytes(*id))
}

const PACKET_ID: usize = 4;
const TAG: usize = 16;
/// An id in thirty-seconds of all ids.
const ID_SHARE: u32 = u32::BITS - 5;
/// In thirty-seconds: renegotiate from here on. Stock waits for packet id 0xff000000 and 7/8 of what
/// the cipher bears, which at 40 Gbit/s leaves 5 and 27 seconds: less than a negotiation may take. Half leaves
/// 107.
pub(crate) const NEARLY_USED_UP: u8 = 16;
/// Packets + blocks under one AES-GCM key.
const GCM_LIMIT: u64 = (1 << 36) - 1;
/// Wrong tags under one key, after which it opens nothing more, as in stock OpenVPN.
const MAX_FORGED: u64 = 1 << 36;

#[cfg(test)]
mod tests;
