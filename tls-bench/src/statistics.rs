//! Medians, spreads, and ratios within a round: what the machine did to one contestant of a round it did to all.

use std::collections::{BTreeMap, BTreeSet};

use crate::contestants::{ALL, OURS};
use crate::measures::{Headline, Measure};
use crate::sample::Sample;

/// A measurement's row: each contestant's, and ours beside the best of the others.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) name: &'static str,
    pub(crate) headline: Headline,
    pub(crate) contestants: BTreeMap<&'static str, Spread>,
    /// How busy the servers' processor was, from the least busy contestant to the busiest.
    pub(crate) busy: Option<Spread>,
    /// More than 1 means that ours is better, in whichever direction that is.
    pub(crate) ratio: Option<Spread>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().filter(|one| one.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        Some(Self { median, least, most })
    }
}

/// All that have a sample.
pub(crate) fn rows(samples: &[Sample]) -> Vec<Row> {
    Measure::all().iter().filter_map(|measure| row(measure, samples)).collect()
}

fn row(measure: &Measure, samples: &[Sample]) -> Option<Row> {
    let headline = measure.headline();
    let own: Vec<&Sample> = samples.iter().filter(|one| one.measure == measure.name()).collect();
    let figures = |name: &str| {
        let own = own.iter().filter(move |one| one.contestant == name);
        own.filter_map(|one| one.figures.get(headline.figure).copied()).collect::<Vec<_>>()
    };
    let spreads = ALL.iter().filter_map(|one| Some((one.name, Spread::of(figures(one.name))?)));
    let contestants: BTreeMap<_, _> = spreads.collect();
    let rounds: BTreeSet<(u32, u32)> = own.iter().map(|one| (one.run, one.round)).collect();
    let ratios = rounds.iter().filter_map(|round| {
        let of = |is_ours: bool| {
            let of_round = own.iter().filter(|one| (one.run, one.round) == *round);
            let wanted = of_round.filter(move |one| (one.contestant == OURS) == is_ours);
            wanted.filter_map(|one| one.figures.get(headline.figure).copied())
        };
        let ours = of(true).next()?;
        match headline.more_is_better {
            true => Some(ours / of(false).reduce(f64::max)?),
            false => Some(of(false).reduce(f64::min)? / ours),
        }
    });
    let ratio = Spread::of(ratios);
    let busy = Spread::of(own.iter().filter_map(|one| one.figures.get("busy").copied()));
    let (title, name) = (measure.title(), measure.name());
    (!contestants.is_empty()).then_some(Row { title, name, headline, contestants, busy, ratio })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_set_beside_the_best_of_the_others_within_each_round() {
        let measure = &Measure::all()[0];
        let sample = |round, name, rate| {
            let figures = [("per_cpu_s".to_owned(), rate)].into();
            Sample::new(1, round, name, measure, figures)
        };
        // The machine is half as fast in the second round, for all.
        let samples = [
            sample(1, OURS, 600.0),
            sample(1, "nginx", 400.0),
            sample(1, "haproxy", 500.0),
            sample(2, OURS, 300.0),
            sample(2, "nginx", 200.0),
            sample(2, "haproxy", 250.0),
        ];
        let rows = rows(&samples);
        assert_eq!((rows.len(), rows[0].contestants.len()), (1, 3));
        assert_eq!(rows[0].ratio, Some(Spread { median: 1.2, least: 1.2, most: 1.2 }));
    }

    #[test]
    fn less_memory_is_better() {
        let all = Measure::all();
        let measure = all.iter().find(|one| one.name() == "idle").expect("it is measured");
        let sample = |name, kib| {
            let figures = [("kib_per_connection".to_owned(), kib)].into();
            Sample::new(1, 1, name, measure, figures)
        };
        let rows = rows(&[sample(OURS, 10.0), sample("nginx", 20.0), sample("stunnel", 90.0)]);
        assert_eq!(rows[0].ratio.map(|ratio| ratio.median), Some(2.0));
    }
}
