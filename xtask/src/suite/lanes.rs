//! Runs test programs several at a time, or one at a time, and says when each began and how it ended.
//!
//! What a program prints is handed on in one piece when it has ended, so that the reports of two that ran
//! beside each other don't mix.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crate::command::with_sbin;

/// A program that is ready to run.
#[derive(Debug)]
pub(crate) struct Job {
    /// What it is called in the report.
    pub(crate) name: String,
    pub(crate) command: Command,
}

/// What becomes of the jobs.
#[derive(Debug)]
pub(super) enum News {
    Began(String),
    Ended(Ended),
}

/// A job that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) took: Duration,
    pub(super) printed: String,
    /// Its tests, and how long after the one before each was over: what it took, where they run one by one.
    pub(super) tests: Vec<(Duration, String)>,
    /// Or why it did not start.
    pub(super) status: Result<ExitStatus, String>,
}

/// Runs all of them in their order, so many at a time; returns when the last has ended.
pub(super) fn run(jobs: Vec<Job>, at_a_time: usize, news: &Sender<News>) {
    let waiting = Mutex::new(VecDeque::from(jobs));
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(job) = next() {
                    // Who reads the news is gone only when this run is over.
                    let _ = news.send(News::Began(job.name.clone()));
                    let _ = news.send(News::Ended(job.run()));
                }
            });
        }
    });
}

impl Job {
    fn run(mut self) -> Ended {
        let began = Instant::now();
        self.command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut heard = Heard { printed: String::new(), tests: Vec::new(), last: began };
        let status = with_sbin(self.command).spawn().and_then(|mut child| {
            child.stdout.take().into_iter().for_each(|output| heard.all(output));
            child.wait()
        });
        let status = status.map_err(|error| error.to_string());
        let Heard { printed, tests, .. } = heard;
        Ended { name: self.name, took: began.elapsed(), printed, tests, status }
    }
}

/// What a program prints, as it prints it.
struct Heard {
    printed: String,
    tests: Vec<(Duration, String)>,
    last: Instant,
}

impl Heard {
    fn all(&mut self, output: ChildStdout) {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if let Some((test, _)) = line.strip_prefix("test ").and_then(|l| l.split_once(" ... "))
            {
                self.tests.push((self.last.elapsed(), test.to_owned()));
                self.last = Instant::now();
            }
            self.printed.push_str(&line);
            self.printed.push('\n');
        }
    }
}

impl Ended {
    /// Why it is no success, if it is none.
    pub(super) fn fault(&self) -> Option<String> {
        let name = &self.name;
        match &self.status {
            Err(why) => Some(format!("{name} did not start: {why}")),
            Ok(status) if !status.success() => Some(format!("{name}: {status}")),
            // Somebody ended it from within.
            Ok(_) if !self.printed.lines().any(|line| line.starts_with(RESULT)) => {
                Some(format!("{name}: it ended well, but before it told of its tests"))
            }
            Ok(_) => None,
        }
    }
}

/// How the last line of a program's tests begins.
const RESULT: &str = "test result: ";

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn every_job_runs_once_and_is_told_of() {
        let (sender, news) = channel();
        let names = ["one", "two", "three", "four", "five"];
        run(names.map(said).into(), 2, &sender);
        drop(sender);
        let ended: Vec<Ended> = news.into_iter().filter_map(ended).collect();
        let mut printed: Vec<&str> = ended.iter().map(|ended| ended.printed.trim()).collect();
        printed.sort_unstable();
        assert_eq!(printed, ["five", "four", "one", "three", "two"]);
        assert!(ended.iter().all(|ended| ended.status.as_ref().is_ok_and(ExitStatus::success)));
    }

    #[test]
    fn one_at_a_time_keeps_the_order() {
        let (sender, news) = channel();
        run(["one", "two", "three"].map(said).into(), 1, &sender);
        drop(sender);
        let seen: Vec<String> = news
            .into_iter()
            .map(|news| match news {
                News::Began(name) => format!("began {name}"),
                News::Ended(ended) => format!("ended {}", ended.name),
            })
            .collect();
        let expected =
            ["began one", "ended one", "began two", "ended two", "began three", "ended three"];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_program_that_does_not_start_says_why() {
        let (sender, news) = channel();
        let missing = Job { name: "gone".into(), command: Command::new("/nowhere/at/all") };
        run(vec![missing], 1, &sender);
        drop(sender);
        let ended: Vec<Ended> = news.into_iter().filter_map(ended).collect();
        assert!(matches!(&ended[..], [Ended { status: Err(_), .. }]), "{ended:?}");
        assert!(ended[0].fault().is_some_and(|fault| fault.starts_with("gone did not start: ")));
    }

    #[test]
    fn a_program_that_ends_well_without_a_result_of_its_tests_has_failed() {
        let fault = |line: &str| said(line).run().fault();
        assert_eq!(fault("test result: ok. 1 passed; 0 failed"), None);
        assert!(fault("running 2 tests").is_some_and(|fault| fault.contains("before it told")));
    }

    #[test]
    fn a_test_that_takes_long_is_told_from_its_neighbours() {
        let mut command = Command::new("sh");
        let script =
            "echo 'test a ... ok'; sleep 0.3; echo 'test b ... FAILED'; echo 'test c ... ok'";
        command.args(["-c", script]);
        let ended = Job { name: "slow".to_owned(), command }.run();
        let long: Vec<_> = ended.tests.iter().filter(|(took, _)| took.as_millis() >= 300).collect();
        assert!(matches!(&long[..], [(_, name)] if name == "b"), "{:?}", ended.tests);
        assert_eq!(ended.printed.lines().count(), 3);
    }

    fn said(word: &str) -> Job {
        let mut command = Command::new("echo");
        command.arg(word);
        Job { name: word.to_owned(), command }
    }

    fn ended(news: News) -> Option<Ended> {
        match news {
            News::Began(_) => None,
            News::Ended(ended) => Some(ended),
        }
    }
}
