//! Files that rest on each other: the strongly connected parts of a crate's graph of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

/// One file rests on another, by these names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) names: BTreeSet<String>,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let (from, to) = (self.from.display(), self.to.display());
        write!(f, "{from} -> {to} ({})", names.join(", "))
    }
}

/// The edges between files that reach each other, one list for each such set of files.
pub(super) fn knots(edges: &[Edge]) -> Vec<Vec<&Edge>> {
    let mut next: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> = BTreeMap::new();
    for edge in edges {
        next.entry(&edge.from).or_default().insert(&edge.to);
    }
    let reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
        next.keys().map(|file| (*file, reachable(file, &next))).collect();
    let both_ways = |a: &PathBuf, b: &PathBuf| {
        let reaches =
            |from: &PathBuf, to: &PathBuf| reached.get(from).is_some_and(|r| r.contains(to));
        reaches(a, b) && reaches(b, a)
    };
    let mut knots: Vec<Vec<&Edge>> = Vec::new();
    for edge in edges.iter().filter(|edge| both_ways(&edge.from, &edge.to)) {
        match knots.iter_mut().find(|knot| both_ways(&knot[0].from, &edge.from)) {
            Some(knot) => knot.push(edge),
            None => knots.push(vec![edge]),
        }
    }
    knots
}

fn reachable<'a>(
    from: &'a PathBuf,
    next: &BTreeMap<&'a PathBuf, BTreeSet<&'a PathBuf>>,
) -> BTreeSet<&'a PathBuf> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for to in next.get(file).into_iter().flatten() {
            if seen.insert(*to) {
                open.push(to);
            }
        }
    }
    seen
}
