//! Replays every known input: the seeds in `fuzz/corpus` and what once failed in `fuzz/regressions`.

#![allow(clippy::unwrap_used, reason = "a folder that can't be read has to fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fuzz_targets::{Target, all};

#[test]
fn every_known_input_is_handled() {
    let mut failed = Vec::new();
    for (name, target) in all() {
        let seeds = inputs("corpus", &name);
        let regressions = inputs("regressions", &name);
        println!("{name:28} {:4} seeds {:4} regressions", seeds.len(), regressions.len());
        assert!(!seeds.is_empty(), "{name} has no corpus; see docs/fuzzing.md");
        failed.extend(seeds.into_iter().chain(regressions).filter(|input| fails(target, input)));
    }
    assert!(failed.is_empty(), "{} inputs fail: {failed:#?}", failed.len());
}

#[test]
fn every_folder_of_inputs_belongs_to_a_target() {
    let targets: BTreeSet<String> = all().map(|(name, _)| name).collect();
    for kind in ["corpus", "regressions"] {
        let strays = entries(&root().join(kind))
            .into_iter()
            .filter(|path| !targets.contains(path.file_name().unwrap().to_str().unwrap()));
        assert_eq!(strays.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    }
}

#[test]
fn every_target_can_be_explored() {
    let targets: BTreeSet<String> = all().map(|(name, _)| name).collect();
    let explorers: BTreeSet<String> = entries(&root().join("fuzz_targets"))
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(explorers, targets, "fuzz/fuzz_targets has one file for each target");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for name in targets {
        let file = fs::read_to_string(root().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(file.contains(&format!("explore!(\"{name}\")")), "{name}.rs explores another");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no [[bin]]");
    }
}

#[test]
fn seeds_are_few_and_small() {
    for (name, _) in all() {
        let seeds = inputs("corpus", &name);
        assert!(seeds.len() <= 32, "{name}: {} seeds", seeds.len());
        for seed in seeds {
            assert!(fs::metadata(&seed).unwrap().len() < 4096, "{} is large", seed.display());
        }
    }
}

fn fails(target: Target, input: &Path) -> bool {
    let bytes = fs::read(input).unwrap();
    catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err()
}

fn inputs(kind: &str, name: &str) -> Vec<PathBuf> {
    entries(&root().join(kind).join(name))
}

/// A folder's entries by name; none if there is no folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
