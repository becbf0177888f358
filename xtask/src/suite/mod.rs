//! Runs the tests and tells of them: what runs, that it still runs, what failed, what was left out.
//!
//! A step that fails does not hide the ones after it; [`Suite::end`] says whether any did.

mod lanes;
mod programs;
mod tally;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::with_sbin;
use crate::failed::Failed;

use lanes::{Ended, News};
use tally::Tally;

pub(crate) use lanes::Job;
pub(crate) use programs::{Program, build};

/// One run of several steps.
pub(crate) struct Suite {
    began: Instant,
    tally: Tally,
    failed_steps: Vec<String>,
}

impl Suite {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), tally: Tally::default(), failed_steps: Vec::new() }
    }

    /// Runs a command and passes on what its tests say, as they say it. Fails only where it does not start.
    pub(crate) fn run(&mut self, command: Command) -> Result<(), Failed> {
        let line = in_words(&command);
        println!("==> {line}");
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
        let (sender, news) = channel();
        thread::scope(|scope| {
            // Whoever sends is gone with the last job, which ends the news.
            scope.spawn(move || lanes::run(jobs, at_a_time, &sender));
            self.follow_jobs(&news);
        });
    }

    /// Leaves a step out.
    pub(crate) fn skip(&mut self, step: &str, reason: &str) {
        let line = format!("SKIP {step}: {reason}");
        println!("{line}");
        self.tally.hear(&line);
    }

    /// Says what was left out, what failed, and how many passed.
    pub(crate) fn end(self) -> Result<(), Failed> {
        self.tally.skips().for_each(|skip| println!("{skip}"));
        self.tally.failed().iter().for_each(|name| println!("FAILED {name}"));
        println!("{} in {} s", self.tally, self.began.elapsed().as_secs());
        if self.failed_steps.is_empty() {
            return Ok(());
        }
        Err(Failed::new(self.failed_steps.join("; ")))
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
                    println!("    {seconds} s, still at work: {}", running.join(", "));
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Prints what the tests of a program said.
    fn hear_out(&mut self, ended: &Ended) {
        println!("==> {} ({} s)", ended.name, ended.took.as_secs());
        for line in ended.printed.lines() {
            if self.tally.hear(line) {
                println!("{line}");
            }
        }
        self.failed_steps.extend(ended.fault());
        self.tally.end_report();
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
                        println!("{said}");
                        last = said;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    println!(
                        "    {} s, still at work; last: {last}",
                        self.began.elapsed().as_secs()
                    );
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
