//! How a built test program is started: with which arguments, in which surroundings, and beside what.
//!
//! Most of the time of the cases beside stock programs is waiting, for pings, key renewals and time-outs, so
//! those that don't say otherwise run three at a time (`suite/programs.rs` says how they say so): most cases take
//! a sixth of a processor. Not beside tests that compute: many count lost pings, and the gateway's session threads
//! yield to whoever wants a core. What takes longest begins first, so that nothing long is left at the end.

use std::process::{Command, Stdio};

use crate::debian::{SID_CLIENTS, TRIXIE};
use crate::failed::Failed;
use crate::peers::{self, EXIM, INN, PEBBLE, SUBMISSION};
use crate::suite::{Alone, FailedProgram, Job, Program};

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

/// What runs of a program by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// Its tests that run alone.
    Alone,
    /// Its other tests.
    Others,
}

impl Jobs {
    /// All of these programs but those of a crate that can't run here.
    pub(crate) fn of(
        programs: &[Program],
        without: Option<&str>,
        environment: &Environment,
    ) -> Self {
        let mut jobs = Self { waiting: Vec::new(), computing: Vec::new(), alone: Vec::new() };
        let run_here = |program: &&Program| without != Some(program.package.as_str());
        for program in programs.iter().filter(run_here) {
            for part in parts(program) {
                jobs.place(program, *part).push(job(program, *part, environment));
            }
        }
        longest_first(&mut jobs.waiting);
        longest_first(&mut jobs.computing);
        jobs
    }

    fn place(&mut self, program: &Program, part: Part) -> &mut Vec<Job> {
        if part == Part::Alone || program.alone == Alone::Everything {
            &mut self.alone
        } else if WAIT.contains(&program.package.as_str()) {
            &mut self.waiting
        } else {
            &mut self.computing
        }
    }
}

fn parts(program: &Program) -> &'static [Part] {
    match program.alone {
        Alone::Nothing | Alone::Everything => &[Part::Whole],
        Alone::Tests(_) => &[Part::Alone, Part::Others],
    }
}

fn longest_first(jobs: &mut [Job]) {
    let rank = |job: &Job| LONG.iter().position(|long| *long == job.name).unwrap_or(LONG.len());
    jobs.sort_by_key(rank);
}

/// The tests that failed, by name, to be run once more.
pub(crate) fn again(
    programs: &[Program],
    failed: &[FailedProgram],
    environment: &Environment,
) -> Vec<Job> {
    let parts =
        programs.iter().flat_map(|program| parts(program).iter().map(move |part| (program, *part)));
    let failed_ones = parts.filter_map(|(program, part)| {
        let name = name(program, part);
        let failed = failed.iter().find(|failed| failed.name == name)?;
        let mut job = Job { name, ..job(program, Part::Whole, environment) };
        job.command.arg("--exact").args(&failed.tests);
        Some(job)
    });
    failed_ones.collect()
}

fn job(program: &Program, part: Part, environment: &Environment) -> Job {
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
    command.args(which(program, part));
    command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
    Job { name: name(program, part), command }
}

fn name(program: &Program, part: Part) -> String {
    let source = program.source.display();
    match part {
        Part::Whole | Part::Others => source.to_string(),
        Part::Alone => format!("{source}, alone"),
    }
}

/// Its tests, as arguments.
fn which(program: &Program, part: Part) -> Vec<&str> {
    let Alone::Tests(tests) = &program.alone else { return Vec::new() };
    let tests = tests.iter().map(String::as_str);
    let one_by_one: Vec<&str> = match part {
        Part::Whole => return Vec::new(),
        Part::Alone => tests.collect(),
        Part::Others => tests.flat_map(|test| ["--skip", test]).collect(),
    };
    [vec!["--exact"], one_by_one].concat()
}

/// What cases beside stock programs are told, whoever starts them.
pub(crate) fn surroundings(long: bool, write: bool) -> Result<Environment, Failed> {
    let mut environment = flags(long, write);
    let found = [
        ("HANDFAST_OPENVPN3_ROOT", TRIXIE.present()?),
        ("HANDFAST_SID_ROOT", SID_CLIENTS.present()?),
        ("PEBBLE_DIR", PEBBLE.present()?.map(|root| root.join("usr/bin"))),
        ("EXIM_ROOT", EXIM.present()?),
        ("INN_ROOT", INN.present()?),
        ("SUBMISSION_ROOT", SUBMISSION.present()?),
    ];
    let found =
        found.into_iter().filter_map(|(name, root)| Some((name, root?.display().to_string())));
    environment.extend(found);
    Ok(environment)
}

/// Makes available what is unpacked, and is small.
pub(crate) fn provide(install: bool) -> Result<(), Failed> {
    [PEBBLE, EXIM, INN, SUBMISSION].iter().try_for_each(|one| one.provide(install).map(drop))
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

/// What takes longest of those that run beside others.
const LONG: [&str; 18] = [
    "interop/tests/tls_judges.rs",
    "interop/tests/renegotiation.rs",
    "interop/tests/tls_certificates.rs",
    "interop/tests/attacks.rs",
    "interop/tests/tls_starttls.rs",
    "crates/client/tests/changing_networks.rs",
    "interop/tests/field_cases.rs",
    "crates/engine/tests/faults.rs",
    "interop/tests/expiry.rs",
    "interop/tests/own_renewal.rs",
    "interop/tests/tcp.rs",
    "interop/tests/older_clients.rs",
    "interop/tests/standing.rs",
    "interop/tests/pushes.rs",
    "crates/explain/tests/truth/main.rs",
    "crates/handfast/tests/cli/main.rs",
    "crates/handfast/tests/docs.rs",
    "crates/gateway/tests/kill.rs",
];

/// Whose tests wait more than they compute.
const WAIT: [&str; 3] = [INTEROP, "client", "engine"];

/// Within a program, cases take the machine's addresses and clocks in turns.
pub(crate) const ONE_BY_ONE: [&str; 2] = ["--test-threads", "1"];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_said_to_take_longest_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for long in LONG {
            assert!(root.join(long).is_file(), "{long}");
        }
    }

    #[test]
    fn every_test_of_a_program_runs_in_one_of_its_parts() {
        let divided = program(Alone::Tests(vec!["a".to_owned(), "b".to_owned()]));
        let Jobs { waiting, computing, alone } = Jobs::of(&[divided], None, &Environment::new());
        assert_eq!((waiting.len(), computing.len(), alone.len()), (1, 0, 1));
        assert_eq!(arguments(&alone[0])[3..], ["--exact", "a", "b"]);
        assert_eq!(arguments(&waiting[0])[3..], ["--exact", "--skip", "a", "--skip", "b"]);
        let whole = Jobs::of(&[program(Alone::Everything)], None, &Environment::new());
        assert!(whole.waiting.is_empty() && arguments(&whole.alone[0])[3..].is_empty());
    }

    #[test]
    fn what_failed_is_looked_at_again_by_name_whichever_part_it_ran_in() {
        let divided = program(Alone::Tests(vec!["a".to_owned()]));
        let failed = |name: &str, test: &str| FailedProgram::of(name, &[test]);
        let failed = [failed("interop/tests/x.rs", "b"), failed("interop/tests/x.rs, alone", "a")];
        let again = again(&[divided], &failed, &Environment::new());
        let told: Vec<_> = again.iter().map(|job| arguments(job)[3..].to_vec()).collect();
        assert_eq!(told, [["--exact", "a"], ["--exact", "b"]]);
    }

    fn program(alone: Alone) -> Program {
        Program {
            package: INTEROP.to_owned(),
            source: "interop/tests/x.rs".into(),
            executable: "/t/x".into(),
            folder: "/".into(),
            alone,
        }
    }

    /// After the program's own name, where that has to be started by another.
    fn arguments(job: &Job) -> Vec<String> {
        let all = job.command.get_args().map(|one| one.to_string_lossy().into_owned());
        all.skip_while(|one| one != "--show-output").collect()
    }

    #[test]
    fn what_was_not_asked_for_is_not_in_the_environment_at_all() {
        assert_eq!(flags(false, false), []);
        assert_eq!(flags(true, false), [("HANDFAST_LONG", "1".to_owned())]);
        assert_eq!(flags(false, true), [("HANDFAST_WRITE", "1".to_owned())]);
    }
}
