//! What the runner of Rust's tests prints, read line by line: counts, failures, and tests that were left
//! out, as they say themselves (`SKIP name: reason`).
//!
//! The runner is asked to show what passing tests print (`--show-output`), since that is where skips
//! are said. All else that a passing test prints, such as the panics that it provokes, is not passed on.

use std::collections::BTreeMap;
use std::fmt;

/// The tests of one run, counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: usize,
    failed: Vec<String>,
    /// Failed at first, passed with nothing beside them.
    unsteady: Vec<String>,
    /// Each skip, and which test said it.
    skips: BTreeMap<String, Option<String>>,
    section: Section,
    /// The test whose output is being shown, or which is running.
    test: Option<String>,
    /// What the last list of failures names.
    listed: Vec<String>,
}

/// Which part of a test binary's report a line belongs to.
#[derive(Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Runner,
    Successes,
    Failures,
}

impl Tally {
    /// Takes a line in. `true` where a person should see it as well.
    pub(super) fn hear(&mut self, line: &str) -> bool {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.end_binary(result);
            return true;
        }
        match line {
            "successes:" => self.turn_to(Section::Successes),
            "failures:" => self.turn_to(Section::Failures),
            _ => self.hear_inside(line),
        }
        match self.section {
            Section::Runner | Section::Failures => true,
            Section::Successes => line.starts_with("FIGURE "),
        }
    }

    /// A program has ended, with a result of its tests or, where it crashed, without: what is heard next is
    /// another one's.
    pub(super) fn end_report(&mut self) {
        self.turn_to(Section::Runner);
    }

    /// Everything that was left out, in words.
    pub(super) fn skips(&self) -> impl Iterator<Item = &str> {
        self.skips.keys().map(String::as_str)
    }

    /// The tests that failed.
    pub(super) fn failed(&self) -> &[String] {
        &self.failed
    }

    /// The tests that failed beside others and passed alone.
    pub(super) fn unsteady(&self) -> &[String] {
        &self.unsteady
    }

    /// It failed before and has passed since.
    pub(super) fn forgive(&mut self, test: &str) {
        if let Some(at) = self.failed.iter().position(|failed| failed == test) {
            self.unsteady.push(self.failed.remove(at));
        }
    }

    /// Keeps the first so many that failed.
    pub(super) fn forget_behind(&mut self, count: usize) {
        self.failed.truncate(count);
    }

    fn hear_inside(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----"))
        {
            self.test = Some(name.to_owned());
        } else if self.section == Section::Runner
            && let Some((name, _)) = line.strip_prefix("test ").and_then(|l| l.split_once(" ... "))
        {
            self.test = Some(name.to_owned());
        } else if self.section == Section::Failures
            && let Some(name) = line.strip_prefix("    ")
        {
            self.listed.push(name.to_owned());
        }
        // A test's own line may stand behind the runner's `test name ... `.
        if self.section != Section::Failures
            && let Some(at) = line.find("SKIP ")
        {
            self.skips.insert(line[at..].to_owned(), self.test.clone());
        }
    }

    fn turn_to(&mut self, section: Section) {
        self.section = section;
        self.test = None;
        // The first such heading is above what the tests printed, the second above their names.
        self.listed.clear();
    }

    fn end_binary(&mut self, result: &str) {
        let passed = result.split_once(". ").and_then(|(_, counts)| counts.split_once(" passed"));
        self.passed += passed.and_then(|(count, _)| count.parse().ok()).unwrap_or(0);
        if result.starts_with("FAILED") {
            self.failed.append(&mut self.listed);
        }
        self.turn_to(Section::Runner);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // For the runner, a test that leaves itself out has passed.
        let mut left_out: Vec<&String> = self.skips.values().flatten().collect();
        left_out.sort();
        left_out.dedup();
        write!(f, "{} passed, ", self.passed.saturating_sub(left_out.len()))?;
        if !self.failed.is_empty() {
            write!(f, "{} failed, ", self.failed.len())?;
        }
        if !self.unsteady.is_empty() {
            write!(f, "{} of them unsteady, ", self.unsteady.len())?;
        }
        write!(f, "{} skipped", self.skips.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_leaves_itself_out_is_skipped_and_not_passed() {
        let report = "running 2 tests\ntest a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- b stdout ----\n\
            SKIP b: no root\n\n\nsuccesses:\n    a\n    b\n\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let (tally, _) = told(report);
        assert_eq!(tally.to_string(), "1 passed, 1 skipped");
        assert_eq!(tally.skips().collect::<Vec<_>>(), ["SKIP b: no root"]);
    }

    #[test]
    fn a_skip_behind_the_runners_own_words_is_heard() {
        let report = "running 1 test\ntest b ... SKIP b: no root\nok\n\n\
            test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(told(report).0.to_string(), "0 passed, 1 skipped");
    }

    #[test]
    fn what_a_passing_test_prints_is_not_shown_but_its_figures_are() {
        let report = "running 1 test\ntest a ... ok\n\nsuccesses:\n\n---- a stdout ----\n\
            thread 'x' panicked at y.rs:1:1:\non purpose\nFIGURE 3 Gbit/s\n\nsuccesses:\n    a\n\n\
            test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let (_, shown) = told(report);
        let expected = "running 1 test\ntest a ... ok\n\nFIGURE 3 Gbit/s\n\
            test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_failing_test_is_named_and_what_it_prints_is_shown() {
        let report = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n\
            ---- b stdout ----\nthread 'b' panicked at y.rs:1:1:\n    SKIP is not meant\n\n\n\
            failures:\n    b\n\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        let (tally, shown) = told(report);
        assert_eq!(tally.failed(), ["b"]);
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 0 skipped");
        assert_eq!(shown, report);
    }

    #[test]
    fn a_test_that_passes_at_the_second_look_is_unsteady_and_counted_once() {
        let first = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\n\n\n\
            failures:\n    b\n\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        let again =
            "running 1 test\ntest b ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored";
        let (mut tally, _) = told(&[first, again].join("\n"));
        tally.forgive("b");
        assert_eq!(tally.to_string(), "2 passed, 1 of them unsteady, 0 skipped");
        assert!(tally.failed().is_empty());
    }

    #[test]
    fn several_binaries_add_up() {
        let one = "running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored";
        assert_eq!(told(&[one, one, one].join("\n")).0.to_string(), "3 passed, 0 skipped");
    }

    #[test]
    fn a_program_that_crashed_among_its_failures_hides_nothing_of_the_next() {
        let mut tally = Tally::default();
        let _ = ["running 1 test", "failures:", "---- a stdout ----"].map(|line| tally.hear(line));
        tally.end_report();
        let _ = ["test b ... ok", "SKIP b: no root"].map(|line| tally.hear(line));
        assert_eq!(tally.skips().collect::<Vec<_>>(), ["SKIP b: no root"]);
    }

    fn told(report: &str) -> (Tally, String) {
        let mut tally = Tally::default();
        let shown: Vec<&str> = report.lines().filter(|line| tally.hear(line)).collect();
        (tally, shown.join("\n"))
    }
}
