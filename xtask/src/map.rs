//! The maps of the code name what exists: every file, and every path that begins with a crate of ours.
//!
//! Of a path such as `tunnel::Session::handle_datagram` each part has to be written somewhere in that
//! crate; whether one stands inside the other is not looked at.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failed::Failed;
use crate::workspace;

const PAGES: [&str; 2] = ["ARCHITECTURE.md", "docs/ways.md"];

/// Compares the pages with the sources.
pub(crate) fn check() -> Result<(), Failed> {
    let mut crates = Vec::new();
    for package in workspace::packages()? {
        crates.push((package.name, sources(&package.folder.join("src"))?));
    }
    for page in PAGES {
        let text = read(Path::new(page))?;
        let missing = missing(&text, &crates, |file| Path::new(file).exists());
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(Failed::new(format!("{page} names what does not exist: {missing}")));
        }
    }
    Ok(())
}

/// What the page names and the crates (name, whole text) do not have.
fn missing(page: &str, crates: &[(String, String)], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let is_missing = |name: &&str| {
        if name.contains('/') {
            return !exists(name.trim_end_matches('/'));
        }
        let mut parts = name.trim_end_matches("()").split("::");
        let first = parts.next().unwrap_or_default();
        match crates.iter().find(|(crate_name, _)| crate_name == first) {
            Some((_, text)) => !parts.all(|part| is_written(part, text)),
            None => name.contains("::") && first.chars().all(|c| c.is_ascii_lowercase()),
        }
    };
    let missing = quoted(page).into_iter().filter(is_missing);
    missing.map(|name| format!("`{name}`")).collect()
}

/// What stands between backticks on one line, outside of blocks.
fn quoted(page: &str) -> Vec<&str> {
    let mut outside = true;
    let lines = page.lines().filter(|line| {
        outside ^= line.starts_with("```");
        outside
    });
    let code = |word: &&str| {
        !word.is_empty() && !word.contains([' ', '<', '>', '.', '=']) || is_file(word)
    };
    lines.flat_map(|line| line.split('`').skip(1).step_by(2)).filter(code).collect()
}

fn is_file(word: &str) -> bool {
    word.contains('/') && !word.contains([' ', '<', '*', ':']) && !word.starts_with('/')
}

/// Is a thing of this name declared in the text, or a variant or field?
fn is_written(name: &str, text: &str) -> bool {
    let words = ["fn", "struct", "enum", "trait", "mod", "type", "const", "static"];
    let declared = words.iter().any(|word| follows(text, &format!("{word} {name}")));
    let begins = |line: &str| {
        let line = line.trim_start().trim_start_matches("pub ");
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([',', '(', ' ', ':']))
    };
    declared || text.lines().any(begins)
}

/// Does the text hold `words`, and no longer name in that place?
fn follows(text: &str, words: &str) -> bool {
    let ends = |at: usize| {
        let after = text[at + words.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    text.match_indices(words).any(|(at, _)| ends(at))
}

/// Everything that is written under a folder.
fn sources(folder: &Path) -> Result<String, Failed> {
    let mut text = String::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).map_err(|e| Failed::new(format!("{}: {e}", folder.display())))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&read(&path)?);
            }
        }
    }
    Ok(text)
}

fn read(path: &Path) -> Result<String, Failed> {
    fs::read_to_string(path).map_err(|e| Failed::new(format!("{}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_and_a_name_that_is_gone_are_told() {
        let page = "See `xtask/src/gone.rs`, `xtask/src/here.rs`, `tunnel::Session::drive`,\n\
            `tunnel::Session::gone`, `tunnel::Event::KeyInstalled` and `gone::Thing`.\n";
        assert_eq!(told(page), ["`xtask/src/gone.rs`", "`tunnel::Session::gone`", "`gone::Thing`"]);
    }

    #[test]
    fn commands_and_drawings_are_no_names() {
        let page =
            "`cargo xtask check`, `lib.rs`, `unsafe`, `Now`\n```\n`tunnel::gone`\n```\n`tunnel`\n";
        assert!(told(page).is_empty());
    }

    #[test]
    fn a_longer_name_is_another_one() {
        assert_eq!(told("`tunnel::Sess`"), ["`tunnel::Sess`"]);
    }

    fn told(page: &str) -> Vec<String> {
        let text = "pub struct Session;\nimpl Session { pub fn drive(&self) {} }\n\
            pub enum Event {\n    KeyInstalled(KeyId),\n}\n";
        let crates = [("tunnel".to_owned(), text.to_owned())];
        missing(page, &crates, |file| file == "xtask/src/here.rs")
    }
}
