//! The rules of revocation lists, RFC 5280 section 5.

use std::collections::BTreeSet;

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::{ReasonCode, X509Version};

use super::Rule;
use super::reading::{each_once, find, is_encoded_rightly, is_serial, names_key_of};
use crate::CaCertificate;

/// Holds a full list of this CA against the rules.
///
/// # Errors
/// The first rule that it breaks.
pub fn crl(der: &[u8], ca: &CaCertificate) -> Result<(), Rule> {
    let Ok(([], list)) = CertificateRevocationList::from_der(der) else {
        return Err(Rule::Readable);
    };
    match RULES.iter().find(|(_, keeps)| !keeps(&list, ca)) {
        Some((rule, _)) => Err(*rule),
        None => Ok(()),
    }
}

type List<'a> = CertificateRevocationList<'a>;

/// Whether the rule is kept.
type Kept = fn(&List<'_>, &CaCertificate) -> bool;

const RULES: [(Rule, Kept); 12] = [
    (Rule::Version, |list, _| list.version() == Some(X509Version::V2)),
    (Rule::SameAlgorithm, |list, _| list.tbs_cert_list.signature == list.signature_algorithm),
    (Rule::IssuerName, |list, ca| list.issuer().as_raw() == ca.subject()),
    (Rule::NextUpdate, |list, _| list.next_update().is_some()),
    (Rule::Order, |list, _| list.next_update().is_none_or(|next| list.last_update() < next)),
    (Rule::TimeEncoding, |list, _| times_are_right(list)),
    (Rule::ExtensionsOnce, |list, _| each_once(list.extensions())),
    (Rule::AuthorityKeyId, |list, ca| names_key_of(list.extensions(), ca)),
    (Rule::ExtensionsKnown, |list, _| list.extensions().iter().all(|one| !one.critical)),
    (Rule::CrlNumber, |list, _| has_number(list)),
    (Rule::EntriesOnce, |list, _| entries_are_once(list)),
    (Rule::EntryReason, |list, _| reasons_are_right(list)),
];

fn times_are_right(list: &List<'_>) -> bool {
    let own = [Some(list.last_update()), list.next_update()];
    let of_entries = list.iter_revoked_certificates().map(|entry| entry.revocation_date);
    own.into_iter().flatten().chain(of_entries).all(is_encoded_rightly)
}

fn has_number(list: &List<'_>) -> bool {
    let number = find(list.extensions(), |extension| match extension {
        ParsedExtension::CRLNumber(number) => Some(number.bits()),
        _ => None,
    });
    matches!(number, Some((false, ..=159)))
}

/// Each with a serial number that can be one. The field of an empty list is left out.
fn entries_are_once(list: &List<'_>) -> bool {
    let mut seen = BTreeSet::new();
    list.iter_revoked_certificates()
        .all(|entry| is_serial(entry.raw_serial()) && seen.insert(entry.raw_serial()))
}

fn reasons_are_right(list: &List<'_>) -> bool {
    list.iter_revoked_certificates().all(|entry| {
        let reason = find(entry.extensions(), |extension| match extension {
            ParsedExtension::ReasonCode(reason) => Some(*reason),
            _ => None,
        });
        let known = entry.extensions().iter().all(|one| !one.critical);
        let can_stand =
            |reason| reason != ReasonCode::RemoveFromCRL && reason != ReasonCode::Unspecified;
        known && each_once(entry.extensions()) && reason.is_none_or(|(_, code)| can_stand(code))
    })
}
