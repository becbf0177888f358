//! A second look at an answer before it leaves: the musts of RFC 6960 section 4.2 and, as its times go, of RFC 5019
//! section 2.2.4.
//!
//! It is read by another library than the one that writes, and without a copy: an answer with a nonce is signed for
//! one asker, and what is done beside the signature counts. The form is judged, not the deed: what is said of a
//! certificate is the records' business, and the signature the key's.

use x509_parser::asn1_rs::{Any, FromDer};

use super::cert_id::CertId;
use super::nonce::Nonce;
use crate::lint::Rule;

/// What an answer has to be about, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// The certificates, in their order.
    pub(super) ids: &'a [CertId],
    /// What the request had.
    pub(super) nonce: Option<&'a Nonce>,
    /// SHA-1 of the key that signed.
    pub(super) responder_key_hash: &'a [u8],
    /// The certificate of whoever signed, in DER.
    pub(super) signer: &'a [u8],
}

/// Holds an answer against the rules.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn keeps(der: &[u8], asked: &Asked<'_>) -> Result<(), Rule> {
    let answer = Answer::read(der).ok_or(Rule::Readable)?;
    let rules = [
        (Rule::OcspResponder, answer.names_its_signer(asked)),
        (Rule::OcspAnswers, answer.is_about(asked.ids)),
        (Rule::OcspNonce, answer.nonce == asked.nonce.map(Nonce::as_bytes)),
        (Rule::OcspTimes, answer.times_are_right()),
        (Rule::EntryReason, answer.singles.iter().all(Single::has_a_reason_that_can_be)),
    ];
    match rules.iter().find(|(_, kept)| !kept) {
        Some((rule, _)) => Err(*rule),
        None => Ok(()),
    }
}

/// The parts of an answer, as they lie in it.
struct Answer<'a> {
    key_hash: &'a [u8],
    produced_at: Element<'a>,
    singles: Vec<Single<'a>>,
    nonce: Option<&'a [u8]>,
    certificates: &'a [u8],
}

struct Single<'a> {
    id: Vec<Element<'a>>,
    status: Element<'a>,
    this_update: Element<'a>,
    next_update: &'a [u8],
}

impl<'a> Answer<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let [status, bytes] = all(only(der, SEQUENCE)?)?.try_into().ok()?;
        if status.whole != SUCCESSFUL {
            return None;
        }
        let [kind, basic] = all(only(bytes.under(EXPLICIT_0)?, SEQUENCE)?)?.try_into().ok()?;
        if kind.whole != BASIC_RESPONSE {
            return None;
        }
        let basic = only(basic.under(OCTET_STRING)?, SEQUENCE)?;
        let [data, _, _, certificates] = all(basic)?.try_into().ok()?;
        let data = all(data.under(SEQUENCE)?)?;
        // A version that is the usual one may not be written.
        let (&[responder, produced_at, singles], extensions) = data.split_first_chunk()?;
        let singles = all(singles.under(SEQUENCE)?)?;
        Some(Self {
            key_hash: only(responder.under(EXPLICIT_2)?, OCTET_STRING)?,
            produced_at,
            singles: singles.iter().map(Single::read).collect::<Option<_>>()?,
            nonce: nonce(extensions)?,
            certificates: only(certificates.under(EXPLICIT_0)?, SEQUENCE)?,
        })
    }

    fn names_its_signer(&self, asked: &Asked<'_>) -> bool {
        self.key_hash == asked.responder_key_hash && self.certificates == asked.signer
    }

    /// Of what was asked, and of nothing else.
    fn is_about(&self, ids: &[CertId]) -> bool {
        self.singles.len() == ids.len()
            && self.singles.iter().zip(ids).all(|(one, id)| one.is_of(id))
    }

    /// To the second, in Greenwich's time, and none before the one before it: such text is in the order of time.
    fn times_are_right(&self) -> bool {
        let produced = self.produced_at;
        is_moment(produced.whole)
            && self.singles.iter().all(|one| {
                is_moment(one.this_update.whole)
                    && is_moment(one.next_update)
                    && one.this_update.whole <= produced.whole
                    && one.this_update.whole <= one.next_update
            })
    }
}

impl<'a> Single<'a> {
    fn read(element: &Element<'a>) -> Option<Self> {
        let [id, status, this_update, next_update] =
            all(element.under(SEQUENCE)?)?.try_into().ok()?;
        let next_update = next_update.under(EXPLICIT_0)?;
        Some(Self { id: all(id.under(SEQUENCE)?)?, status, this_update, next_update })
    }

    fn is_of(&self, id: &CertId) -> bool {
        let [_, name, key, serial] = self.id.as_slice() else { return false };
        let (name_hash, key_hash) = id.issuer_hashes();
        (name.content, key.content, serial.content) == (name_hash, key_hash, id.serial_octets())
    }

    /// `good` and `unknown` have none; what was revoked has a moment, and a reason that is no lifted hold and not
    /// the one that is said by saying nothing.
    fn has_a_reason_that_can_be(&self) -> bool {
        if [GOOD, UNKNOWN].contains(&self.status.whole) {
            return true;
        }
        let Some(revoked) = self.status.under(REVOKED).and_then(all) else { return false };
        match revoked.as_slice() {
            [at] => is_moment(at.whole),
            [at, reason] => {
                let reason = reason.under(EXPLICIT_0);
                is_moment(at.whole) && matches!(reason, Some([0x0a, 1, 1..=6 | 9..=10]))
            }
            _ => false,
        }
    }
}

/// The extension's, of which there is none or one; anything else is none of ours.
fn nonce<'a>(extensions: &[Element<'a>]) -> Option<Option<&'a [u8]>> {
    let [extensions] = extensions else { return extensions.is_empty().then_some(None) };
    let [one] = all(only(extensions.under(EXPLICIT_1)?, SEQUENCE)?)?.try_into().ok()?;
    let [kind, value] = all(one.under(SEQUENCE)?)?.try_into().ok()?;
    if kind.whole != NONCE {
        return None;
    }
    Some(Some(only(value.under(OCTET_STRING)?, OCTET_STRING)?))
}

/// One value of DER.
#[derive(Clone, Copy, Debug)]
struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Element<'a> {
    fn under(self, tag: u8) -> Option<&'a [u8]> {
        (self.whole.first() == Some(&tag)).then_some(self.content)
    }
}

/// The content of the only value there.
fn only(der: &[u8], tag: u8) -> Option<&[u8]> {
    let [one] = all(der)?.try_into().ok()?;
    one.under(tag)
}

/// The values that stand behind each other.
fn all(mut der: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (rest, one) = Any::from_der(der).ok()?;
        found.push(Element { whole: &der[..der.len() - rest.len()], content: one.data });
        der = rest;
    }
    Some(found)
}

/// A GeneralizedTime of fourteen digits and a Z.
fn is_moment(whole: &[u8]) -> bool {
    matches!(whole, [0x18, 15, digits @ .., b'Z'] if digits.len() == 14 && digits.iter().all(u8::is_ascii_digit))
}

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const EXPLICIT_0: u8 = 0xa0;
const EXPLICIT_1: u8 = 0xa1;
const EXPLICIT_2: u8 = 0xa2;
const REVOKED: u8 = 0xa1;
const GOOD: &[u8] = &[0x80, 0];
const UNKNOWN: &[u8] = &[0x82, 0];
const SUCCESSFUL: &[u8] = &[0x0a, 1, 0];
/// id-pkix-ocsp-basic.
const BASIC_RESPONSE: &[u8] = &[0x06, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
/// id-pkix-ocsp-nonce.
const NONCE: &[u8] = &[0x06, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
