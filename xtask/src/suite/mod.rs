//! Runs the tests and tells of them: what runs, that it still runs, what failed, what was left out.
//!
//! A step that fails does not hide the ones after it; [`Suite::end`] says whether any did.

mod tally;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::with_sbin;
use crate::failed::Failed;

use tally::Tally;

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

    /// Runs a step and passes on what its tests say. Fails only where it does not start.
    pub(crate) fn run(
        &mut self,
        program: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Result<(), Failed> {
        let line = format!("{program} {}", arguments.join(" "));
        println!("==> {line}");
        let mut child = with_sbin(Command::new(program))
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Failed::new(format!("`{program}` did not start: {e}")))?;
        self.follow(&mut child);
        let status = child.wait().map_err(|e| Failed::new(format!("`{line}`: {e}")))?;
        if !status.success() {
            self.failed_steps.push(format!("`{line}`: {status}"));
        }
        Ok(())
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
