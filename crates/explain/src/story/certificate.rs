//! A certificate that was shown: whose it is, by whom, until when, and who was asked whether it still holds.
//!
//! What is written here is what the certificate says of itself. Whether that is believed is for those who judge
//! certificates, and is said where they were asked.

use pki::{Revocation, RevocationReason};
use serde::{Deserialize, Serialize};

use crate::place::Side;

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Who showed it.
    pub shown_by: Side,
    /// The step that showed it.
    pub step: u32,
    /// Its place in the chain, 0 for the one that the side calls its own.
    pub depth: u32,
    /// Whose it is.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// In hexadecimal.
    pub serial: String,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Names and addresses that it is for.
    pub names: Vec<String>,
    /// What kind of key it vouches for.
    pub key: String,
    /// Who was asked whether it still holds: each means once.
    pub inquiries: Vec<Inquiry>,
}

impl Certificate {
    /// Whether it is the same one, whoever showed it, however often, and whoever was asked about it.
    pub(crate) fn is_the_same_as(&self, other: &Certificate) -> bool {
        let Certificate { shown_by, step, depth, .. } = *other;
        let inquiries = other.inquiries.clone();
        let is_read = !self.serial.is_empty();
        is_read && Certificate { shown_by, step, depth, inquiries, ..self.clone() } == *other
    }

    /// Takes over what was found about the same one where it was shown another time: an answer counts more than none.
    pub(crate) fn join(&mut self, other: &Certificate) {
        for inquiry in &other.inquiries {
            let is_had = self.inquiries.contains(inquiry);
            match self.inquiries.iter_mut().find(|have| have.means == inquiry.means) {
                None => self.inquiries.insert(0, inquiry.clone()),
                Some(_) if is_had || inquiry.answer == "not_asked" => {}
                Some(have) if have.answer == "not_asked" => *have = inquiry.clone(),
                Some(_) => self.inquiries.push(inquiry.clone()),
            }
        }
    }

    /// Takes what was found by asking, in the place of what was known of that means.
    pub fn answered(&mut self, inquiry: Inquiry) {
        match self.inquiries.iter_mut().find(|have| have.means == inquiry.means) {
            Some(have) => *have = inquiry,
            None => self.inquiries.push(inquiry),
        }
    }
}

/// What one means of revocation said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inquiry {
    /// The means.
    pub means: Means,
    /// `good`, `revoked`, `unknown`, `unreadable` or `not_asked`; of whoever asked himself also `stale`, for an answer
    /// whose time is over, and `none`, where none came that counts.
    pub answer: String,
    /// Since when the certificate is revoked, where that is the answer: in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<u64>,
    /// Why, as in RFC 5280, 5.3.1, where a reason is on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_for: Option<String>,
    /// When it was signed, in seconds since 1970.
    pub signed_at: Option<u64>,
    /// Who signed it, or whose record it is; by his own word where the signature was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Until when it is to be believed.
    pub good_until: Option<u64>,
    /// Where it was asked for; what was sent along was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<String>,
    /// What that means here.
    pub sentence: String,
}

impl Inquiry {
    /// An answer without a date, a signer or a place where it was asked for.
    pub fn new(means: Means, answer: &str, sentence: &str) -> Inquiry {
        Inquiry {
            means,
            answer: answer.to_owned(),
            revoked_at: None,
            revoked_for: None,
            signed_at: None,
            signed_by: None,
            good_until: None,
            asked_at: None,
            sentence: sentence.to_owned(),
        }
    }

    /// With when and why it was revoked, where that is known.
    #[must_use]
    pub fn revoked(self, revocation: Option<&Revocation>) -> Inquiry {
        let reason = revocation.map(|revocation| revocation.reason);
        let reason = reason.filter(|reason| *reason != RevocationReason::Unspecified);
        Inquiry {
            revoked_at: revocation.map(|revocation| revocation.at.unix_secs()),
            revoked_for: reason.map(|reason| reason.to_string()),
            ..self
        }
    }
}

/// How one finds out whether a certificate still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// The CA's word that the server brings along.
    Staple,
    /// The CA's word, asked for by whoever checks.
    Ocsp,
    /// The CA's list.
    Crl,
    /// What the gateway has on record, which is what its CRL is made from.
    Records,
}

impl Means {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Means::Staple => "staple",
            Means::Ocsp => "OCSP (asking the CA)",
            Means::Crl => "CRL (the CA's list)",
            Means::Records => "the gateway's own records",
        }
    }
}
