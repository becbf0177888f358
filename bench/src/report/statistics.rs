//! Medians, spreads and ratios of a run's samples.
//!
//! A ratio is taken within each round and then the median of those: what the machine did to one
//! contestant of a round it did to the other too.

use super::{Report, Sample};
use crate::contestants::{LIST, OPENVPN, WIREGUARD_GO};
use crate::measure::ALL;
use crate::topology::Mode;

/// One figure of one measurement over one kind of link, for all contestants that have it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// The link.
    pub(crate) mode: Mode,
    /// The measurement.
    pub(crate) measure: String,
    /// The figure's name.
    pub(crate) figure: &'static str,
    /// In the order of the list.
    pub(crate) rows: Vec<Row>,
}

/// One contestant's.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Who.
    pub(crate) contestant: &'static str,
    /// What the rounds gave.
    pub(crate) spread: Spread,
    /// Times openvpn's, the median of the rounds that have both.
    pub(crate) to_openvpn: Option<f64>,
    /// Times wireguard-go's.
    pub(crate) to_wireguard: Option<f64>,
}

/// A median and what it lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// In the middle.
    pub(crate) median: f64,
    /// The least.
    pub(crate) least: f64,
    /// The most.
    pub(crate) most: f64,
    /// Of how many rounds.
    pub(crate) rounds: usize,
}

impl Spread {
    /// Of figures in any order; none where there are none.
    fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.iter().copied().filter(|f| f.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, least, most, rounds: sorted.len() })
    }
}

/// All tables of a run that have a row.
pub(crate) fn tables(report: &Report) -> Vec<Table> {
    let mut tables = Vec::new();
    for mode in [Mode::Plain, Mode::Nic] {
        for measure in ALL.iter().map(|measure| measure.name()) {
            let of_this = |sample: &&Sample| sample.mode == mode && sample.measure == measure;
            let samples: Vec<&Sample> = report.samples.iter().filter(of_this).collect();
            let mut figures: Vec<&'static str> =
                samples.iter().flat_map(|sample| sample.figures.keys().copied()).collect();
            figures.sort_unstable();
            figures.dedup();
            for figure in figures {
                let measure = measure.clone();
                tables.push(Table { mode, measure, figure, rows: rows(&samples, figure) });
            }
        }
    }
    tables
}

fn rows(samples: &[&Sample], figure: &str) -> Vec<Row> {
    let row = |contestant: &'static str| {
        let own = figures_of(samples, contestant, figure);
        let figures: Vec<f64> = own.iter().map(|(_, figure)| *figure).collect();
        let ratio = |base: &str| {
            let base = figures_of(samples, base, figure);
            let ratios = own.iter().filter_map(|(round, figure)| {
                let (_, base) = base.iter().find(|(other, _)| other == round)?;
                Some(figure / base)
            });
            Spread::of(&ratios.collect::<Vec<_>>()).map(|spread| spread.median)
        };
        let spread = Spread::of(&figures)?;
        let (to_openvpn, to_wireguard) = (ratio(OPENVPN), ratio(WIREGUARD_GO));
        Some(Row { contestant, spread, to_openvpn, to_wireguard })
    };
    LIST.iter().filter_map(|contestant| row(contestant.name)).collect()
}

/// One contestant's figures with their rounds.
fn figures_of(samples: &[&Sample], contestant: &str, figure: &str) -> Vec<(u32, f64)> {
    let own = samples.iter().filter(|sample| sample.contestant == contestant);
    own.filter_map(|sample| Some((sample.round, *sample.figures.get(figure)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Figures;

    fn sample(round: u32, contestant: &str, gbit: f64) -> Sample {
        Sample {
            round,
            mode: Mode::Plain,
            contestant: contestant.to_owned(),
            measure: "tcp-1-up".to_owned(),
            stolen_percent: 0.0,
            repeated: 0,
            idle_cores: 0.0,
            figures: Figures::from([("gbit_per_s", gbit)]),
        }
    }

    #[test]
    fn a_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let spread = Spread::of(&[4.0, 1.0, f64::NAN, 2.0, 8.0]).unwrap();
        assert_eq!(spread, Spread { median: 3.0, least: 1.0, most: 8.0, rounds: 4 });
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_only_where_both_were_measured() {
        let mut report = Report::new(Default::default(), 3);
        // The machine is half as fast in the second round, for both.
        for (round, speed) in [(1, 1.0), (2, 0.5), (3, 1.0)] {
            report.samples.push(sample(round, OPENVPN, 0.5 * speed));
            report.samples.push(sample(round, "handfast", 6.0 * speed));
        }
        report.samples.push(sample(4, "handfast", 1.0));
        let tables = tables(&report);
        assert_eq!(tables.len(), 1);
        let ours = &tables[0].rows[1];
        assert_eq!((ours.contestant, ours.spread.rounds), ("handfast", 4));
        assert_eq!((ours.to_openvpn, ours.to_wireguard), (Some(12.0), None));
    }
}
