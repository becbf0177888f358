//! The page that people read.

use super::text::{figure_text, line, ratio_text};
use super::{Report, Table, summary};

/// The whole page; `plots` are the names of the files beside it.
pub(super) fn page(report: &Report, tables: &[Table], plots: &[&str]) -> String {
    let mut page = String::from(HEAD);
    for (name, value) in &report.facts {
        line(&mut page, format_args!("| {name} | {value} |"));
    }
    let repeated = report.repeated();
    line(&mut page, format_args!("| rounds | {} |", report.rounds));
    line(&mut page, format_args!("| seconds of a TCP measurement | {} |", report.seconds));
    line(&mut page, format_args!("| repeated because of stolen time | {repeated} |"));
    line(&mut page, format_args!("| skipped | {} |", report.skipped.len()));
    line(&mut page, format_args!("| failed | {} |", report.failures.len()));
    for (name, reason) in &report.skipped {
        line(&mut page, format_args!("\nSKIP {name}: {reason}"));
    }
    for failure in &report.failures {
        line(&mut page, format_args!("\nFAILED {failure}"));
    }
    if let Some(busy) = report.busy_while_idle() {
        line(&mut page, format_args!("\n{busy}"));
    }
    summary::write(&mut page, tables);
    for plot in plots {
        line(&mut page, format_args!("\n![{plot}]({plot})"));
    }
    let mut heading = None;
    for table in tables {
        let place = (table.mode, table.measure.as_str());
        if heading != Some(place) {
            heading = Some(place);
            line(&mut page, format_args!("\n## {}, {}", table.measure, table.mode.title()));
        }
        write_table(&mut page, table);
    }
    page
}

fn write_table(page: &mut String, table: &Table) {
    // A counter that never moved says so in one line.
    if table.rows.iter().all(|row| row.spread.most == 0.0) {
        line(page, format_args!("\n{}: 0 for everybody", table.figure));
        return;
    }
    let figure = table.figure;
    line(
        page,
        format_args!(
            "\n| {figure} | median | least-most | rounds | to openvpn | to wireguard-go |"
        ),
    );
    line(page, format_args!("|---|---|---|---|---|---|"));
    for row in &table.rows {
        let spread = &row.spread;
        line(
            page,
            format_args!(
                "| {} | {} | {}-{} | {} | {} | {} |",
                row.contestant,
                figure_text(spread.median),
                figure_text(spread.least),
                figure_text(spread.most),
                spread.rounds,
                ratio_text(row.to_openvpn),
                ratio_text(row.to_wireguard),
            ),
        );
    }
}

const HEAD: &str = "\
# The benchmark's last run

Written by `cargo xtask bench vpn`; `vpn.json` holds every single figure. Ratios are taken within each
round, and the median of those is shown. A cell of the first tables is the median, (least-most), and
its ratio to openvpn / to wireguard-go. CPU is that of the whole machine without what it spends while
the tunnel is idle, except where a side is named: that is the side's program alone. Up is from the
client to the server. Two namespaces on one veth pair, cubic for all, nothing pinned but what a program
pins itself (Handfast's gateway its data workers); openvpn without kernel offload, AES-256-GCM, MTU 1500;
no NAT on any gateway.

| | |
|---|---|
";
