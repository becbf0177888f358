//! What the demo prints: a line for each thing that was seen, its figure at the right.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use clock::Timestamp;

use crate::show::table::visible;

/// Prints. A reader that went away is no reason to stop.
#[derive(Debug)]
pub(super) struct Teller {
    begun: Instant,
    silent: bool,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), silent: false }
    }

    /// Prints nothing of what goes well.
    pub(super) fn silent() -> Self {
        Self { silent: true, ..Self::new() }
    }

    /// The first line.
    pub(super) fn title(&self, text: &str) {
        self.plain(&format!("handfast demo: {text}\n"));
    }

    /// Something that was seen. `step` is empty where the line above is of the same step.
    pub(super) fn seen(&self, step: &str, what: impl Display, figure: impl Display) {
        self.plain(&line(step, &what.to_string(), &figure.to_string()));
    }

    /// The last figure.
    pub(super) fn total(&self) {
        let took = time(self.begun.elapsed());
        self.seen("done", "every step was seen; nothing of it is left on this machine", took);
    }

    /// A line as it is.
    pub(super) fn plain(&self, text: &str) {
        if self.silent {
            return;
        }
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    }

    /// The ends of all logs in `folder`, for the case that something went wrong.
    pub(super) fn logs(&self, folder: &Path) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut logs: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "log"))
            .collect();
        logs.sort();
        let mut stderr = io::stderr().lock();
        for path in logs {
            let text = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<_> = text.lines().collect();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let _ = writeln!(stderr, "\n{name}, its last lines:");
            for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
                let _ = writeln!(stderr, "    {}", visible(line));
            }
        }
        let _ = writeln!(stderr);
    }
}

fn line(step: &str, what: &str, figure: &str) -> String {
    format!("  {step:<14}{what:<66}{figure:>14}").trim_end().to_owned()
}

/// `142 ms`, `1.24 s`.
pub(super) fn time(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// How long after `event` something was: `4 ms`, or `-2 ms` where it was before.
pub(super) fn after(moment: Timestamp, event: Timestamp) -> String {
    match moment < event {
        // The last of it came before the event was on the disk.
        true => format!("-{} ms", event.since(moment).as_millis()),
        false => format!("{} ms", moment.since(event).as_millis()),
    }
}

const LOG_LINES: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_below_each_other() {
        let one = line("gateway", "first start", "1.2 s");
        let two = line("", "a longer sentence about the same step", "870 ms");
        assert_eq!(one.len(), two.len());
        assert!(two.starts_with("                a longer"), "{two}");
    }

    #[test]
    fn times_are_in_the_unit_that_fits() {
        assert_eq!(time(Duration::from_micros(142_900)), "142 ms");
        assert_eq!(time(Duration::from_millis(1240)), "1.2 s");
    }
}
