//! How a built test program is started: with which arguments, in which surroundings, and beside what.
//!
//! Most of the time of the cases beside stock programs is waiting, for pings, key renewals and time-outs, so
//! those that don't say otherwise run three at a time (`suite/programs.rs` says how they say so): two left three
//! tenths of two cores idle. Not beside tests that compute: many count lost pings, and the gateway's session
//! threads yield to whoever wants a core.

use std::process::{Command, Stdio};

use crate::debian::TRIXIE;
use crate::failed::Failed;
use crate::peers;
use crate::suite::{FailedProgram, Job, Program};

/// More in the environment of every program.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// What is run, and how.
pub(crate) struct Jobs {
    /// `WAITING_AT_A_TIME`: they wait.
    pub(crate) waiting: Vec<Job>,
    /// `COMPUTING_AT_A_TIME`, behind those: they compute.
    pub(crate) computing: Vec<Job>,
    /// With nothing beside them.
    pub(crate) alone: Vec<Job>,
}

impl Jobs {
    /// All of these programs but those of a crate that can't run here.
    pub(crate) fn of(
        programs: Vec<Program>,
        without: Option<&str>,
        environment: &Environment,
    ) -> Self {
        let (alone, others): (Vec<Program>, Vec<Program>) = programs
            .into_iter()
            .filter(|program| without != Some(program.package.as_str()))
            .partition(|program| program.alone);
        let (waiting, computing): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|program| WAIT.contains(&program.package.as_str()));
        let ready = |programs: Vec<Program>| {
            programs.iter().map(|program| job(program, environment)).collect()
        };
        Self { waiting: ready(waiting), computing: ready(computing), alone: ready(alone) }
    }
}

/// The tests that failed, by name, to be run once more.
pub(crate) fn again(
    programs: &[Program],
    failed: &[FailedProgram],
    environment: &Environment,
) -> Vec<Job> {
    let jobs = programs.iter().map(|program| job(program, environment));
    let failed_ones = jobs.filter_map(|mut job| {
        let failed = failed.iter().find(|failed| failed.name == job.name)?;
        job.command.arg("--exact").args(&failed.tests);
        Some(job)
    });
    failed_ones.collect()
}

fn job(program: &Program, environment: &Environment) -> Job {
    let cases = program.package == INTEROP;
    let mut command = if cases {
        as_root(program.executable.as_os_str())
    } else {
        Command::new(&program.executable)
    };
    command.arg("--show-output").current_dir(&program.folder);
    if cases {
        command.args(ONE_BY_ONE);
    }
    command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
    Job { name: program.source.display().to_string(), command }
}

/// What cases beside stock programs are told, whoever starts them.
pub(crate) fn surroundings(long: bool, write: bool) -> Result<Environment, Failed> {
    let mut environment = flags(long, write);
    if let Some(root) = TRIXIE.present()? {
        environment.push(("HANDFAST_OPENVPN3_ROOT", root.display().to_string()));
    }
    if let Some(programs) = peers::fetched_pebble()? {
        environment.push(("PEBBLE_DIR", programs.display().to_string()));
    }
    Ok(environment)
}

/// What was asked for. What was not stays out: a program that only looks whether it is set would take an empty value
/// for a yes.
fn flags(long: bool, write: bool) -> Environment {
    [("HANDFAST_LONG", long), ("HANDFAST_WRITE", write)]
        .into_iter()
        .filter(|(_, asked)| *asked)
        .map(|(name, _)| (name, "1".to_owned()))
        .collect()
}

/// Why the cases can't run here, if they can't. An ordinary user is root over namespaces of their own, where
/// the system allows that.
pub(crate) fn hindrance() -> Option<&'static str> {
    let allowed =
        || as_root("true".as_ref()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    (!peers::is_root() && !allowed())
        .then_some("needs root, or a system that lets users make user namespaces")
}

/// The program as it is for root, and in a user namespace for anybody else.
pub(crate) fn as_root(program: &std::ffi::OsStr) -> Command {
    if peers::is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--"]).arg(program);
    command
}

/// The cases beside stock programs, in namespaces of their own.
pub(crate) const INTEROP: &str = "interop";

/// How many programs that wait run beside each other.
pub(crate) const WAITING_AT_A_TIME: usize = 3;

/// How many that compute: one for each of two cores.
pub(crate) const COMPUTING_AT_A_TIME: usize = 2;

/// Whose tests wait more than they compute.
const WAIT: [&str; 3] = [INTEROP, "client", "engine"];

/// Within a program, cases take the machine's addresses and clocks in turns.
pub(crate) const ONE_BY_ONE: [&str; 2] = ["--test-threads", "1"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_is_not_in_the_environment_at_all() {
        assert_eq!(flags(false, false), []);
        assert_eq!(flags(true, false), [("HANDFAST_LONG", "1".to_owned())]);
        assert_eq!(flags(false, true), [("HANDFAST_WRITE", "1".to_owned())]);
    }
}
