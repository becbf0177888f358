//! What was measured, in the units that the names say.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything about one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How the sessions came up.
    pub connect: ConnectFigures,
    /// How they lasted, if they were held.
    pub hold: Option<HoldFigures>,
    /// What went through them, by packet size.
    pub packets: Vec<PacketFigures>,
}

/// How the sessions came up.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectFigures {
    /// How many were begun.
    pub begun: usize,
    /// How many came up.
    pub connected: usize,
    /// How many did not, by reason.
    pub failed: BTreeMap<String, usize>,
    /// From the first one's beginning until the last one was up or had failed.
    pub seconds: f64,
    /// Sessions a second over that time.
    pub per_second: f64,
    /// From a session's first packet until it was up, in milliseconds.
    pub handshake_ms: Spread,
}

/// How sessions lasted.
#[derive(Clone, Debug, Serialize)]
pub struct HoldFigures {
    /// How long they were held.
    pub seconds: f64,
    /// How many were up at its end.
    pub sessions: usize,
    /// How many were lost, by reason.
    pub lost: BTreeMap<String, usize>,
    /// Keepalives that we sent.
    pub pings_sent: u64,
    /// Keepalives that came from the server.
    pub pings_received: u64,
}

/// What went through the sessions: echo requests and their answers.
#[derive(Clone, Debug, Serialize)]
pub struct PacketFigures {
    /// Bytes of an inner packet, its IP header included.
    pub size: u16,
    /// How long was sent.
    pub seconds: f64,
    /// Through how many sessions.
    pub sessions: usize,
    /// Requests that left.
    pub sent: u64,
    /// Answers that came back.
    pub answered: u64,
    /// Requests a second.
    pub sent_per_second: f64,
    /// Answers a second.
    pub answered_per_second: f64,
    /// Requests without an answer, of a hundred.
    pub lost_percent: f64,
}

/// How figures are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half are no larger.
    pub p50: f64,
    /// Nine of ten are no larger.
    pub p90: f64,
    /// 99 of 100 are no larger.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these figures; all zero where there are none.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (figures.len() * percent).div_ceil(100).max(1);
            figures.get(rank - 1).copied().unwrap_or_default()
        };
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

impl PacketFigures {
    /// From counts.
    pub(crate) fn new(size: u16, seconds: f64, sessions: usize, sent: u64, answered: u64) -> Self {
        let lost = sent.saturating_sub(answered);
        Self {
            size,
            seconds,
            sessions,
            sent,
            answered,
            sent_per_second: rate(sent, seconds),
            answered_per_second: rate(answered, seconds),
            lost_percent: if sent == 0 { 0.0 } else { lost as f64 * 100.0 / sent as f64 },
        }
    }
}

/// Things a second; none where no time has passed.
pub(crate) fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let spread = Spread::of((1..=200).rev().map(f64::from).collect());
        assert_eq!(spread, Spread { p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 });
        assert_eq!(Spread::of(vec![3.0]).p50, 3.0);
        assert_eq!(Spread::of(vec![]), Spread::default());
    }

    #[test]
    fn an_answer_too_many_is_no_negative_loss() {
        assert_eq!(PacketFigures::new(64, 1.0, 1, 10, 11).lost_percent, 0.0);
        assert_eq!(PacketFigures::new(64, 1.0, 1, 10, 5).lost_percent, 50.0);
    }
}
