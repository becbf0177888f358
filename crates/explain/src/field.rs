//! What was read from the wire, as named values: what a step shows, and what other readers can be compared with.
//!
//! A value is written as text here and nowhere else. Text of a peer is cut here; renderers escape all text.

use std::borrow::Cow;

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
