//! The table of docs/operation.md that says what broke a tunnel for how long: held against what was
//! measured, or written anew where `HANDFAST_WRITE` is 1.
//!
//! Figures of two machines are never equal. So a line holds where what was measured and what is written
//! both keep its bound, and where the words are the same.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use interop::PingReport;

/// A line of the table.
pub(crate) struct Row {
    /// What happens.
    pub(crate) situation: &'static str,
    /// What it does to the stock client.
    pub(crate) stock: PingReport,
    /// What it does to ours.
    pub(crate) own: PingReport,
    /// How long packets may be lost at most.
    pub(crate) bound: Duration,
    /// Who says what.
    pub(crate) said: &'static str,
}

impl Row {
    /// Compares it with the document, or writes it there.
    pub(crate) fn holds(&self) {
        for (who, report) in [("the stock client", &self.stock), ("ours", &self.own)] {
            let silence = report.silence;
            assert!(silence <= self.bound, "{}: {who} for {silence:?}", self.situation);
        }
        let text = fs::read_to_string(document()).expect("the document");
        if std::env::var_os("HANDFAST_WRITE").is_some_and(|value| value == "1") {
            fs::write(document(), with_line(&text, self.situation, &self.line())).expect("written");
        } else {
            self.is_written_in(&text);
        }
    }

    fn line(&self) -> String {
        let seconds = self.bound.as_secs_f64();
        let [stock, own] = [&self.stock, &self.own].map(cell);
        format!("| {} | {stock} | {own} | {seconds} s | {} |", self.situation, self.said)
    }

    fn is_written_in(&self, text: &str) {
        let begin = format!("| {} | ", self.situation);
        let line = text.lines().find(|line| line.starts_with(&begin));
        let line = line.unwrap_or_else(|| panic!("no line `{begin}`: {HOW}"));
        let cells: Vec<_> = line.split(" | ").collect();
        let end = format!("{} s | {} |", self.bound.as_secs_f64(), self.said);
        assert!(cells.len() == 5 && line.ends_with(&end), "{line}: {HOW}");
        for cell in &cells[1..3] {
            let written =
                cell.rsplit_once(", ").and_then(|(_, s)| s.strip_suffix(" s")?.parse().ok());
            let written: f64 = written.unwrap_or_else(|| panic!("{line}: {HOW}"));
            assert!(written <= self.bound.as_secs_f64(), "{line}: {HOW}");
        }
    }
}

fn cell(report: &PingReport) -> String {
    let silence = report.silence.as_secs_f64();
    format!("{} of {}, {silence:.2} s", report.lost(), report.sent)
}

/// The document with this line in the place of the one for its situation, or below the table.
fn with_line(text: &str, situation: &str, line: &str) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    let begin = format!("| {situation} | ");
    let head = lines.iter().position(|line| line.starts_with(HEAD)).expect("the table");
    let rows = lines[head..].iter().take_while(|line| line.starts_with('|')).count();
    match lines.iter().position(|line| line.starts_with(&begin)) {
        Some(at) => lines[at] = line,
        None => lines.insert(head + rows, line),
    }
    lines.join("\n") + "\n"
}

fn document() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operation.md"))
}

const HEAD: &str = "| what happens | ";
const HOW: &str = "`cargo xtask interop under_traffic --write` writes the table";
