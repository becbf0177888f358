//! What each command does, step by step.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::command::{run, run_with};
use crate::debian::TRIXIE;
use crate::explore::explore;
use crate::failed::Failed;
use crate::suite::Suite;
use crate::{arrows, circles, map, peers};

pub(crate) fn check() -> Result<(), Failed> {
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    arrows::check()?;
    circles::check()?;
    map::check()
}

pub(crate) fn test(install: bool) -> Result<(), Failed> {
    println!(
        "unit tests, simulation, command line, store, then stock OpenVPN against ours: about 20 minutes \
         on two cores, the first build included"
    );
    peers::provide(install)?;
    let linter = peers::pkilint(install)?.map(|folder| folder.display().to_string());
    run("cargo", &["build", "--quiet", "--package", "handfast"])?;
    let mut suite = Suite::begin();
    let mut units = vec!["test", "--workspace", "--exclude", "interop", "--no-fail-fast"];
    units.extend(["--", "--show-output"]);
    let checker = peers::promtool(install)?.map(|program| program.display().to_string());
    let linter = linter.map(|folder| ("PKILINT_DIR", folder));
    let checker = checker.map(|program| ("PROMTOOL", program));
    let environment: Vec<_> = linter.into_iter().chain(checker).collect();
    suite.run("cargo", &units, &environment)?;
    interop_cases(&Interop::default(), &["--show-output"], &mut suite)?;
    suite.end()
}

pub(crate) fn sim(seeds: u64, first: u64) -> Result<(), Failed> {
    run_with(
        "cargo",
        &["test", "--release", "--package", "tunnel", "--test", "sim", "--", "--nocapture"],
        &[("HANDFAST_SIM_SEEDS", seeds.to_string()), ("HANDFAST_SIM_FIRST", first.to_string())],
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
    } else {
        peers::provide(install)?;
    }
    run("cargo", &["build", "--quiet", "--package", "handfast"])?;
    let mut suite = Suite::begin();
    interop_cases(&which, &["--nocapture"], &mut suite)?;
    suite.end()
}

/// Cases share the machine's two cores with the peers they time, so they run one at a time.
fn interop_cases(which: &Interop<'_>, output: &[&str], suite: &mut Suite) -> Result<(), Failed> {
    let mut arguments = vec!["test", "--package", "interop", "--no-fail-fast", "--"];
    arguments.extend(["--test-threads", "1"]);
    arguments.extend(output);
    arguments.extend(which.filter);
    let flag = |set: bool| if set { "1" } else { "" }.to_owned();
    let mut environment =
        vec![("HANDFAST_LONG", flag(which.long)), ("HANDFAST_WRITE", flag(which.write))];
    if let Some(root) = TRIXIE.present()? {
        environment.push(("HANDFAST_OPENVPN3_ROOT", root.display().to_string()));
    }
    if peers::is_root() {
        return suite.run("cargo", &arguments, &environment);
    }
    // An ordinary user is root over namespaces of their own, where the system allows that.
    let own = ["--user", "--map-root-user", "--"];
    let allowed = Command::new("unshare").args(own).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        suite.skip("interop", "needs root, or a system that lets users make user namespaces");
        return Ok(());
    }
    suite.run("unshare", &[&own[..], &["cargo"], &arguments].concat(), &environment)
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
