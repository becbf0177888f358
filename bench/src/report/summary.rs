//! The page's first tables: one row for each contestant, one column for each measurement.

use super::Table;
use super::statistics::Row;
use super::text::{figure_text, line, ratio_text};
use crate::contestants::LIST;
use crate::topology::Mode;

/// Medians with what they lie between, and ratios to openvpn and wireguard-go.
pub(super) fn write(page: &mut String, tables: &[Table]) {
    for mode in [Mode::Plain, Mode::Nic] {
        for (title, begins, figure) in SUMMARIES {
            let columns: Vec<&Table> = tables
                .iter()
                .filter(|table| table.mode == mode && table.figure == *figure)
                .filter(|table| table.measure.starts_with(begins))
                .collect();
            if !columns.is_empty() {
                line(page, format_args!("\n## {title}, {}\n", mode.title()));
                write_one(page, &columns);
            }
        }
    }
}

fn write_one(page: &mut String, columns: &[&Table]) {
    let names: String = columns.iter().map(|table| format!(" {} |", table.measure)).collect();
    line(page, format_args!("| |{names}"));
    line(page, format_args!("|---|{}", "---|".repeat(columns.len())));
    for contestant in LIST {
        let cells: Vec<Option<&Row>> = columns
            .iter()
            .map(|table| table.rows.iter().find(|row| row.contestant == contestant.name))
            .collect();
        if cells.iter().any(Option::is_some) {
            let cells: String = cells.iter().map(|row| format!(" {} |", cell(*row))).collect();
            line(page, format_args!("| {} |{cells}", contestant.name));
        }
    }
}

fn cell(row: Option<&Row>) -> String {
    let Some(row) = row else { return "-".to_owned() };
    format!(
        "{} ({}-{}); {} / {}",
        figure_text(row.spread.median),
        figure_text(row.spread.least),
        figure_text(row.spread.most),
        ratio_text(row.to_openvpn),
        ratio_text(row.to_wireguard),
    )
}

/// Heading, how the measurements' names begin, the figure.
const SUMMARIES: &[(&str, &str, &str)] = &[
    ("TCP, Gbit/s", "tcp-", "gbit_per_s"),
    ("Retransmissions for each GB", "tcp-", "retransmits_per_gb"),
    ("CPU seconds of the machine for each Gbit", "tcp-", "cpu_s_per_gbit"),
    ("Datagrams with at most 1 % lost, thousand a second", "udp-", "kpps"),
    ("Round trips, median, ms", "ping-", "p50_ms"),
    ("Round trips, 99th percentile, ms", "ping-", "p99_ms"),
];
