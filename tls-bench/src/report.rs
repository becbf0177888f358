//! What the runs found: every figure as JSON, medians and ratios as a Markdown table, the ratios as a plot.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::contestants::ALL;
use crate::failed::Failed;
use crate::measures::Measure;
use crate::plot;
use crate::sample::Sample;
use crate::statistics::{Row, Spread, rows};

/// All runs that stand beside each other.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Of the last run.
    facts: BTreeMap<String, String>,
    runs: u32,
    skipped: BTreeMap<String, String>,
    failures: Vec<String>,
    samples: Vec<Sample>,
}

impl Report {
    /// A run more beside those in this folder, or the first.
    pub(crate) fn begin(folder: &Path, add: bool, handfast: &Path) -> Result<Self, Failed> {
        let mut report = match fs::read_to_string(folder.join("tls.json")) {
            Ok(text) if add => serde_json::from_str(&text)?,
            _ => Self::default(),
        };
        report.runs += 1;
        report.facts = facts(handfast);
        Ok(report)
    }

    pub(crate) fn run(&self) -> u32 {
        self.runs
    }

    pub(crate) fn add(&mut self, sample: Sample) {
        println!(
            "{}/{} {} {}: {:.1?}",
            sample.run, sample.round, sample.measure, sample.contestant, sample.figures
        );
        self.samples.push(sample);
    }

    pub(crate) fn skip(&mut self, name: &str, why: &Failed) {
        println!("SKIP {name}: {why}");
        self.skipped.insert(name.to_owned(), why.to_string());
    }

    pub(crate) fn fail(&mut self, name: &str, measure: &Measure, why: &Failed) {
        println!("FAILED {} {name}: {why}", measure.name());
        self.failures.push(format!("{} of {name}: {why}", measure.name()));
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failed> {
        fs::create_dir_all(folder)?;
        let rows = rows(&self.samples);
        let page = self.page(&rows);
        println!("\n{page}");
        fs::write(folder.join("tls.json"), serde_json::to_string_pretty(self)?)?;
        fs::write(folder.join("tls.svg"), plot::ratios(&rows))?;
        Ok(fs::write(folder.join("tls.md"), page)?)
    }

    fn page(&self, rows: &[Row]) -> String {
        let mut page = String::from(HEAD);
        for (name, value) in &self.facts {
            line(&mut page, format_args!("| {name} | {value} |"));
        }
        line(&mut page, format_args!("| runs | {} |", self.runs));
        for (name, why) in &self.skipped {
            line(&mut page, format_args!("\nSKIP {name}: {why}"));
        }
        for failure in &self.failures {
            line(&mut page, format_args!("\nFAILED {failure}"));
        }
        let names: Vec<&str> = ALL.iter().map(|one| one.name).collect();
        line(&mut page, format_args!("\n![Handfast beside the best of the others](tls.svg)"));
        line(&mut page, format_args!("\n| | {} | ours to the best | busy |", names.join(" | ")));
        line(&mut page, format_args!("|---{}|", "|---".repeat(names.len() + 2)));
        for row in rows {
            let cell = |name: &&str| row.contestants.get(name).map_or("-".to_owned(), short);
            let cells: Vec<String> = names.iter().map(cell).collect();
            let ratio = row.ratio.as_ref().map_or("-".to_owned(), |ratio| {
                format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.least, ratio.most)
            });
            let busy = row
                .busy
                .map_or("-".to_owned(), |busy| format!("{:.2}-{:.2}", busy.least, busy.most));
            line(
                &mut page,
                format_args!(
                    "| {}, {} | {} | {ratio} | {busy} |",
                    row.title,
                    row.headline.unit,
                    cells.join(" | ")
                ),
            );
        }
        self.others(&mut page);
        page
    }

    /// Figures that are no headline.
    fn others(&self, page: &mut String) {
        line(
            page,
            format_args!(
                "\n## Everything else, medians\n\n| | figure | contestant | |\n|---|---|---|---|"
            ),
        );
        for measure in Measure::all() {
            for contestant in ALL {
                let own: Vec<&Sample> = self
                    .samples
                    .iter()
                    .filter(|one| {
                        one.measure == measure.name() && one.contestant == contestant.name
                    })
                    .collect();
                let mut figures: Vec<&String> =
                    own.iter().flat_map(|one| one.figures.keys()).collect();
                figures.sort_unstable();
                figures.dedup();
                for figure in figures.into_iter().filter(|one| **one != measure.headline().figure) {
                    let mut all: Vec<f64> =
                        own.iter().filter_map(|one| one.figures.get(figure).copied()).collect();
                    all.sort_by(f64::total_cmp);
                    let middle = all.get(all.len() / 2).copied().unwrap_or_default();
                    line(
                        page,
                        format_args!(
                            "| {} | {figure} | {} | {} |",
                            measure.name(),
                            contestant.name,
                            number(middle)
                        ),
                    );
                }
            }
        }
    }
}

fn short(spread: &Spread) -> String {
    format!("{} ({}-{})", number(spread.median), number(spread.least), number(spread.most))
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = page.write_fmt(text);
    page.push('\n');
}

fn facts(handfast: &Path) -> BTreeMap<String, String> {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let text = output.map(|one| [one.stdout, one.stderr].concat()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // Some say what they are doing first.
        let named = text.lines().find(|line| line.to_lowercase().contains(program));
        named.or(text.lines().next()).unwrap_or("unknown").trim().to_owned()
    };
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    [
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("processor", model.trim_start_matches([' ', '\t', ':']).to_owned()),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("load before", read("/proc/loadavg")),
        ("revision", said("git", &["describe", "--always", "--dirty"])),
        ("handfast", said(&handfast.display().to_string(), &["--version"])),
        ("nginx", said("nginx", &["-v"])),
        ("haproxy", said("haproxy", &["-v"])),
        ("stunnel", said("stunnel", &["-version"])),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

const HEAD: &str = "\
# The TLS door beside nginx, haproxy and stunnel

Written by `cargo xtask bench tls`; `tls.json` holds every single figure. All servers run at the same time, of which one \
works at a time, on one processor that they have to themselves; the load (one thread) and the services behind them have \
another. TLS 1.3 with AES-128-GCM or TLS 1.2 with ECDHE and AES-128-GCM, X25519, certificates of one RSA-3072 CA, \
each server with one thread or process. The headline of rates is for each CPU second of the server, kernel included as \
far as it runs for its processes: it holds whether or not the load could have brought more. `busy` says how much of its \
processor the servers had, from least to most; where it is near 1 the load was not the bottleneck. The load looks at no \
signature, and so does less than any server. Handfast sends an OCSP response along with each full handshake, since the load \
asks for one, and the others do not. Cells are medians (least-most); ratios are taken within each round, ours to the \
best of the others, turned so that more than 1 is better for ours.

| | |
|---|---|
";
