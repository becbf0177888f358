//! No circle between the files of a crate.
//!
//! A file rests on another when it names something that is written there, by a `use` or by a path in its
//! code. The rule, for a crate's tree of modules from its root on:
//!
//! - What is named counts, at the file that defines it and at every file that passes it on with `use`
//!   on the way there.
//! - `mod x;` and `pub use x::Y` are a table of contents and rest on nothing.
//! - A parent is made of its children, so it may take from them whatever they take from it. Between any
//!   other two files, cousins and a child's way to its parent included, it is one way or a circle.
//! - A module is a place and not a thing: `use crate::x;` alone rests on nothing, `x::y()` does.
//! - Methods are not followed, since a call does not say where the method is written. What stands
//!   under `#[cfg(test)]`, and tests in folders of their own, do not count: they look at everything.

mod graph;
mod names;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failed::Failed;
use crate::workspace;

use graph::{Edge, knots};
use tree::Tree;

/// The text of each file of a crate by its path.
type Sources = BTreeMap<PathBuf, String>;

/// Looks at every crate of the workspace.
pub(crate) fn check() -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for package in workspace::packages()? {
        for circle in circles(&sources(&package.folder)?)? {
            wrong.push(format!(
                "files of `{}` that rest on each other; move what both need to one of them that does not \
                 need the other, or to a file of its own:{circle}",
                package.name
            ));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failed::new(wrong.join("\n"))) }
}

/// The circles of one crate, each in words: a line for each file that rests on another of them.
fn circles(sources: &Sources) -> Result<Vec<String>, Failed> {
    let mut edges: Vec<Edge> = Vec::new();
    for root in ["src/lib.rs", "src/main.rs"] {
        let roots = sources.keys().find(|path| path.ends_with(root));
        if let Some(root) = roots {
            edges.extend(Tree::read(root, sources)?.edges());
        }
    }
    let words = |knot: &Vec<&Edge>| knot.iter().map(|edge| format!("\n  {edge}")).collect();
    Ok(knots(&edges).iter().map(words).collect())
}

/// Every file under a crate's `src`.
fn sources(folder: &Path) -> Result<Sources, Failed> {
    let mut found = Sources::new();
    let mut folders = vec![folder.join("src")];
    let unreadable =
        |path: &Path, e: std::io::Error| Failed::new(format!("{}: {e}", path.display()));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| unreadable(&folder, e))? {
            let path = entry.map_err(|e| unreadable(&folder, e))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
                found.insert(path, text);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
