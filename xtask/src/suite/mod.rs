//! Runs the tests and tells of them: what runs, that it still runs, what failed, what was left out.
//!
//! A step that fails does not hide the ones after it; [`Suite::end`] says whether any did.

mod lanes;
mod load;
mod programs;
mod tally;

use std::cmp::Reverse;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::with_sbin;
use crate::failed::Failed;

use lanes::{Ended, News};
use load::Load;
use tally::Tally;

pub(crate) use lanes::Job;
pub(crate) use programs::{Alone, Program, build};

/// One run of several steps.
pub(crate) struct Suite {
    began: Instant,
    tally: Tally,
    failed_steps: Vec<String>,
    failed_programs: Vec<FailedProgram>,
    /// Tests that took long, of programs that run theirs one by one.
    slow: Vec<(Duration, String)>,
    /// Takes each line for people.
    print: fn(&str),
}

/// A test program that was no success.
pub(crate) struct FailedProgram {
    /// Its source, as in the report.
    pub(crate) name: String,
    /// Those of its tests that it named; none where it crashed.
    pub(crate) tests: Vec<String>,
    fault: String,
}

impl FailedProgram {
    #[cfg(test)]
    pub(crate) fn of(name: &str, tests: &[&str]) -> Self {
        let tests = tests.iter().map(|&test| test.to_owned()).collect();
        Self { name: name.to_owned(), tests, fault: String::new() }
    }
}

impl Suite {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            tally: Tally::default(),
            failed_steps: Vec::new(),
            failed_programs: Vec::new(),
            slow: Vec::new(),
            print: |line| println!("{line}"),
        }
    }

    /// Runs a command and passes on what its tests say, as they say it. Fails only where it does not start.
    pub(crate) fn run(&mut self, command: Command) -> Result<(), Failed> {
        let line = in_words(&command);
        self.say(&format!("==> {line}"));
        let mut child = with_sbin(command)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Failed::new(format!("`{line}` did not start: {e}")))?;
        self.follow(&mut child);
        let status = child.wait().map_err(|e| Failed::new(format!("`{line}`: {e}")))?;
        if !status.success() {
            self.failed_steps.push(format!("`{line}`: {status}"));
        }
        Ok(())
    }

    /// Runs test programs, so many at a time, and passes on what each one's tests say when it has ended.
    pub(crate) fn run_jobs(&mut self, jobs: Vec<Job>, at_a_time: usize) {
        let (count, before) = (jobs.len(), Load::now());
        let (sender, news) = channel();
        thread::scope(|scope| {
            // Whoever sends is gone with the last job, which ends the news.
            scope.spawn(move || lanes::run(jobs, at_a_time, &sender));
            self.follow_jobs(&news);
        });
        self.say(&format!("    {count} programs, {at_a_time} at a time: {}", before.since()));
    }

    /// What failed so far and is worth a second look: tests that were named, and not so many that something is
    /// plainly broken.
    pub(crate) fn worth_a_second_look(&self) -> &[FailedProgram] {
        let tests: usize = self.failed_programs.iter().map(|program| program.tests.len()).sum();
        let crashed = self.failed_programs.iter().any(|program| program.tests.is_empty());
        if crashed || tests > MOST_LOOKED_AT_AGAIN { &[] } else { &self.failed_programs }
    }

    /// Runs failed tests once more, with nothing beside them. One that passes now is counted as passed and named as
    /// unsteady; both reports are in what was printed.
    pub(crate) fn look_again(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        self.say("==> what failed, once more with nothing beside it");
        let looked_at: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
        let known = self.tally.failed().len();
        let first = std::mem::take(&mut self.failed_programs);
        self.run_jobs(jobs, 1);
        // Those that failed again are known already.
        self.tally.forget_behind(known);
        let second = std::mem::take(&mut self.failed_programs);
        for program in first {
            let again = second.iter().find(|again| again.name == program.name);
            let failed_again =
                |test: &String| again.is_some_and(|a| a.tests.is_empty() || a.tests.contains(test));
            let looked_at = looked_at.contains(&program.name);
            if looked_at {
                program.tests.iter().filter(|test| !failed_again(test)).for_each(|test| {
                    self.tally.forgive(test);
                });
            }
            if !looked_at || again.is_some() {
                self.failed_programs.push(program);
            }
        }
    }

    /// Leaves a step out.
    pub(crate) fn skip(&mut self, step: &str, reason: &str) {
        let line = format!("SKIP {step}: {reason}");
        self.say(&line);
        self.tally.hear(&line);
    }

    fn say(&self, line: &str) {
        (self.print)(line);
    }

    /// Says what took longest, what was left out, what failed, and how many passed.
    pub(crate) fn end(mut self) -> Result<(), Failed> {
        self.slow.sort_by_key(|(took, _)| Reverse(*took));
        for (took, name) in self.slow.iter().take(MOST_SLOW) {
            self.say(&format!("SLOW {} s {name}", took.as_secs()));
        }
        self.tally.skips().for_each(|skip| self.say(skip));
        self.tally
            .unsteady()
            .iter()
            .for_each(|name| self.say(&format!("UNSTEADY {name}: failed beside others")));
        self.tally.failed().iter().for_each(|name| self.say(&format!("FAILED {name}")));
        self.say(&format!("{} in {} s", self.tally, self.began.elapsed().as_secs()));
        let mut failed = self.failed_steps;
        failed.extend(self.failed_programs.into_iter().map(|program| program.fault));
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failed::new(failed.join("; ")))
    }

    fn follow_jobs(&mut self, news: &Receiver<News>) {
        let mut running = Vec::new();
        loop {
            match news.recv_timeout(LONGEST_SILENCE) {
                Ok(News::Began(name)) => running.push(name),
                Ok(News::Ended(ended)) => {
                    running.retain(|name| *name != ended.name);
                    self.hear_out(&ended);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = self.began.elapsed().as_secs();
                    self.say(&format!("    {seconds} s, still at work: {}", running.join(", ")));
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Prints what the tests of a program said.
    fn hear_out(&mut self, ended: &Ended) {
        self.say(&format!("==> {} ({} s)", ended.name, ended.took.as_secs()));
        self.slow.extend(ended.tests.iter().filter(|(took, _)| *took >= SLOW).cloned());
        let before = self.tally.failed().len();
        for line in ended.printed.lines() {
            if self.tally.hear(line) {
                self.say(line);
            }
        }
        self.tally.end_report();
        if let Some(fault) = ended.fault() {
            let tests = self.tally.failed()[before..].to_vec();
            self.failed_programs.push(FailedProgram { name: ended.name.clone(), tests, fault });
        }
    }

    /// Prints what its tests say, and a sign of life where they say nothing for long.
    fn follow(&mut self, child: &mut Child) {
        let Some(output) = child.stdout.take() else { return };
        let lines = lines_of(output);
        let mut last = String::from("building");
        loop {
            match lines.recv_timeout(LONGEST_SILENCE) {
                Ok(said) => {
                    if self.tally.hear(&said) {
                        self.say(&said);
                        last = said;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.say(&format!(
                        "    {} s, still at work; last: {last}",
                        self.began.elapsed().as_secs()
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn in_words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The lines of a program, read on a thread of their own so that waiting for one can end.
fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            // Who reads them is gone only when this run is over.
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    lines
}

const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// From when on a test is worth a look at what it waits for.
const SLOW: Duration = Duration::from_secs(15);
const MOST_SLOW: usize = 30;

/// What fails here and there does so by ones and twos.
const MOST_LOOKED_AT_AGAIN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_once_is_unsteady_and_what_fails_again_has_failed() {
        let mut suite = silent();
        suite.run_jobs(vec![failing("steady", &["a", "b"]), failing("broken", &["c"])], 1);
        assert_eq!(suite.worth_a_second_look().len(), 2);
        suite.look_again(vec![failing("steady", &["b"]), failing("broken", &["c"])]);
        assert_eq!(
            (suite.tally.unsteady(), suite.tally.failed()),
            (&names(&["a"])[..], &names(&["b", "c"])[..])
        );
        suite.end().expect_err("some failed twice");
    }

    #[test]
    fn a_run_whose_only_failure_passes_alone_ends_well() {
        let mut suite = silent();
        suite.run_jobs(vec![failing("steady", &["a"])], 1);
        suite.look_again(vec![printing("steady", "test result: ok. 1 passed; 0 failed")]);
        suite.end().expect("it passed");
    }

    #[test]
    fn a_crash_is_not_looked_at_again_and_neither_are_many_failures() {
        let mut crashed = silent();
        crashed.run_jobs(vec![printing("crash", "running 2 tests")], 1);
        assert!(crashed.worth_a_second_look().is_empty());
        let mut broken = silent();
        broken.run_jobs(vec![failing("all", &["a", "b", "c", "d", "e", "f"])], 1);
        assert!(broken.worth_a_second_look().is_empty());
        broken.look_again(Vec::new());
        broken.end().expect_err("nothing was looked at again");
    }

    /// What these programs say is not to be heard as the test's own.
    fn silent() -> Suite {
        Suite { print: |_| {}, ..Suite::begin() }
    }

    fn failing(program: &str, tests: &[&str]) -> Job {
        let listed: String = tests.iter().map(|test| format!("    {test}\n")).collect();
        printing(
            program,
            &format!(
                "failures:\n\nfailures:\n{listed}\ntest result: FAILED. 0 passed; {} failed",
                tests.len()
            ),
        )
    }

    fn printing(program: &str, text: &str) -> Job {
        let mut command = Command::new("sh");
        let status = i32::from(!text.contains("result: ok"));
        command.args(["-c", "printf '%s\\n' \"$1\"; exit \"$2\"", "sh", text, &status.to_string()]);
        Job { name: program.to_owned(), command }
    }

    fn names(tests: &[&str]) -> Vec<String> {
        tests.iter().map(|&test| test.to_owned()).collect()
    }
}
