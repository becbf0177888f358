//! The recordings, and how one is told.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{Keys, Known, fill_bytes, read};
use explain::render;
use explain::story::{Stories, Story};

pub(crate) fn page(story: Story) -> String {
    render::html(&Stories {
        version: explain::story::VERSION,
        stories: vec![story],
        left_out: Vec::new(),
    })
}

pub(crate) fn outputs(stories: &Stories) -> [(&'static str, String); 5] {
    [
        ("term", render::term(stories, 100)),
        ("json", render::json(stories)),
        ("mermaid", render::mermaid(stories)),
        ("svg", render::svg(stories)),
        ("html", render::html(stories)),
    ]
}

pub(crate) fn tell(capture: &Path, keys: Keys) -> Stories {
    let log = fs::read_to_string(keys_of(capture)).unwrap_or_default();
    let log = Arc::new(KeyLog::parse(&log).unwrap());
    let mut stories = read(File::open(capture).unwrap(), Known { log, keys }).unwrap();
    fill_bytes(File::open(capture).unwrap(), &mut stories).unwrap();
    stories
}

pub(crate) fn given_key() -> Keys {
    let mut keys = Keys::default();
    for file in ["ta.key", "openvpn-udp-sha256-offload.ta"] {
        keys.add(&fs::read_to_string(folder().join(file)).unwrap()).unwrap();
    }
    keys
}

pub(crate) fn captures() -> Vec<PathBuf> {
    let all = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|end| end == "pcap")).collect();
    all.sort();
    assert!(all.len() >= 20, "the recordings are gone");
    all
}

pub(crate) fn keys_of(capture: &Path) -> PathBuf {
    capture.with_extension("keys")
}

pub(crate) fn name(capture: &Path) -> String {
    capture.file_stem().unwrap().to_string_lossy().into_owned()
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// Stories of gateways and of live clients, as they were recorded.
pub(crate) fn told_by_others() -> Vec<(String, Stories)> {
    let files = fs::read_dir(folder().join("../stories")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    files
        .map(|file| {
            (name(&file), serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap())
        })
        .collect()
}
