//! Counters and gauges as values, and as Prometheus text.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One figure with its labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Full metric name: `handfast_refusals_total`.
    pub name: String,
    /// One line on what it counts; the same for every figure of that name.
    pub help: String,
    /// How it moves.
    pub kind: MetricKind,
    /// Label names and values.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// How a figure moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Only up.
    Counter,
    /// Up and down.
    Gauge,
}

/// The figures in Prometheus' text format. Figures of one name must stand together.
pub fn prometheus(figures: &[Metric]) -> String {
    let mut text = String::new();
    let mut last = "";
    for figure in figures {
        if figure.name != last {
            write_head(&mut text, figure);
            last = &figure.name;
        }
        write_line(&mut text, figure);
    }
    text
}

fn write_head(text: &mut String, figure: &Metric) {
    let kind = match figure.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
    };
    let help = figure.help.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = writeln!(text, "# HELP {} {help}\n# TYPE {} {kind}", figure.name, figure.name);
}

fn write_line(text: &mut String, figure: &Metric) {
    text.push_str(&figure.name);
    for (at, (name, value)) in figure.labels.iter().enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{}{name}=\"{value}\"", if at == 0 { '{' } else { ',' });
    }
    if !figure.labels.is_empty() {
        text.push('}');
    }
    let _ = writeln!(text, " {}", figure.value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_one_name_share_a_head_and_labels_are_escaped() {
        let figure = |reason: &str, value| Metric {
            name: "handfast_refusals_total".into(),
            help: "Refused connections.".into(),
            kind: MetricKind::Counter,
            labels: vec![("reason".into(), reason.into())],
            value,
        };
        assert_eq!(
            prometheus(&[figure("revoked", 2.0), figure("odd\"one", 1.0)]),
            "# HELP handfast_refusals_total Refused connections.\n\
             # TYPE handfast_refusals_total counter\n\
             handfast_refusals_total{reason=\"revoked\"} 2\n\
             handfast_refusals_total{reason=\"odd\\\"one\"} 1\n"
        );
    }
}
