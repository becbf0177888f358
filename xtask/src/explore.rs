//! Exploring with libFuzzer: one target after the other, and a table of what was done.
//!
//! Finds go to the build folder, so that the committed seeds stay few; only an input that fails is
//! copied into `fuzz/regressions` by a person, together with the fix.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::time::Instant;

use crate::command::run;
use crate::failed::Failed;

/// Explores every target, or only one, for so many seconds each.
pub(crate) fn explore(seconds: u64, only: Option<&str>) -> Result<(), Failed> {
    let names = targets(only)?;
    provide()?;
    let mut tallies = Vec::new();
    for name in &names {
        tallies.push(explore_one(name, seconds)?);
    }
    println!(
        "{:28} {:>8} {:>12} {:>9} {:>9}",
        "target", "seconds", "executions", "edges", "features"
    );
    tallies.iter().for_each(|tally| println!("{tally}"));
    let failed: Vec<&str> =
        tallies.iter().filter(|tally| tally.failed).map(|tally| tally.name.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failed::new(format!(
        "{} failed; the inputs are under fuzz/artifacts. Put each into fuzz/regressions/TARGET with its fix",
        failed.join(", ")
    )))
}

/// What one exploration did.
struct Tally {
    name: String,
    seconds: u64,
    executions: u64,
    edges: u64,
    features: u64,
    failed: bool,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = if self.failed { "  FAILED" } else { "" };
        write!(
            f,
            "{:28} {:>8} {:>12} {:>9} {:>9}{failed}",
            self.name, self.seconds, self.executions, self.edges, self.features
        )
    }
}

fn explore_one(name: &str, seconds: u64) -> Result<Tally, Failed> {
    let finds = build_folder().join("fuzz-corpus").join(name);
    std::fs::create_dir_all(&finds)
        .map_err(|e| Failed::new(format!("{} cannot be made: {e}", finds.display())))?;
    let mut command = cargo_fuzz("run");
    command.arg(name).arg(&finds);
    let known = ["corpus", "regressions"].map(|kind| Path::new("fuzz").join(kind).join(name));
    command.args(known.iter().filter(|folder| folder.is_dir()));
    command.args(["--", "-print_final_stats=1", "-timeout=10"]);
    command.arg(format!("-max_total_time={seconds}"));
    println!("==> {name}, {seconds} s");
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Failed::new(format!("cargo fuzz did not start: {e}")))?;
    let mut tally = Tally::new(name);
    if let Some(stderr) = child.stderr.take() {
        tally.follow(stderr);
    }
    let status =
        child.wait().map_err(|e| Failed::new(format!("cargo fuzz cannot be awaited: {e}")))?;
    tally.failed = !status.success();
    Ok(tally)
}

impl Tally {
    fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self { name, seconds: 0, executions: 0, edges: 0, features: 0, failed: false }
    }

    /// Passes on what libFuzzer and the compiler say, without libFuzzer's progress.
    fn follow(&mut self, stderr: ChildStderr) {
        let mut began = None;
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if line.starts_with('#') {
                self.edges = number_after(&line, "cov: ").unwrap_or(self.edges);
                self.features = number_after(&line, "ft: ").unwrap_or(self.features);
                continue;
            }
            if let Some(done) = number_after(&line, "stat::number_of_executed_units: ") {
                self.executions = done;
            }
            // The compiler's time does not count.
            if line.starts_with("INFO: Seed:") {
                began = Some(Instant::now());
            }
            eprintln!("{line}");
        }
        self.seconds = began.map_or(0, |began: Instant| began.elapsed().as_secs());
    }
}

fn number_after(line: &str, label: &str) -> Option<u64> {
    let (_, rest) = line.split_once(label)?;
    let rest = rest.trim_start();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// Memory is the compiler's matter here (only `sysio` may be unsafe, and it is not explored), so no
/// sanitizer slows the run; overflow and debug assertions are on.
fn cargo_fuzz(what: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["fuzz", what, "--fuzz-dir", "fuzz", "--sanitizer", "none"]);
    // libFuzzer's instrumentation needs compiler flags that stable refuses without this.
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}

fn build_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

fn provide() -> Result<(), Failed> {
    let present = Command::new("cargo").args(["fuzz", "--version"]).output();
    if present.is_ok_and(|o| o.status.success()) {
        return Ok(());
    }
    run("cargo", &["install", "--locked", "--quiet", "cargo-fuzz"])
}

fn targets(only: Option<&str>) -> Result<Vec<String>, Failed> {
    let listed = std::fs::read_dir("fuzz/fuzz_targets")
        .map_err(|e| Failed::new(format!("fuzz/fuzz_targets cannot be listed: {e}")))?;
    let mut names: Vec<String> = listed
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .filter(|name| only.is_none_or(|wanted| wanted == name))
        .collect();
    names.sort();
    match (names.is_empty(), only) {
        (true, Some(wanted)) => Err(Failed::new(format!(
            "no target is called `{wanted}`; the names are those in fuzz/fuzz_targets"
        ))),
        _ => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_what_libfuzzer_prints() {
        let line = "#8192\tpulse  cov: 311 ft: 1204 corp: 58/2kb exec/s: 4096";
        assert_eq!(number_after(line, "cov: "), Some(311));
        assert_eq!(number_after(line, "ft: "), Some(1204));
        let line = "stat::number_of_executed_units: 1048576";
        assert_eq!(number_after(line, "stat::number_of_executed_units: "), Some(1_048_576));
        assert_eq!(number_after("nothing", "cov: "), None);
    }
}
