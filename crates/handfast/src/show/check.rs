//! Findings in words, the mend below each.

use admin::response::{CheckReport, Level};

use super::table::visible;

pub(crate) fn text(report: &CheckReport) -> String {
    let width = report.findings.iter().map(|f| f.subject.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in &report.findings {
        let (subject, seen) = (visible(&finding.subject), visible(&finding.seen));
        text.push_str(&format!("{:7}  {subject:width$}  {seen}\n", word(finding.level)));
        if let Some(mend) = &finding.mend {
            text.push_str(&format!("{:7}  {:width$}  mend: {}\n", "", "", visible(mend)));
        }
    }
    text
}

/// Whether anything does not work.
pub(crate) fn is_bad(report: &CheckReport) -> bool {
    report.findings.iter().any(|finding| finding.level == Level::Bad)
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Good => "good",
        Level::Warning => "warning",
        Level::Bad => "BAD",
    }
}
