//! Single changes of a story.

use serde_json::{Value, json};

use crate::compare::below;

/// A small generator, for the same changes in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.below(all.len())].clone())
    }
}

/// What is changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A value of this name.
    Value(&'static str),
    /// What the code in a value of this name is called.
    Meaning(&'static str),
    /// A list is one shorter, and what counts it is right again.
    Missing(&'static str),
    /// A list has one twice.
    Twice(&'static str),
    /// Two neighbours of a list, which keep their numbers.
    Swapped(&'static str),
}

impl Kind {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Kind::Value(path) | Kind::Meaning(path) => path,
            Kind::Missing(path) | Kind::Twice(path) | Kind::Swapped(path) => path,
        }
    }
}

/// Lists, as they are named in a story.
pub(crate) const LISTS: &[&str] = &[
    "steps",
    "steps[].fields",
    "steps[].basis",
    "keys",
    "keys[].uses",
    "certificates",
    "certificates[].names",
    "certificates[].inquiries",
    "packets",
    "packets[].acks",
];

/// The story with one change of this kind; none if it has nothing of it.
pub(crate) fn change(story: &Value, kind: Kind, random: &mut Random) -> Option<Value> {
    let path = kind.path();
    let mut all = Vec::new();
    pointers(story, "", String::new(), path, &mut all);
    if matches!(kind, Kind::Meaning(_)) {
        let meanings = all.iter().map(|one| one.replace("/value", "/meaning"));
        all = meanings.filter(|one| story.pointer(one).is_some()).collect();
    }
    let pointer = random.one_of(&all)?;
    let mut mutant = story.clone();
    let place = mutant.pointer_mut(&pointer)?;
    match kind {
        Kind::Value(_) | Kind::Meaning(_) => *place = other(place, path, random),
        _ => {
            let list = place.as_array_mut()?;
            let at = random.below(list.len().max(1));
            let removed = rearrange(kind, list, at)?;
            if path == "steps" {
                renumber(&mut mutant, at, removed);
            }
        }
    }
    (mutant != *story).then_some(mutant)
}

/// By how many the list grew.
fn rearrange(kind: Kind, list: &mut Vec<Value>, at: usize) -> Option<i64> {
    match kind {
        Kind::Missing(_) => {
            if at >= list.len() {
                return None;
            }
            list.remove(at);
            Some(-1)
        }
        Kind::Twice(_) => {
            let again = list.get(at)?.clone();
            list.insert(at, again);
            Some(1)
        }
        _ => {
            if at + 1 >= list.len() {
                return None;
            }
            list.swap(at, at + 1);
            Some(0)
        }
    }
}

/// Steps are numbered from 1, and what names a number behind the change means the same step as before.
fn renumber(story: &mut Value, at: usize, grown: i64) {
    for (step, number) in story["steps"].as_array_mut().unwrap().iter_mut().zip(1..) {
        step["number"] = json!(number);
    }
    let moved = |number: &mut Value| {
        if let Some(had) = number.as_i64().filter(|had| *had > at as i64 + 1) {
            *number = json!(had + grown);
        }
    };
    story["certificates"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(|one| moved(&mut one["step"]));
    if story["ending"]["at_step"].is_number() {
        moved(&mut story["ending"]["at_step"]);
    }
}

/// Where values of this path stand.
fn pointers(value: &Value, path: &str, pointer: String, wanted: &str, all: &mut Vec<String>) {
    if path == wanted {
        all.push(pointer);
        return;
    }
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            pointers(value, &below(path, name), format!("{pointer}/{name}"), wanted, all);
        }),
        Value::Array(list) if path == "steps[].fields" => {
            let named = list.iter().enumerate().filter(|(_, field)| {
                field["name"].as_str().is_some_and(|name| below(path, name) == wanted)
            });
            all.extend(named.map(|(at, _)| format!("{pointer}/{at}/value")));
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(at, value)| {
            pointers(value, &format!("{path}[]"), format!("{pointer}/{at}"), wanted, all);
        }),
        _ => {}
    }
}

/// Another value of the same kind.
fn other(value: &Value, path: &str, random: &mut Random) -> Value {
    match value {
        Value::Bool(is) => json!(!is),
        Value::Number(number) => {
            let (number, more) = (number.as_i64().unwrap(), 1 + random.below(1_000) as i64);
            json!(if number > more && random.below(2) == 0 { number - more } else { number + more })
        }
        Value::String(text) => json!(other_text(text, random)),
        Value::Null if ["ending.by", "keys[].replaced_by", "keys[].cipher"].contains(&path) => {
            json!("client")
        }
        _ => json!(random.below(1_000)),
    }
}

/// A side becomes the other one; of other texts one letter or digit changes.
fn other_text(text: &str, random: &mut Random) -> String {
    match text {
        "client" => return "server".to_owned(),
        "server" => return "client".to_owned(),
        _ => {}
    }
    let mut letters: Vec<char> = text.chars().collect();
    let begins = if text.starts_with("0x") { 2 } else { 0 };
    let all: Vec<usize> =
        (begins..letters.len()).filter(|at| letters[*at].is_ascii_alphanumeric()).collect();
    let Some(at) = random.one_of(&all) else { return format!("{text}x") };
    let letter = letters[at].to_ascii_lowercase();
    let others: Vec<char> = match letter.is_ascii_digit() {
        true => ('0'..='9').filter(|one| *one != letter).collect(),
        false => ('a'..='f').filter(|one| *one != letter).collect(),
    };
    letters[at] = random.one_of(&others).unwrap();
    letters.into_iter().collect()
}
