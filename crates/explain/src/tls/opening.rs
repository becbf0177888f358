//! Opening records with the secrets of a key log: the key schedule of TLS 1.3 from its traffic secrets on, the
//! PRF of TLS 1.2, and the AEADs of both.
//!
//! Of suites without an AEAD those with AES in CBC are opened, in TLS 1.2. Nothing here decides anything: a record that can't be opened is a gap.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce,
    UnboundKey,
};
use aws_lc_rs::{digest, hkdf, hmac};
use zeroize::Zeroizing;

use super::blocks::{BlockCipher, Blocks};
use crate::key_log::Secret;

/// How a cipher suite encrypts and hashes.
#[derive(Clone, Copy)]
pub(crate) struct Suite {
    cipher: Cipher,
    hash: Hash,
}

#[derive(Clone, Copy)]
enum Cipher {
    Aead(&'static Algorithm),
    Blocks(BlockCipher),
}

/// The hash of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
}

impl Suite {
    /// A suite that can be opened.
    pub(crate) fn known(number: u16) -> Option<Suite> {
        let (aead, hash) = match number {
            0x009c | 0x009e | 0x1301 | 0xc02b | 0xc02f => (&AES_128_GCM, Hash::Sha256),
            0x009d | 0x009f | 0x1302 | 0xc02c | 0xc030 => (&AES_256_GCM, Hash::Sha384),
            0x1303 | 0xcca8 | 0xcca9 | 0xccaa => (&CHACHA20_POLY1305, Hash::Sha256),
            _ => return Suite::of_blocks(number),
        };
        Some(Suite { cipher: Cipher::Aead(aead), hash })
    }

    fn of_blocks(number: u16) -> Option<Suite> {
        let cipher = BlockCipher::known(number)?;
        let hash = if cipher.is_sha384() { Hash::Sha384 } else { Hash::Sha256 };
        Some(Suite { cipher: Cipher::Blocks(cipher), hash })
    }

    pub(crate) fn hash(self) -> Hash {
        self.hash
    }
}

impl Hash {
    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }

    fn mac(self) -> hmac::Algorithm {
        match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha384 => hmac::HMAC_SHA384,
        }
    }

    fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Hash::Sha256 => hkdf::HKDF_SHA256,
            Hash::Sha384 => hkdf::HKDF_SHA384,
        }
    }

    pub(crate) fn length(self) -> usize {
        match self {
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
        }
    }
}

/// One direction's key.
pub(crate) struct Opener {
    key: Key,
    sequence: u64,
}

/// The most records that are thought to be missing in one hole.
const MOST_MISSED: u64 = 32;

enum Key {
    Aead(Aead),
    Blocks(Box<Blocks>),
}

struct Aead {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The header of the record is authenticated; the kind of content stands at its end.
    New,
    /// Eight bytes of the nonce stand in front.
    OldGcm,
    /// The nonce is counted.
    OldChaCha,
}

impl Opener {
    /// The key of a traffic secret (RFC 8446, 7.3).
    pub(crate) fn of_traffic_secret(suite: Suite, secret: &Secret) -> Option<Opener> {
        let Cipher::Aead(aead) = suite.cipher else { return None };
        let secret = hmac::Key::new(suite.hash.mac(), secret.bytes());
        let key = expand_once(&secret, b"key", aead.key_len())?;
        let iv = expand_once(&secret, b"iv", NONCE_LEN)?;
        Self::new(aead, &key, &iv, Form::New)
    }

    /// The key of a client or a server in TLS 1.2 (RFC 5246, 6.3).
    pub(crate) fn of_master_secret(
        suite: Suite,
        master: &Secret,
        randoms: Randoms<'_>,
        (of_client, mac_behind): (bool, bool),
    ) -> Option<Opener> {
        let (mac_length, key_length, iv_length, form) = match suite.cipher {
            Cipher::Blocks(cipher) => (cipher.mac_length(), cipher.key_length, 0, Form::OldGcm),
            Cipher::Aead(aead) if aead == &CHACHA20_POLY1305 => {
                (0, aead.key_len(), NONCE_LEN, Form::OldChaCha)
            }
            Cipher::Aead(aead) => (0, aead.key_len(), 4, Form::OldGcm),
        };
        let seed = [randoms.server.as_slice(), randoms.client].concat();
        let length = 2 * (mac_length + key_length + iv_length);
        let block = prf(suite.hash, master.bytes(), b"key expansion", &seed, length);
        // Of each the client's, and then the server's.
        let mut rest = block.as_slice();
        let mut next = |length: usize| {
            let (both, behind) = rest.split_at_checked(2 * length)?;
            rest = behind;
            let (client, server) = both.split_at_checked(length)?;
            Some(if of_client { client } else { server })
        };
        let (mac, key, salt) = (next(mac_length)?, next(key_length)?, next(iv_length)?);
        match suite.cipher {
            Cipher::Aead(aead) => {
                let mut iv = [0; NONCE_LEN];
                iv.iter_mut().zip(salt).for_each(|(to, from)| *to = *from);
                Self::new(aead, key, &iv, form)
            }
            Cipher::Blocks(cipher) => {
                let blocks = Blocks::new(cipher, key, mac, mac_behind)?;
                Some(Opener { key: Key::Blocks(Box::new(blocks)), sequence: 0 })
            }
        }
    }

    fn new(aead: &'static Algorithm, key: &[u8], iv: &[u8], form: Form) -> Option<Opener> {
        let key = LessSafeKey::new(UnboundKey::new(aead, key).ok()?);
        let key = Key::Aead(Aead { key, iv: iv.try_into().ok()?, form });
        Some(Opener { key, sequence: 0 })
    }

    /// Goes on to the number that this record has, where a few may be missing before it; false if there is none.
    pub(crate) fn finds(&mut self, header: [u8; 5], record: &[u8]) -> bool {
        let first = self.sequence;
        let found = (first..first.saturating_add(MOST_MISSED)).find(|sequence| {
            self.sequence = *sequence;
            self.open(header, &mut Zeroizing::new(record.to_vec())).is_some()
        });
        self.sequence = found.unwrap_or(first);
        found.is_some()
    }

    /// The kind of content and the content of a record, which is opened where it stands. One that fails doesn't count.
    pub(crate) fn open<'a>(
        &mut self,
        header: [u8; 5],
        record: &'a mut [u8],
    ) -> Option<(u8, &'a [u8])> {
        let opened = match &self.key {
            Key::Aead(aead) => aead.open(self.sequence, header, record)?,
            Key::Blocks(blocks) => (header[0], blocks.open(self.sequence, header, record)?),
        };
        self.sequence = self.sequence.checked_add(1)?;
        Some(opened)
    }
}

impl Aead {
    fn open<'a>(
        &self,
        sequence: u64,
        header: [u8; 5],
        record: &'a mut [u8],
    ) -> Option<(u8, &'a [u8])> {
        let (nonce, sealed) = self.nonce(sequence, record)?;
        let opened = match self.form {
            Form::New => self.key.open_in_place(nonce, Aad::from(header), sealed),
            Form::OldGcm | Form::OldChaCha => {
                let aad = self.authenticated_old(sequence, header, sealed.len())?;
                self.key.open_in_place(nonce, Aad::from(aad), sealed)
            }
        };
        let opened = opened.ok()?;
        match self.form {
            Form::New => without_padding(opened),
            Form::OldGcm | Form::OldChaCha => Some((header[0], opened)),
        }
    }

    fn nonce<'a>(&self, sequence: u64, sealed: &'a mut [u8]) -> Option<(Nonce, &'a mut [u8])> {
        let mut nonce = self.iv;
        if self.form == Form::OldGcm {
            let (explicit, rest) = sealed.split_at_mut_checked(8)?;
            nonce.iter_mut().skip(4).zip(explicit).for_each(|(to, from)| *to = *from);
            return Some((Nonce::assume_unique_for_key(nonce), rest));
        }
        nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        Some((Nonce::assume_unique_for_key(nonce), sealed))
    }

    /// What is authenticated beside the content in TLS 1.2 (RFC 5246, 6.2.3.3).
    fn authenticated_old(
        &self,
        sequence: u64,
        header: [u8; 5],
        sealed_length: usize,
    ) -> Option<Vec<u8>> {
        let length = sealed_length.checked_sub(self.key.algorithm().tag_len())?;
        let length = u16::try_from(length).ok()?.to_be_bytes();
        Some([&sequence.to_be_bytes()[..], &header[..3], &length].concat())
    }
}

/// The content without zeros, and the kind that stands behind it.
fn without_padding(content: &[u8]) -> Option<(u8, &[u8])> {
    let end = content.iter().rposition(|byte| *byte != 0)?;
    Some((*content.get(end)?, content.get(..end)?))
}

/// Both random values of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Randoms<'a> {
    pub(crate) client: &'a [u8; 32],
    pub(crate) server: &'a [u8; 32],
}

/// The traffic secret that follows this one (RFC 8446, 7.2).
pub(crate) fn next_secret(suite: Suite, secret: &Secret) -> Option<Secret> {
    let next = expand_label(suite.hash, secret.bytes(), b"traffic upd", suite.hash.length())?;
    Some(Secret::new(next.to_vec()))
}

/// What a Finished of TLS 1.3 must hold (RFC 8446, 4.4.4).
pub(crate) fn finished(hash: Hash, secret: &Secret, transcript: &[u8]) -> Option<Vec<u8>> {
    let key = expand_label(hash, secret.bytes(), b"finished", hash.length())?;
    let key = hmac::Key::new(hash.mac(), &key);
    Some(hmac::sign(&key, &hash.digest(transcript)).as_ref().to_vec())
}

/// What a Finished of TLS 1.2 must hold (RFC 5246, 7.4.9).
pub(crate) fn finished_old(
    hash: Hash,
    master: &Secret,
    of_client: bool,
    transcript: &[u8],
) -> Vec<u8> {
    let label: &[u8] = if of_client { b"client finished" } else { b"server finished" };
    prf(hash, master.bytes(), label, &hash.digest(transcript), 12).to_vec()
}

/// What TLS 1.3 exports for a label without context (RFC 8446, 7.5).
pub(crate) fn export(
    hash: Hash,
    secret: &Secret,
    label: &[u8],
    length: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let nothing = hash.digest(&[]);
    let of_label = expand_label_over(hash, secret.bytes(), label, &nothing, hash.length())?;
    expand_label_over(hash, &of_label, b"exporter", &nothing, length)
}

/// The same of TLS 1.2 (RFC 5705, 4).
pub(crate) fn export_old(
    hash: Hash,
    master: &Secret,
    randoms: Randoms<'_>,
    label: &[u8],
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let seed = [randoms.client.as_slice(), randoms.server].concat();
    prf(hash, master.bytes(), label, &seed, length)
}

/// The same where one block of the hash is enough, without a new schedule of the secret for each label (RFC 5869, 2.3).
fn expand_once(secret: &hmac::Key, label: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let info = label_info(label, &[], length)?;
    let block = hmac::sign(secret, &[&info[..], &[1]].concat());
    Some(Zeroizing::new(block.as_ref().get(..length)?.to_vec()))
}

fn expand_label(
    hash: Hash,
    secret: &[u8],
    label: &[u8],
    length: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    expand_label_over(hash, secret, label, &[], length)
}

fn expand_label_over(
    hash: Hash,
    secret: &[u8],
    label: &[u8],
    context: &[u8],
    length: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let info = label_info(label, context, length)?;
    let mut out = Zeroizing::new(vec![0; length]);
    let prk = hkdf::Prk::new_less_safe(hash.hkdf(), secret);
    prk.expand(&[&info], Length(length)).and_then(|okm| okm.fill(&mut out)).ok()?;
    Some(out)
}

/// What a label is expanded with (RFC 8446, 7.1).
fn label_info(label: &[u8], context: &[u8], length: usize) -> Option<Vec<u8>> {
    let full = [b"tls13 ", label].concat();
    let wanted = u16::try_from(length).ok()?.to_be_bytes();
    let (label, over) = (u8::try_from(full.len()).ok()?, u8::try_from(context.len()).ok()?);
    Some([&wanted[..], &[label], &full, &[over], context].concat())
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// The PRF of TLS 1.2 (RFC 5246, 5).
fn prf(hash: Hash, secret: &[u8], label: &[u8], seed: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let key = hmac::Key::new(hash.mac(), secret);
    let seed = [label, seed].concat();
    let mut a = hmac::sign(&key, &seed);
    let mut out = Zeroizing::new(Vec::with_capacity(length + hash.length()));
    while out.len() < length {
        out.extend_from_slice(hmac::sign(&key, &[a.as_ref(), &seed].concat()).as_ref());
        a = hmac::sign(&key, a.as_ref());
    }
    out.truncate(length);
    out
}
