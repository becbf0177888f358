//! The figures of one measurement over its rounds.

use serde::Serialize;

/// The rounds of one measurement.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures(pub(crate) Vec<f64>);

impl Figures {
    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median, and between what the rounds lie.
    pub(crate) fn spread(&self) -> String {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(0.0, f64::max);
        format!("{:.2} ({least:.2}-{most:.2})", self.median())
    }
}
