//! What was read from the wire, as named values: what a step shows, and what other readers can be compared with.
//!
//! A value is written as text here and nowhere else. Text of a peer is cut here; renderers escape all text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The most characters of a peer's text that are kept.
const LONGEST_TEXT: usize = 200;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// What it is called in the documents of the format.
    pub name: Cow<'static, str>,
    /// As it stands on the wire: a number, `0x` and digits for codes, hexadecimal for bytes, or text.
    pub value: String,
    /// What the code is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<Cow<'static, str>>,
}

impl Field {
    pub(crate) fn number(name: &'static str, value: impl Into<u64>) -> Field {
        Field { name: Cow::Borrowed(name), value: value.into().to_string(), meaning: None }
    }

    pub(crate) fn code(name: &'static str, value: u16, meaning: Option<&'static str>) -> Field {
        let meaning = meaning.map(Cow::Borrowed);
        let mut text = String::with_capacity(6);
        text.push_str("0x");
        let digit = |shift| char::from_digit(u32::from(value >> shift) & 0xf, 16);
        text.extend([12, 8, 4, 0].into_iter().filter_map(digit));
        Field { name: Cow::Borrowed(name), value: text, meaning }
    }

    pub(crate) fn bytes(name: &'static str, value: &[u8]) -> Field {
        let value =
            data_encoding::HEXLOWER.encode(value.get(..value.len().min(64)).unwrap_or_default());
        Field { name: Cow::Borrowed(name), value, meaning: None }
    }

    /// A text that may be the peer's.
    pub(crate) fn text(name: &'static str, value: &str) -> Field {
        Field { name: Cow::Borrowed(name), value: cut(value), meaning: None }
    }

    #[must_use]
    pub(crate) fn known(self, meaning: &'static str) -> Field {
        Field { meaning: Some(Cow::Borrowed(meaning)), ..self }
    }

    #[must_use]
    pub(crate) fn meaning(mut self, meaning: &str) -> Field {
        self.meaning = Some(Cow::Owned(cut(meaning)));
        self
    }
}

/// How many values were left out where there was no room for all.
pub(crate) const LEFT_OUT: &str = "values_not_kept";

/// Leaves the first value of each name and so many of the others, and says how many went. Sentences are chosen by which
/// names there are; whoever counts the values of a name has to look for [`LEFT_OUT`].
pub(crate) fn shorten(fields: &mut Vec<Field>, most_others: usize) {
    let (mut names, mut others, mut gone) = (BTreeSet::new(), 0, 0_u64);
    fields.retain(|field| {
        if field.name == LEFT_OUT {
            gone += field.value.parse::<u64>().unwrap_or(0);
            return false;
        }
        let is_first = names.insert(field.name.clone());
        others += usize::from(!is_first);
        let stays = is_first || others <= most_others;
        gone += u64::from(!stays);
        stays
    });
    if gone > 0 {
        fields.push(Field::number(LEFT_OUT, gone));
        fields.shrink_to_fit();
    }
}

/// Whether all values of a step are there, so that they can be counted.
pub(crate) fn are_whole(fields: &[Field]) -> bool {
    fields.iter().all(|field| field.name != LEFT_OUT)
}

/// The beginning of a text, with an ellipsis where something is left out.
pub(crate) fn cut(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    match text.char_indices().nth(LONGEST_TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_cut_keeps_one_of_each_name_and_counts_the_rest_once() {
        let many = |name, count| std::iter::repeat_n(Field::number(name, 7_u8), count);
        let mut fields: Vec<Field> =
            many("extension", 30).chain(many("cipher_suite", 30)).collect();
        fields.extend(many("key_share_group", 2));
        let names =
            |fields: &[Field], name: &str| fields.iter().filter(|field| field.name == name).count();
        assert!(are_whole(&fields));
        for _ in 0..2 {
            shorten(&mut fields, 16);
            let counts = ["extension", "cipher_suite", "key_share_group", LEFT_OUT];
            assert_eq!(counts.map(|name| names(&fields, name)), [17, 1, 1, 1]);
            assert_eq!(fields.last().map(|field| field.value.as_str()), Some("43"));
        }
        assert!(!are_whole(&fields));
    }
}
