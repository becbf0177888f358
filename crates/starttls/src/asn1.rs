//! As much of BER as a message of LDAP before TLS takes: a tag, a definite length, a value (X.690 section 8.1).
//!
//! Not `der`: directories of one maker write each length in four octets, which DER forbids.

/// An element, and what stands behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    pub(crate) rest: &'a [u8],
}

/// How an element begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Its tag and how many octets it takes in all, its head included.
    Whole(u8, usize),
    /// There is more to come.
    Partial,
    /// It is none that a directory writes.
    Wrong,
}

/// Reads how the first element begins.
pub(crate) fn head(octets: &[u8]) -> Head {
    let (Some(tag), Some(first)) = (octets.first(), octets.get(1)) else { return Head::Partial };
    match *first {
        short @ 0..=0x7f => Head::Whole(*tag, 2 + usize::from(short)),
        long @ 0x81..=0x84 => {
            let digits = usize::from(long & 0x7f);
            let Some(digits) = octets.get(2..2 + digits) else { return Head::Partial };
            let length = digits.iter().fold(0, |sum, digit| sum << 8 | u64::from(*digit));
            let all = usize::try_from(length)
                .ok()
                .and_then(|length| length.checked_add(2 + digits.len()));
            all.map_or(Head::Wrong, |all| Head::Whole(*tag, all))
        }
        _ => Head::Wrong,
    }
}

impl<'a> Element<'a> {
    /// Reads the first element.
    pub(crate) fn read(octets: &'a [u8]) -> Option<Self> {
        let Head::Whole(tag, all) = head(octets) else { return None };
        let (element, rest) = octets.split_at_checked(all)?;
        let digits = if element[1] < 0x80 { 0 } else { usize::from(element[1] & 0x7f) };
        Some(Self { tag, value: &element[2 + digits..], rest })
    }
}

/// Writes an element of less than 128 octets.
pub(crate) fn short(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    debug_assert!(value.len() < 0x80, "all that is written here is short");
    [&[tag, value.len() as u8][..], &value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_in_all_their_forms() {
        for form in [&[0x04, 2][..], &[0x04, 0x81, 2], &[0x04, 0x84, 0, 0, 0, 2]] {
            let octets = [form, b"hi", b"!"].concat();
            let element = Element { tag: 4, value: &b"hi"[..], rest: &b"!"[..] };
            assert_eq!(Element::read(&octets), Some(element));
            (0..form.len()).for_each(|cut| assert_eq!(head(&octets[..cut]), Head::Partial));
            assert_eq!(Element::read(&octets[..form.len() + 1]), None);
        }
        for wrong in [&[4, 0x80][..], &[4, 0x85, 0, 0, 0, 0, 1], &[4, 0xff]] {
            assert_eq!(head(wrong), Head::Wrong);
        }
    }
}
