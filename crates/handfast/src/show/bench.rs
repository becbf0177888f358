//! The figures of `handfast bench` for people.

use std::collections::BTreeMap;

use load::{ConnectFigures, HoldFigures, PacketFigures, Report};

use super::words::count;

/// One line for each phase, and one for each packet size.
pub(crate) fn text(report: &Report) -> String {
    let mut text = connect(&report.connect);
    if let Some(figures) = &report.hold {
        text.push_str(&hold(figures));
    }
    for figures in &report.packets {
        text.push_str(&packets(figures));
    }
    text
}

fn connect(figures: &ConnectFigures) -> String {
    let ConnectFigures { begun, connected, seconds, per_second, handshake_ms: ms, .. } = figures;
    format!(
        "{connected} of {} connected in {seconds:.2} s, {per_second:.0} a second{}\n\
         handshakes took {:.1} ms in the median, {:.1} at p90, {:.1} at p99, {:.1} at most\n",
        count(*begun, "session"),
        reasons("failed", &figures.failed),
        ms.p50,
        ms.p90,
        ms.p99,
        ms.max
    )
}

fn hold(figures: &HoldFigures) -> String {
    format!(
        "{} held for {:.0} s, {} keepalives sent, {} received{}\n",
        count(figures.sessions, "session"),
        figures.seconds,
        figures.pings_sent,
        figures.pings_received,
        reasons("lost", &figures.lost)
    )
}

fn packets(figures: &PacketFigures) -> String {
    format!(
        "{} bytes: {:.0} packets a second sent, {:.0} answered, {:.1} % without an answer\n",
        figures.size, figures.sent_per_second, figures.answered_per_second, figures.lost_percent
    )
}

fn reasons(what: &str, counted: &BTreeMap<String, usize>) -> String {
    let each: String =
        counted.iter().map(|(reason, count)| format!("; {what}: {count} {reason}")).collect();
    each
}

#[cfg(test)]
mod tests {
    use load::Spread;

    use super::*;

    #[test]
    fn every_reason_is_told_with_its_count() {
        let connect = ConnectFigures {
            begun: 3,
            connected: 1,
            failed: [("auth_failed".to_owned(), 2)].into(),
            seconds: 0.5,
            per_second: 2.0,
            handshake_ms: Spread::of(vec![12.0]),
        };
        let report = Report { connect, hold: None, packets: vec![] };
        assert_eq!(
            text(&report),
            "1 of 3 sessions connected in 0.50 s, 2 a second; failed: 2 auth_failed\n\
             handshakes took 12.0 ms in the median, 12.0 at p90, 12.0 at p99, 12.0 at most\n"
        );
    }
}
