//! What each command does, step by step.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::command::{run, run_with};
use crate::explore::explore;
use crate::failed::Failed;
use crate::{arrows, circles, peers};

pub(crate) fn check() -> Result<(), Failed> {
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    arrows::check()?;
    circles::check()
}

pub(crate) fn test(install: bool) -> Result<(), Failed> {
    peers::provide(install)?;
    run("cargo", &["build", "--quiet", "--package", "handfast"])?;
    let mut skips = Skips::default();
    let units = ["test", "--workspace", "--exclude", "interop", "--", "--show-output"];
    let linter = peers::pkilint(install).map(|folder| folder.display().to_string());
    let environment: Vec<_> = linter.into_iter().map(|folder| ("PKILINT_DIR", folder)).collect();
    skips.run("cargo", &units, &environment)?;
    interop_cases(None, false, &mut skips)?;
    skips.say();
    Ok(())
}

pub(crate) fn sim(seeds: u64, first: u64) -> Result<(), Failed> {
    run_with(
        "cargo",
        &["test", "--release", "--package", "tunnel", "--test", "sim", "--", "--nocapture"],
        &[("HANDFAST_SIM_SEEDS", seeds.to_string()), ("HANDFAST_SIM_FIRST", first.to_string())],
    )
}

pub(crate) fn interop(filter: Option<&str>, long: bool, install: bool) -> Result<(), Failed> {
    peers::provide(install)?;
    run("cargo", &["build", "--quiet", "--package", "handfast"])?;
    let mut skips = Skips::default();
    interop_cases(filter, long, &mut skips)?;
    skips.say();
    Ok(())
}

/// Cases share the machine's two cores with the peers they time, so they run one at a time.
fn interop_cases(filter: Option<&str>, long: bool, skips: &mut Skips) -> Result<(), Failed> {
    let mut arguments = vec!["test", "--package", "interop", "--"];
    arguments.extend(["--test-threads", "1", "--nocapture"]);
    arguments.extend(filter);
    let long = [("HANDFAST_LONG", if long { "1" } else { "" }.to_owned())];
    if peers::is_root() {
        return skips.run("cargo", &arguments, &long);
    }
    // An ordinary user is root over namespaces of their own, where the system allows that.
    let mut inside = vec!["--user", "--map-root-user", "--", "cargo"];
    inside.extend(arguments);
    skips.run("unshare", &inside, &long)
}

/// Tests that were left out, as they said themselves: `SKIP name: reason`.
#[derive(Debug, Default)]
struct Skips(Vec<String>);

impl Skips {
    /// Runs a step, passes its output on, and collects what was skipped.
    fn run(
        &mut self,
        program: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Result<(), Failed> {
        let line = format!("{program} {}", arguments.join(" "));
        println!("==> {line}");
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Failed::new(format!("`{program}` did not start: {e}")))?;
        for said in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
            let Ok(said) = said else { break };
            // A test's own line may stand behind the runner's `test name ... `.
            if let Some(at) = said.find("SKIP ") {
                self.0.push(said[at..].to_owned());
            }
            println!("{said}");
        }
        let status = child.wait().map_err(|e| Failed::new(format!("`{line}`: {e}")))?;
        if status.success() { Ok(()) } else { Err(Failed::new(format!("`{line}`: {status}"))) }
    }

    /// Prints what was left out, and how much.
    fn say(&self) {
        for skip in &self.0 {
            println!("{skip}");
        }
        println!("{} skipped", self.0.len());
    }
}

pub(crate) fn fuzz(seconds: Option<u64>, target: Option<&str>) -> Result<(), Failed> {
    match (seconds, target) {
        (Some(seconds), only) => explore(seconds, only),
        (None, _) => run("cargo", &["test", "--package", "fuzz-targets", "--", "--nocapture"]),
    }
}

pub(crate) fn ci() -> Result<(), Failed> {
    let began = Instant::now();
    check()?;
    deny()?;
    test(true)?;
    fuzz(None, None)?;
    // A different slice of the long simulation every day; the seed range is printed by the run.
    let day = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / 86_400);
    sim(300, 1 + day * 300)?;
    println!("ci: everything passed in {} s", began.elapsed().as_secs());
    Ok(())
}

fn deny() -> Result<(), Failed> {
    let present = Command::new("cargo").args(["deny", "--version"]).output();
    if !present.is_ok_and(|o| o.status.success()) {
        run("cargo", &["install", "--locked", "--quiet", "cargo-deny"])?;
    }
    run("cargo", &["deny", "check", "bans", "licenses", "sources"])
}
