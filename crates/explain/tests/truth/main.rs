//! The truth of stories: handshakes are recorded between other programs and told, and every value in our JSON that
//! was read from the wire is compared with what tshark and OpenSSL read in the same file.
//!
//! The comparison knows our JSON and nothing of our decoder: from tshark's tree it makes the story that there must be
//! (`theirs`), and holds ours against it both ways. The table says who judges which name. A last test changes stories
//! in one place at a time and holds that the comparison sees each change.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod certificates;
mod compare;
mod cut;
mod inside;
mod joined;
mod mutate;
mod packets;
mod pdml;
mod record;
mod step;
mod stream;
mod table;
mod theirs;
mod tls;
mod told;
mod varieties;
mod vpn;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use mutate::{Kind, LISTS, Random};
use table::{Judge, TABLE};

#[test]
fn every_value_that_was_read_equals_what_other_programs_read() {
    let Some(all) = all() else { return };
    let mut wrong = Vec::new();
    for pair in all {
        let differences = compare::differences(&pair.ours, &pair.theirs);
        wrong.extend(differences.into_iter().map(|what| format!("{}: {what}", pair.name)));
    }
    let values: usize = all.iter().map(|pair| leaves(&pair.theirs)).sum();
    println!("{} handshakes compared, {values} values", all.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_name_in_our_json_has_a_judge_and_every_row_of_the_table_a_recording() {
    let Some(all) = all() else { return };
    let mut names = BTreeSet::new();
    let mut documents: Vec<Value> = all.iter().map(|pair| pair.document.clone()).collect();
    documents.extend(record::committed().map(|capture| told::document(&capture, None)));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for story in std::fs::read_dir(folder.join("stories")).unwrap() {
        let text = std::fs::read_to_string(story.unwrap().path()).unwrap();
        documents.push(serde_json::from_str(&text).unwrap());
    }
    for document in &documents {
        names.extend(["version".to_owned()]);
        let stories = document["stories"].as_array().unwrap();
        names.extend(stories.iter().flat_map(names_of));
        compare::paths(&document["left_out"], "left_out", &mut names);
    }
    let rows: BTreeSet<String> = TABLE.iter().map(|row| row.path.to_owned()).collect();
    assert_eq!(rows.len(), TABLE.len(), "a row is there twice");
    let without_judge: Vec<&String> = names.difference(&rows).collect();
    assert!(without_judge.is_empty(), "names without a judge: {without_judge:#?}");
    let unused: Vec<&String> = rows.difference(&names).collect();
    assert!(unused.is_empty(), "rows that no recording uses: {unused:#?}");
    let top = folder.join("../../..");
    let page = top.join("docs/explain-json.md");
    let had = std::fs::read_to_string(&page).unwrap();
    let (before, _) = had.split_once(PAGE_TABLE).unwrap();
    let written = format!("{before}{PAGE_TABLE}{}", table::written());
    if std::env::var_os("EXPLAIN_WRITE").is_some() {
        std::fs::write(&page, written).unwrap();
    } else {
        assert!(
            had == written,
            "docs/explain-json.md has another table: EXPLAIN_WRITE=1 writes it"
        );
    }
    for row in TABLE {
        if let Judge::Elsewhere(file, _) = row.judge {
            assert!(top.join(file).exists(), "{}: there is no {file}", row.path);
        }
    }
}

#[test]
fn recordings_are_what_their_names_say_and_of_every_kind() {
    let Some(all) = all() else { return };
    let broken: Vec<String> = all
        .iter()
        .flat_map(|pair| {
            let broken = varieties::broken_promises(&pair.name, &pair.theirs);
            broken.into_iter().map(|what| format!("{}: {what}", pair.name))
        })
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    for kind in varieties::KINDS {
        let is = |pair: &&Pair| {
            kind.iter().all(|word| pair.name.split([' ', '-']).any(|part| part == *word))
        };
        assert!(all.iter().any(|pair| is(&pair)), "none is {kind:?}");
    }
    let versions: BTreeSet<&str> = all.iter().filter_map(|pair| pair.version.as_deref()).collect();
    println!("recorded by {versions:?}");
    assert!(versions.iter().all(|version| version.starts_with("OpenVPN 2.6.")), "{versions:?}");
    assert!(!versions.is_empty());
    assert!(all.len() >= 60, "only {} were recorded", all.len());
}

#[test]
fn the_comparison_sees_every_single_change_of_a_story() {
    let Some(all) = all() else { return };
    let mut random = Random(0x5eed_2026);
    let mut known = HashSet::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut unseen = Vec::new();
    let names: Vec<BTreeSet<String>> = all.iter().map(|pair| names_of(&pair.ours)).collect();
    for kind in kinds() {
        let name = format!("{kind:?}");
        let has = |at: &usize| names[*at].iter().any(|name| name.starts_with(kind.path()));
        let having: Vec<usize> = (0..all.len()).filter(has).collect();
        for _ in 0..10 * EACH {
            if having.is_empty() || counts.get(&name).is_some_and(|count| *count == EACH) {
                break;
            }
            let at = having[random.below(having.len())];
            let pair = &all[at];
            let Some(mutant) = mutate::change(&pair.ours, kind, &mut random) else { continue };
            if !known.insert(format!("{at} {mutant}")) {
                continue;
            }
            *counts.entry(name.clone()).or_default() += 1;
            if compare::differences(&mutant, &pair.theirs).is_empty() {
                unseen.push(format!("{}: {name}", pair.name));
            }
        }
    }
    println!("{} changes of {} kinds: {counts:?}", known.len(), counts.len());
    assert!(unseen.is_empty(), "{unseen:#?}");
    let never: Vec<&str> = TABLE
        .iter()
        .filter(|row| row.is_compared())
        .filter(|row| !counts.contains_key(&format!("{:?}", Kind::Value(row.path))))
        .map(|row| row.path)
        .collect();
    assert!(never.is_empty(), "never changed: {never:?}");
    assert!(known.len() >= 200, "only {} changes", known.len());
}

/// Where the table stands on the page of the format, up to its end.
const PAGE_TABLE: &str = "| name | who judges it |\n|---|---|\n";

/// How many changes of each kind.
const EACH: usize = 3;

fn names_of(story: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    compare::paths(story, "", &mut names);
    names
}

/// A kind for each row that is compared here, one for its names, and those of lists.
fn kinds() -> impl Iterator<Item = Kind> {
    let rows = || TABLE.iter().filter(|row| row.is_compared()).map(|row| row.path);
    let fields = rows().filter(|path| path.starts_with("steps[].fields."));
    let lists = LISTS.iter().flat_map(|list| [Kind::Missing(list), Kind::Twice(list)]);
    let ordered = ["steps", "steps[].basis", "keys", "certificates", "packets", "packets[].acks"];
    rows()
        .map(Kind::Value)
        .chain(fields.map(Kind::Meaning))
        .chain(lists)
        .chain(ordered.into_iter().map(Kind::Swapped))
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.values().map(leaves).sum(),
        Value::Array(list) => list.iter().map(leaves).sum(),
        Value::Null => 0,
        _ => 1,
    }
}

/// A handshake, as we tell it and as others read it.
struct Pair {
    name: String,
    /// The whole of our JSON, and the story in it.
    document: Value,
    ours: Value,
    theirs: Value,
    /// Of the program that was recorded, as its log says.
    version: Option<String>,
}

impl Pair {
    fn of(record: &record::Record) -> Pair {
        let document = told::document(&record.capture, record.tls_auth_key.as_deref());
        let stories = document["stories"].as_array().unwrap();
        assert_eq!(stories.len(), 1, "{}: {}", record.name, document["left_out"]);
        Pair {
            name: record.name.clone(),
            ours: stories[0].clone(),
            theirs: theirs::story(record),
            version: record.version(),
            document,
        }
    }
}

/// All of them, made once for all tests.
fn all() -> Option<&'static [Pair]> {
    static ALL: OnceLock<Option<Vec<Pair>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let records = record::all()?;
        // tshark's start is most of the time that it takes.
        let half = records.len().div_ceil(2);
        let parts = std::thread::scope(|scope| {
            let parts: Vec<_> = records
                .chunks(half)
                .map(|part| scope.spawn(|| part.iter().map(Pair::of).collect::<Vec<Pair>>()))
                .collect();
            parts.into_iter().map(|part| part.join().unwrap()).collect::<Vec<_>>()
        });
        Some(parts.into_iter().flatten().collect())
    })
    .as_deref()
}
