//! The truth of stories: handshakes are recorded between other programs and told, and every value in our JSON that
//! was read from the wire is compared with what tshark reads in the same file.
//!
//! The comparison knows our JSON and nothing of our decoder. A second test changes stories in one place at a time
//! and holds that the comparison sees each change.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod compare;
mod joined;
mod mutate;
mod record;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

#[test]
fn every_value_that_was_read_equals_what_tshark_reads() {
    let Some(all) = all() else { return };
    let mut wrong = Vec::new();
    for pair in all {
        let differences = pair.differences(&pair.story);
        wrong.extend(differences.into_iter().map(|what| format!("{}: {what}", pair.name)));
    }
    let handshakes = all.len();
    println!("{handshakes} handshakes compared");
    assert!(wrong.is_empty(), "{} of {handshakes} handshakes: {}", wrong.len(), wrong.join("\n"));
    assert!(handshakes >= 60, "only {handshakes} were recorded");
}

#[test]
fn the_comparison_sees_each_of_200_changes() {
    let Some(all) = all() else { return };
    let mut unseen = Vec::new();
    let mut kinds = BTreeMap::new();
    let mut random = mutate::Random(0x5eed_2026);
    let mut changed = 0;
    while changed < 200 {
        let pair = &all[random.below(all.len())];
        let kind = mutate::Kind::ALL[changed % mutate::Kind::ALL.len()];
        let Some(mutant) = mutate::change(&pair.story, kind, &mut random) else { continue };
        changed += 1;
        *kinds.entry(format!("{kind:?}")).or_insert(0) += 1;
        if pair.differences(&mutant).is_empty() {
            unseen.push(format!("{}: {kind:?}", pair.name));
        }
    }
    println!("changes by kind: {kinds:?}");
    assert!(unseen.is_empty(), "{unseen:#?}");
}

/// A handshake, as we tell it and as tshark reads it.
struct Pair {
    name: String,
    story: Value,
    read: compare::Read,
    joined: Option<compare::Read>,
}

impl Pair {
    fn of(record: &record::Record) -> Pair {
        let story = told(record);
        let read = compare::tshark(record);
        let joined = joined::read(record, &story);
        Pair { name: record.name.clone(), story, read, joined }
    }

    /// Where a story differs from what tshark reads, in the recording and of joined messages.
    fn differences(&self, story: &Value) -> Vec<String> {
        let mut wrong = compare::differences(story, &self.read);
        wrong.extend(self.joined.iter().flat_map(|read| joined::differences(story, read)));
        wrong
    }
}

/// All of them, made once for both tests.
fn all() -> Option<&'static [Pair]> {
    static ALL: OnceLock<Option<Vec<Pair>>> = OnceLock::new();
    ALL.get_or_init(|| Some(record::all()?.iter().map(Pair::of).collect())).as_deref()
}

/// The first story of a file, as JSON.
fn told(record: &record::Record) -> Value {
    let log = std::fs::read_to_string(&record.keys).unwrap_or_default();
    let known = explain::capture::Known {
        log: std::sync::Arc::new(explain::KeyLog::parse(&log).unwrap()),
        keys: explain::capture::Keys::default(),
    };
    let stories = explain::capture::read(open(&record.capture), known).unwrap();
    let json: Value = serde_json::from_str(&explain::render::json(&stories)).unwrap();
    assert_eq!(
        json["stories"].as_array().map(Vec::len),
        Some(1),
        "{}: {}",
        record.name,
        json["left_out"]
    );
    json["stories"][0].clone()
}

fn open(path: &Path) -> std::fs::File {
    std::fs::File::open(path).unwrap()
}
