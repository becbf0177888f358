//! Our story of a recording, as JSON.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use explain::KeyLog;
use explain::capture::{Keys, Known};
use serde_json::Value;

/// The whole document.
pub(crate) fn document(capture: &Path, key: Option<&Path>) -> Value {
    let log = fs::read_to_string(capture.with_extension("keys")).unwrap_or_default();
    let mut keys = Keys::default();
    if let Some(key) = key {
        keys.add(&fs::read_to_string(key).unwrap()).unwrap();
    }
    let known = Known { log: Arc::new(KeyLog::parse(&log).unwrap()), keys };
    let stories = explain::capture::read(File::open(capture).unwrap(), known).unwrap();
    serde_json::from_str(&explain::render::json(&stories)).unwrap()
}
