//! Bars with their spread, drawn as plain SVG.

use std::fmt::Write;

use super::Table;
use super::statistics::Row;
use crate::contestants::RAW;

/// File names and drawings of the tables that are worth a look.
pub(super) fn plots(tables: &[Table]) -> Vec<(String, String)> {
    let drawn = |table: &&Table| {
        let wanted = DRAWN.iter().any(|(measure, figure, _)| {
            table.measure.starts_with(measure) && table.figure == *figure
        });
        wanted && table.rows.iter().any(|row| row.contestant != RAW)
    };
    tables.iter().filter(drawn).map(|table| (file_name(table), bars(table))).collect()
}

fn file_name(table: &Table) -> String {
    format!("vpn-{}-{}-{}.svg", table.mode.name(), table.measure, table.figure.replace('_', "-"))
}

fn bars(table: &Table) -> String {
    // The bare cable would make all other bars too short to be told apart.
    let (raw, rows): (Vec<&Row>, Vec<&Row>) =
        table.rows.iter().partition(|row| row.contestant == RAW);
    let height = TOP + rows.len() as f64 * STEP + BOTTOM;
    let most = rows.iter().map(|row| row.spread.most).fold(0.0, f64::max);
    let scale = BAR / most.max(f64::MIN_POSITIVE);
    let unit = DRAWN.iter().find(|(_, figure, _)| *figure == table.figure).map_or("", |d| d.2);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{}, {}: {unit}</text>\n",
        table.measure,
        table.mode.title(),
    );
    for (index, row) in rows.iter().enumerate() {
        bar(&mut svg, row, TOP + index as f64 * STEP, scale);
    }
    let foot = height - 10.0;
    let raw = raw.first().map(|row| format!(" Without a tunnel: {:.3}.", row.spread.median));
    let raw = raw.unwrap_or_default();
    let _ = writeln!(
        svg,
        "<text x=\"10\" y=\"{foot}\" fill=\"#666666\">Median of the rounds; the line is least to most.{raw}</text>\n</svg>"
    );
    svg
}

fn bar(svg: &mut String, row: &Row, top: f64, scale: f64) {
    let spread = &row.spread;
    let colour = if row.contestant.contains("handfast") { "#2f6f9f" } else { "#a0a0a0" };
    let (middle, width) = (top + THICK / 2.0, spread.median * scale);
    let (from, to) = (LEFT + spread.least * scale, LEFT + spread.most * scale);
    let (text_y, label_x, value_x) = (middle + 4.0, LEFT - 8.0, to + 6.0);
    // Writing to a string does not fail.
    let _ = writeln!(
        svg,
        "<text x=\"{label_x}\" y=\"{text_y:.1}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{THICK}\" fill=\"{colour}\"/>\n\
         <line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#000000\"/>\n\
         <text x=\"{value_x:.1}\" y=\"{text_y:.1}\">{:.3}</text>",
        row.contestant, spread.median
    );
}

/// What is drawn: how the measurement's name begins, the figure, what stands in the heading.
const DRAWN: &[(&str, &str, &str)] = &[
    ("tcp-", "gbit_per_s", "Gbit/s"),
    ("tcp-1-up", "cpu_s_per_gbit", "CPU seconds of the machine for a Gbit"),
    ("udp-", "kpps", "thousand datagrams a second with at most 1 % lost"),
    ("ping-", "p50_ms", "round trip, median, ms"),
    ("ping-", "p99_ms", "round trip, 99th percentile, ms"),
];

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const BAR: f64 = 490.0;
const TOP: f64 = 36.0;
const STEP: f64 = 24.0;
const THICK: f64 = 16.0;
const BOTTOM: f64 = 30.0;
