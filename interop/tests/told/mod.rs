//! What is looked at in a story of the running gateway or of a client, and how it is recorded.

#![allow(dead_code, reason = "each test includes it and uses a part")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use interop::World;
use serde_json::Value;

/// The first story that the command gives.
pub(crate) fn told(world: &World, which: &[&str]) -> Value {
    let mut arguments = vec!["explain"];
    arguments.extend(which);
    arguments.extend(["--format", "json"]);
    let stories: Value = serde_json::from_str(&world.handfast(&arguments)).expect("JSON");
    stories["stories"][0].clone()
}

/// Its steps, by the names of the catalogue.
pub(crate) fn entries(story: &Value) -> Vec<String> {
    let steps = story["steps"].as_array().expect("steps");
    steps.iter().filter_map(|step| step["entry"].as_str()).map(str::to_owned).collect()
}

/// What this side showed of itself.
pub(crate) fn certificate_of<'a>(story: &'a Value, side: &str) -> &'a Value {
    let all = story["certificates"].as_array().expect("a list");
    all.iter().find(|one| one["shown_by"] == side && one["depth"] == 0).expect("one")
}

pub(crate) fn broke_by(story: &Value, code: &str, by: &str) {
    let ending = &story["ending"];
    assert_eq!(
        (ending["code"].as_str(), ending["by"].as_str()),
        (Some(code), Some(by)),
        "{ending}"
    );
}

pub(crate) fn mended_by(story: &Value, mend: &str) {
    assert!(story["ending"]["mends"].to_string().contains(mend), "{}", story["ending"]);
}

/// The gateway tells it in the words of the story that was recorded, or it is recorded.
pub(crate) fn recorded(world: &World, page: &str, which: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let story = root.join(format!("crates/explain/tests/stories/{page}.json"));
    let as_format = |format| {
        let words: Vec<&str> = ["explain"].iter().chain(which).copied().collect();
        world.handfast(&[&words[..], &["--format", format]].concat())
    };
    if std::env::var_os("EXPLAIN_RECORD").is_some() {
        fs::write(&story, as_format("json")).expect("the story is written");
        let file = root.join(format!("docs/handshakes/{page}.html"));
        return fs::write(file, as_format("html")).expect("the page is written");
    }
    hold(page, &as_format("json"));
}

/// This JSON has the words of the story that was recorded under that name, or with `EXPLAIN_RECORD=1` takes its place; its
/// page is then written from it (`EXPLAIN_WRITE=1 cargo test -p explain --test recorded`).
pub(crate) fn hold(page: &str, told: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let story = root.join(format!("crates/explain/tests/stories/{page}.json"));
    if std::env::var_os("EXPLAIN_RECORD").is_some() {
        return fs::write(&story, told).expect("the story is written");
    }
    let kept = fs::read_to_string(&story).expect("EXPLAIN_RECORD=1 records it");
    assert_eq!(words(told), words(&kept), "{page}: EXPLAIN_RECORD=1 records it anew");
}

/// What is said of the steps and of the end of each story, without what is of one run alone: words with digits in them.
fn words(stories: &str) -> BTreeSet<String> {
    let stories: Value = serde_json::from_str(stories).expect("JSON");
    stories["stories"].as_array().expect("stories").iter().flat_map(words_of).collect()
}

fn words_of(story: &Value) -> Vec<String> {
    let of_step = |step: &Value| {
        ["entry", "title", "sentence", "proves", "leaves_open"].map(|name| step[name].clone())
    };
    let steps = story["steps"].as_array().expect("steps").iter().flat_map(of_step);
    let end = &story["ending"];
    let mends = end["mends"].as_array().cloned().unwrap_or_default();
    let all = steps.chain(mends).chain([end["sentence"].clone(), story["title"].clone()]);
    all.filter_map(|said| said.as_str().map(lasting)).collect()
}

fn lasting(said: &str) -> String {
    let of_run = |word: &&str| word.bytes().any(|byte| byte.is_ascii_digit());
    said.split(' ').filter(|word| !of_run(word)).collect::<Vec<_>>().join(" ")
}
