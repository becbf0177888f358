//! A step as it follows from what tshark reads.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::pdml::Shown;
use crate::stream::{Place, Side};

/// What a step must say.
pub(crate) struct Step {
    pub(crate) at: u64,
    pub(crate) from: Side,
    pub(crate) entry: &'static str,
    pub(crate) key: Option<String>,
    pub(crate) handshake: u64,
    pub(crate) basis: Vec<Place>,
    pub(crate) source: &'static str,
    pub(crate) fields: BTreeMap<String, Vec<Value>>,
    /// Certificates that it shows, as they stand on the wire.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// What it says of the server's certificate.
    pub(crate) staple: Option<Value>,
    /// What a key's life is told from.
    pub(crate) lifetime: Option<u64>,
    pub(crate) suite: Option<String>,
}

impl Step {
    pub(crate) fn new(entry: &'static str, at: u64, from: Side, basis: Vec<Place>) -> Step {
        Step {
            at,
            from,
            entry,
            key: None,
            handshake: 0,
            basis,
            source: "seen",
            fields: BTreeMap::new(),
            certificates: Vec::new(),
            staple: None,
            lifetime: None,
            suite: None,
        }
    }

    pub(crate) fn add(&mut self, name: &str, value: impl ToString, meaning: Option<String>) {
        let value = json!([value.to_string(), meaning]);
        self.fields.entry(name.to_owned()).or_default().push(value);
    }

    pub(crate) fn json(&self, number: usize, began: u64) -> Value {
        json!({
            "number": number,
            "entry": self.entry,
            "at": self.at - began,
            "from": self.from.word(),
            "to": self.from.peer().word(),
            "key": self.key,
            "handshake": self.handshake,
            "basis": self.basis.iter().map(|place| place.json()).collect::<Vec<Value>>(),
            "source": self.source,
            "fields": self.fields,
        })
    }
}

/// How a value stands in our JSON.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// `0x` and four digits, with its name.
    Code,
    /// Decimal.
    Number,
    /// Decimal, with its name.
    Named,
    Bytes,
    Text,
}

impl Form {
    pub(crate) fn of(self, shown: &Shown) -> (String, Option<String>) {
        match self {
            Form::Code => (format!("0x{:04x}", shown.number()), Some(shown.meaning())),
            Form::Number => (shown.number().to_string(), None),
            Form::Named => (shown.number().to_string(), Some(shown.meaning())),
            Form::Bytes => (shown.value.clone(), None),
            Form::Text => (shown.show.clone(), None),
        }
    }
}

/// A text as far as it is kept.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(200) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
