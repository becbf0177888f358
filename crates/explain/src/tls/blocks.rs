//! Opening records of TLS 1.2 that are encrypted by AES in CBC, with an HMAC: what there was before AEADs.
//!
//! The code stands inside what is encrypted (RFC 5246, 6.2.3.2), or behind it where both agreed on that (RFC 7366). A
//! record whose code does not fit is not opened. Nobody is answered, so that no time that it takes tells anything.

use aws_lc_rs::cipher::{
    AES_128, AES_256, AES_CBC_IV_LEN, DecryptingKey, DecryptionContext, UnboundCipherKey,
};
use aws_lc_rs::hmac;

/// How a suite encrypts and makes its codes.
#[derive(Clone, Copy)]
pub(super) struct BlockCipher {
    pub(super) key_length: usize,
    mac: hmac::Algorithm,
}

impl BlockCipher {
    /// The suites with AES; none for any other.
    pub(super) fn known(number: u16) -> Option<BlockCipher> {
        let (sha1, sha256, sha384) =
            (hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA256, hmac::HMAC_SHA384);
        let (key_length, mac) = match number {
            0x002f | 0x0033 | 0xc009 | 0xc013 => (16, sha1),
            0x0035 | 0x0039 | 0xc00a | 0xc014 => (32, sha1),
            0x003c | 0x0067 | 0xc023 | 0xc027 => (16, sha256),
            0x003d | 0x006b => (32, sha256),
            0xc024 | 0xc028 => (32, sha384),
            _ => return None,
        };
        Some(BlockCipher { key_length, mac })
    }

    pub(super) fn mac_length(self) -> usize {
        self.mac.digest_algorithm().output_len()
    }

    /// Whether keys are made with SHA-384 as well.
    pub(super) fn is_sha384(self) -> bool {
        self.mac == hmac::HMAC_SHA384
    }
}

/// One direction's keys.
pub(super) struct Blocks {
    key: DecryptingKey,
    mac: hmac::Key,
    mac_length: usize,
    /// The code stands behind what is encrypted, and is over that.
    behind: bool,
}

impl Blocks {
    pub(super) fn new(cipher: BlockCipher, key: &[u8], mac: &[u8], behind: bool) -> Option<Blocks> {
        let algorithm = if cipher.key_length == 16 { &AES_128 } else { &AES_256 };
        let key = DecryptingKey::cbc(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
        let mac = hmac::Key::new(cipher.mac, mac);
        Some(Blocks { key, mac, mac_length: cipher.mac_length(), behind })
    }

    /// The content of a record, which is opened where it stands.
    pub(super) fn open<'a>(
        &self,
        sequence: u64,
        header: [u8; 5],
        record: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        if self.behind {
            let length = record.len().checked_sub(self.mac_length)?;
            let (sealed, code) = record.split_at_mut_checked(length)?;
            self.verify(sequence, header, sealed, code)?;
            let inside = self.decrypt(sealed)?;
            return inside.get(..without_padding(inside)?);
        }
        let inside = self.decrypt(record)?;
        let end = without_padding(inside)?;
        let (content, code) =
            inside.get(..end)?.split_at_checked(end.checked_sub(self.mac_length)?)?;
        self.verify(sequence, header, content, code)?;
        Some(content)
    }

    fn verify(&self, sequence: u64, header: [u8; 5], over: &[u8], code: &[u8]) -> Option<()> {
        let length = u16::try_from(over.len()).ok()?.to_be_bytes();
        let [kind, major, minor, ..] = header;
        let message = [&sequence.to_be_bytes()[..], &[kind, major, minor], &length, over].concat();
        hmac::verify(&self.mac, &message, code).ok()
    }

    /// What stands behind the first block, which begins the chain.
    fn decrypt<'a>(&self, sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let (first, rest) = sealed.split_first_chunk_mut::<AES_CBC_IV_LEN>()?;
        let context = DecryptionContext::Iv128((&*first).into());
        self.key.decrypt(rest, context).ok().map(|inside| &*inside)
    }
}

/// Where the padding begins: as many bytes as its last one says, and all of them say so.
fn without_padding(inside: &[u8]) -> Option<usize> {
    let last = *inside.last()?;
    let end = inside.len().checked_sub(usize::from(last) + 1)?;
    inside.get(end..)?.iter().all(|byte| *byte == last).then_some(end)
}
