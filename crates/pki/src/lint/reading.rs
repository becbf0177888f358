//! What the rules of certificates and of lists look at alike.

use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::time::ASN1Time;

use crate::CaCertificate;

/// A positive INTEGER of at most 20 octets, in the fewest.
pub(super) fn is_serial(octets: &[u8]) -> bool {
    match octets {
        [] | [0] | [0x80..=0xff, ..] => false,
        [0, second, ..] if *second < 0x80 => false,
        _ => octets.len() <= 20,
    }
}

/// UTCTime up to 2049, GeneralizedTime from then on.
pub(super) fn is_encoded_rightly(time: ASN1Time) -> bool {
    time.is_generalizedtime() == (time.to_datetime().year() >= 2050)
}

pub(super) fn each_once(extensions: &[X509Extension<'_>]) -> bool {
    let mut oids: Vec<_> = extensions.iter().map(|extension| extension.oid.as_bytes()).collect();
    oids.sort_unstable();
    oids.windows(2).all(|pair| pair[0] != pair[1])
}

/// What `pick` takes of the first extension that it takes something of, and whether that is critical.
pub(super) fn find<'a, 'b, T>(
    extensions: &'a [X509Extension<'b>],
    pick: impl Fn(&'a ParsedExtension<'b>) -> Option<T>,
) -> Option<(bool, T)> {
    extensions
        .iter()
        .find_map(|extension| Some((extension.critical, pick(extension.parsed_extension())?)))
}

/// Not critical, and by the key id alone.
pub(super) fn names_key_of(extensions: &[X509Extension<'_>], ca: &CaCertificate) -> bool {
    let named = find(extensions, |extension| match extension {
        ParsedExtension::AuthorityKeyIdentifier(id) => Some(id),
        _ => None,
    });
    let Some((false, id)) = named else { return false };
    id.key_identifier.as_ref().is_some_and(|id| id.0 == ca.key_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_positive_short_and_written_in_the_fewest_octets() {
        assert!(is_serial(&[1]) && is_serial(&[0, 0x80]) && is_serial(&[0x7f; 20]));
        for bad in [&[][..], &[0], &[0x80], &[0, 1], &[1; 21]] {
            assert!(!is_serial(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_year_2050_is_written_in_four_digits_and_none_before() {
        let last = ASN1Time::from_timestamp(2_524_607_999).unwrap().to_datetime();
        let first = ASN1Time::from_timestamp(2_524_608_000).unwrap().to_datetime();
        assert!(is_encoded_rightly(ASN1Time::new_utc(last)));
        assert!(!is_encoded_rightly(ASN1Time::new_generalized(last)));
        assert!(is_encoded_rightly(ASN1Time::new_generalized(first)));
        assert!(!is_encoded_rightly(ASN1Time::new_utc(first)));
    }
}
