//! Values of steps by their names: the document of the format has each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[test]
fn the_document_of_the_format_has_every_name_of_a_value() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("../../docs/explain-json.md")).unwrap();
    let sources = sources(&root.join("src"));
    let constants = constants(&sources);
    let mut named = 0;
    for source in &sources {
        for constructor in ["number", "text", "code", "bytes"] {
            for behind in source.split(&format!("Field::{constructor}(")).skip(1) {
                let first = behind.split([',', ')']).next().unwrap_or_default().trim();
                let literal = first.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
                let last = first.rsplit("::").next().unwrap_or_default();
                let Some(name) = literal.or(constants.get(last).map(String::as_str)) else {
                    continue;
                };
                named += 1;
                let is_there = [format!("`steps[].fields.{name}`"), format!("`{name}`")];
                assert!(is_there.iter().any(|one| document.contains(one)), "{name} is missing");
            }
        }
    }
    assert!(named > 40, "only {named} were found");
}

/// What stands before the tests of each file.
fn sources(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(self::sources(&path));
        } else {
            let text = fs::read_to_string(path).unwrap();
            all.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
        }
    }
    all
}

/// Names that are constants.
fn constants(sources: &[String]) -> BTreeMap<String, String> {
    let lines = sources.iter().flat_map(|source| source.lines());
    let named = |line: &str| {
        let (name, value) = line.split_once("const ")?.1.split_once(": &str = \"")?;
        Some((name.to_owned(), value.strip_suffix("\";")?.to_owned()))
    };
    lines.filter_map(named).collect()
}
