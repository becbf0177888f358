//! A crate's tree of modules, and which file a path in it ends at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::failed::Failed;

use super::Sources;
use super::graph::Edge;
use super::names::{Names, Segments, for_tests};

/// The longest chain of `pub use` that is followed.
const LONGEST_CHAIN: usize = 16;

/// A crate's modules; the first one is its root.
#[derive(Debug)]
pub(super) struct Tree {
    modules: Vec<Module>,
}

#[derive(Debug)]
struct Module {
    file: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    names: Names,
}

/// Where a path ends.
enum End {
    Module(usize),
    Item { module: usize, name: String },
}

impl Tree {
    /// Reads a crate from its root file on.
    pub(super) fn read(root: &Path, sources: &Sources) -> Result<Self, Failed> {
        let mut tree = Self { modules: Vec::new() };
        let folder = root.parent().unwrap_or(Path::new("")).to_owned();
        tree.add_file(root, &folder, 0, sources)?;
        Ok(tree)
    }

    /// Which file rests on which.
    pub(super) fn edges(&self) -> Vec<Edge> {
        let mut edges: BTreeMap<(&Path, &Path), BTreeSet<String>> = BTreeMap::new();
        for (at, module) in self.modules.iter().enumerate() {
            let brought = module.names.imports.values().filter(|import| !import.passed_on);
            let named = module.names.paths.iter().chain(brought.map(|import| &import.path));
            for path in named.chain(&module.names.globs) {
                for (to, name) in self.rests_on(at, path) {
                    let files = (module.file.as_path(), self.modules[to].file.as_path());
                    if files.0 != files.1 && !self.holds(at, to) {
                        edges.entry(files).or_default().insert(name.clone());
                    }
                }
            }
        }
        let edge = |((from, to), names): ((&Path, &Path), _)| Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            names,
        };
        edges.into_iter().map(edge).collect()
    }

    /// The modules that a path in the module `at` rests on: the one that defines the name, and those
    /// that pass it on. Nothing where the path names a module, or leaves the crate.
    fn rests_on(&self, at: usize, path: &[String]) -> Vec<(usize, String)> {
        let mut passed = Vec::new();
        match self.follow(at, path, &mut passed) {
            Some(End::Item { module, name }) => {
                let all = passed.into_iter().filter(|by| *by != at).chain([module]);
                all.map(|module| (module, name.clone())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Is `within` a part of the module `at`, however deep?
    fn holds(&self, at: usize, within: usize) -> bool {
        let mut above = within;
        while above != 0 {
            above = self.modules[above].parent;
            if above == at {
                return true;
            }
        }
        false
    }

    /// `folder` is where the files of this module's children are.
    fn add_file(
        &mut self,
        file: &Path,
        folder: &Path,
        parent: usize,
        sources: &Sources,
    ) -> Result<usize, Failed> {
        let unread = |why: String| Failed::new(format!("{}: {why}", file.display()));
        let text = sources.get(file).ok_or_else(|| unread("is not there".to_owned()))?;
        let syntax = syn::parse_file(text).map_err(|e| unread(e.to_string()))?;
        self.add(file, folder, parent, &syntax.items, sources)
    }

    fn add(
        &mut self,
        file: &Path,
        folder: &Path,
        parent: usize,
        items: &[syn::Item],
        sources: &Sources,
    ) -> Result<usize, Failed> {
        let here = self.modules.len();
        let (names, children) = (Names::read(items), BTreeMap::new());
        self.modules.push(Module { file: file.to_owned(), parent, children, names });
        for item in items {
            let syn::Item::Mod(module) = item else { continue };
            if for_tests(&module.attrs) {
                continue;
            }
            let name = module.ident.to_string();
            let inside = folder.join(&name);
            let child = match &module.content {
                Some((_, items)) => self.add(file, &inside, here, items, sources)?,
                None => {
                    let beside = folder.join(format!("{name}.rs"));
                    let own =
                        if sources.contains_key(&beside) { beside } else { inside.join("mod.rs") };
                    self.add_file(&own, &inside, here, sources)?
                }
            };
            self.modules[here].children.insert(name, child);
        }
        Ok(here)
    }

    /// Follows a path that stands in a module, and notes the modules that pass its name on. `None`
    /// where it leaves the crate, or is a local name.
    fn follow(&self, from: usize, path: &[String], passed: &mut Vec<usize>) -> Option<End> {
        let (mut at, mut rest) = (from, path);
        while let Some((first, after)) = rest.split_first() {
            at = match first.as_str() {
                "crate" => 0,
                "self" => at,
                "super" => self.modules[at].parent,
                _ => break,
            };
            rest = after;
        }
        self.look_up(at, rest, passed)
    }

    fn look_up(&self, at: usize, path: &[String], passed: &mut Vec<usize>) -> Option<End> {
        let Some((first, rest)) = path.split_first() else { return Some(End::Module(at)) };
        let module = &self.modules[at];
        if let Some(child) = module.children.get(first) {
            return self.look_up(*child, rest, passed);
        }
        if module.names.items.contains(first) {
            return Some(End::Item { module: at, name: first.clone() });
        }
        if passed.len() > LONGEST_CHAIN {
            return None;
        }
        passed.push(at);
        if let Some(import) = module.names.imports.get(first) {
            let whole: Segments = import.path.iter().chain(rest).cloned().collect();
            return self.follow(at, &whole, passed);
        }
        module.names.globs.iter().find_map(|glob| match self.follow(at, glob, passed)? {
            End::Module(within) if within != at => self.look_up(within, path, passed),
            _ => None,
        })
    }
}
