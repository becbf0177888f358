//! What each command does, step by step.

use std::process::Command;
use std::time::Instant;

use crate::command::{run, run_with};
use crate::debian::{SID, SID_CLIENTS, TRIXIE};
use crate::explore::explore;
use crate::failed::Failed;
use crate::jobs::{COMPUTING_AT_A_TIME, Environment, INTEROP, Jobs, WAITING_AT_A_TIME};
use crate::peers::PROMTOOL;
use crate::suite::Suite;
use crate::{arrows, circles, examples, jobs, map, peers, suite};

pub(crate) fn check() -> Result<(), Failed> {
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    arrows::check()?;
    circles::check()?;
    map::check()
}

pub(crate) fn test(install: bool) -> Result<(), Failed> {
    test_with(install, Environment::new())
}

/// Builds every test at once, with the same features for all, and runs them beside each other or alone.
fn test_with(install: bool, more: Environment) -> Result<(), Failed> {
    println!(
        "unit tests, simulation, command line, store, stock OpenVPN against ours: about half \
         an hour on two cores, the first build included"
    );
    peers::provide(install)?;
    let linter = peers::pkilint(install)?.map(|folder| ("PKILINT_DIR", folder));
    let python = peers::http2(install)?.map(|program| ("HTTP2_PYTHON", program));
    let odd = peers::odd_tls(install)?.map(|program| ("TLSLITE_PYTHON", program));
    let judge = peers::sslyze(install)?.map(|folder| ("SSLYZE_DIR", folder));
    let injects = peers::injection_tester(install)?.map(|program| ("INJECTION_TESTER", program));
    let checker = PROMTOOL.provide(install)?;
    let checker = checker.map(|root| ("PROMTOOL", root.join("usr/bin/promtool")));
    let reader = peers::axe(install)?.map(|folder| ("AXE_DIR", folder));
    let newer = SID.present()?.map(|root| ("SID_ROOT", root));
    jobs::provide(install)?;
    let mut environment = jobs::surroundings(false, false)?;
    environment.extend(more);
    let found = [linter, python, odd, judge, injects, checker, reader, newer].into_iter().flatten();
    environment.extend(found.map(|(name, path)| (name, path.display().to_string())));

    let mut suite = Suite::begin();
    let programs = suite::build()?;
    let hindrance = jobs::hindrance();
    if let Some(reason) = hindrance {
        suite.skip(INTEROP, reason);
    }
    let Jobs { waiting, mut computing, alone } =
        Jobs::of(&programs, hindrance.and(Some(INTEROP)), &environment);
    if examples::are_there()? {
        computing.insert(0, examples::job());
    }
    suite.run_jobs(waiting, WAITING_AT_A_TIME);
    suite.run_jobs(alone, 1);
    suite.run_jobs(computing, COMPUTING_AT_A_TIME);
    let again = jobs::again(&programs, suite.worth_a_second_look(), &environment);
    suite.look_again(again);
    suite.end()
}

pub(crate) fn sim(seeds: u64, first: u64) -> Result<(), Failed> {
    run_with(
        "cargo",
        &["test", "--release", "--package", "tunnel", "--test", "sim", "--", "--nocapture"],
        &slice(first, seeds),
    )
}

/// Which of the cases beside stock OpenVPN, and how.
#[derive(Default)]
pub(crate) struct Interop<'a> {
    /// Only those whose name contains this.
    pub(crate) filter: Option<&'a str>,
    /// Also what takes long.
    pub(crate) long: bool,
    /// Whether measured tables are written into the documents.
    pub(crate) write: bool,
}

pub(crate) fn interop(which: Interop<'_>, install: bool) -> Result<(), Failed> {
    if which.long {
        peers::provide_for_long(install)?;
        TRIXIE.provide(install)?;
        SID_CLIENTS.provide(install)?;
    } else {
        peers::provide(install)?;
    }
    let judge = peers::sslyze(install)?.map(|folder| ("SSLYZE_DIR", folder));
    let injects = peers::injection_tester(install)?.map(|program| ("INJECTION_TESTER", program));
    jobs::provide(install)?;
    run("cargo", &["build", "--quiet", "--package", "handfast"])?;
    let mut suite = Suite::begin();
    let found = [judge, injects].into_iter().flatten();
    let judges = found.map(|(name, path)| (name, path.display().to_string())).collect();
    interop_cases(&which, judges, &mut suite)?;
    suite.end()
}

/// What is asked for by name is watched as it goes, so its cases run one at a time and nothing is held back.
fn interop_cases(
    which: &Interop<'_>,
    judges: Environment,
    suite: &mut Suite,
) -> Result<(), Failed> {
    if let Some(reason) = jobs::hindrance() {
        suite.skip(INTEROP, reason);
        return Ok(());
    }
    let mut command = jobs::as_root("cargo".as_ref());
    command.args(["test", "--package", INTEROP, "--no-fail-fast", "--", "--nocapture"]);
    command.args(jobs::ONE_BY_ONE).args(which.filter);
    command.envs(jobs::surroundings(which.long, which.write)?).envs(judges);
    suite.run(command)
}

pub(crate) fn fuzz(seconds: Option<u64>, target: Option<&str>) -> Result<(), Failed> {
    match (seconds, target) {
        (Some(seconds), only) => explore(seconds, only),
        (None, _) => run("cargo", &["test", "--package", "fuzz-targets", "--", "--nocapture"]),
    }
}

/// The corpora are replayed by `fuzz/targets`, a crate whose tests run with all others.
pub(crate) fn ci() -> Result<(), Failed> {
    let began = Instant::now();
    check()?;
    deny()?;
    println!("ci: checked in {} s", began.elapsed().as_secs());
    // A different slice of the simulation every day.
    let day = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / 86_400);
    let (first, seeds) = (1 + day * SLICE, SLICE);
    println!("the simulation runs {seeds} seeds from {first} this time");
    let mut slices = slice(first, seeds);
    // What is long and much the same: another part every day (`interop/src/today.rs`).
    slices.push(("HANDFAST_DAY", day.to_string()));
    test_with(true, slices)?;
    println!("ci: everything passed in {} s", began.elapsed().as_secs());
    Ok(())
}

fn slice(first: u64, seeds: u64) -> Environment {
    vec![("HANDFAST_SIM_SEEDS", seeds.to_string()), ("HANDFAST_SIM_FIRST", first.to_string())]
}

/// What the build rests on: licences, sources, bans, and known weaknesses where their list can be had.
fn deny() -> Result<(), Failed> {
    let present = Command::new("cargo").args(["deny", "--version"]).output();
    if !present.is_ok_and(|o| o.status.success()) {
        run("cargo", &["install", "--locked", "--quiet", "cargo-deny"])?;
    }
    run("cargo", &["deny", "check", "bans", "licenses", "sources"])?;
    let fetched = Command::new("cargo").args(["deny", "fetch", "db"]).output();
    if !fetched.is_ok_and(|o| o.status.success()) {
        println!("SKIP advisories: the database of known weaknesses can't be had from here");
        return Ok(());
    }
    run("cargo", &["deny", "check", "--disable-fetch", "advisories"])
}

/// Seeds of a day. Without optimisation, and with its checks of every sum, they take some seconds.
const SLICE: u64 = 300;
