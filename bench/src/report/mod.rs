//! What a run found: every single figure as JSON, the medians as a Markdown table, plots as SVG.

mod markdown;
mod statistics;
mod summary;
mod svg;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::BenchError;
use crate::machine::Facts;
use crate::measure::Figures;
use crate::topology::Mode;

use statistics::Table;

/// Everything that is known of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The machine and the programs.
    pub(crate) facts: Facts,
    /// Seconds of a TCP measurement.
    pub(crate) seconds: u32,
    /// Rounds that were finished.
    pub(crate) rounds: u32,
    /// What a contestant's log says of its own data path.
    pub(crate) data_paths: BTreeMap<String, String>,
    /// Contestants that could not be had, and why.
    pub(crate) skipped: BTreeMap<String, String>,
    /// Measurements that did not work, in words.
    pub(crate) failures: Vec<String>,
    /// Every single measurement, in the order in which it was made.
    pub(crate) samples: Vec<Sample>,
}

/// One measurement of one contestant.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// Counted from 1.
    pub(crate) round: u32,
    /// The link.
    pub(crate) mode: Mode,
    /// Who.
    pub(crate) contestant: String,
    /// What.
    pub(crate) measure: String,
    /// Share of the processors' time that was stolen meanwhile.
    pub(crate) stolen_percent: f64,
    /// How often it was done again because too much was stolen.
    pub(crate) repeated: u32,
    /// Processors' worth of CPU that the machine spent with this tunnel idle.
    pub(crate) idle_cores: f64,
    /// What came out.
    pub(crate) figures: Figures,
}

impl Report {
    /// An empty one.
    pub(crate) fn new(facts: Facts, seconds: u32) -> Self {
        Self {
            facts,
            seconds,
            rounds: 0,
            data_paths: BTreeMap::new(),
            skipped: BTreeMap::new(),
            failures: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// Leaves a contestant out from now on.
    pub(crate) fn skip(&mut self, name: &str, reason: String) {
        self.skipped.insert(name.to_owned(), reason);
    }

    /// Whether a contestant is left out.
    pub(crate) fn is_skipped(&self, name: &str) -> bool {
        self.skipped.contains_key(name)
    }

    /// Says whether the machine did something else: what it spent while the tunnels were idle.
    fn busy_while_idle(&self) -> Option<String> {
        let mut idle: Vec<f64> = self.samples.iter().map(|sample| sample.idle_cores).collect();
        idle.sort_by(f64::total_cmp);
        let (middle, most) = (*idle.get(idle.len() / 2)?, *idle.last()?);
        let verdict = if middle > MOST_BUSY {
            "**The machine was not free: the figures mean little.** "
        } else {
            ""
        };
        let spent = "While the tunnels were idle the machine spent";
        Some(format!("{verdict}{spent} {middle:.2} processors (median), {most:.2} at most."))
    }

    /// How many measurements were done again because too much was stolen.
    fn repeated(&self) -> u32 {
        self.samples.iter().map(|sample| sample.repeated).sum()
    }
}

/// Writes `vpn.json`, `vpn.md` and the plots into `folder`.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<(), BenchError> {
    fs::create_dir_all(folder).map_err(BenchError::file(folder.to_owned()))?;
    let json = serde_json::to_string_pretty(report)
        .map_err(|e| BenchError::tool("the report", e.to_string()))?;
    put(folder, "vpn.json", &json)?;
    let tables = statistics::tables(report);
    let plots = svg::plots(&tables);
    for (name, plot) in &plots {
        put(folder, name, plot)?;
    }
    let names: Vec<&str> = plots.iter().map(|(name, _)| name.as_str()).collect();
    put(folder, "vpn.md", &markdown::page(report, &tables, &names))
}

/// Prints the tables.
pub(crate) fn print(report: &Report) {
    println!("\n{}", markdown::page(report, &statistics::tables(report), &[]));
}

fn put(folder: &Path, name: &str, text: &str) -> Result<(), BenchError> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(BenchError::file(path.clone()))
}

/// Processors' worth of CPU that idle tunnels and the benchmark itself may take.
const MOST_BUSY: f64 = 0.1;
