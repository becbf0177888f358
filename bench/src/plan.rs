//! Who is measured how, in which round.

use crate::args::Args;
use crate::contestants::{Contestant, Group, LIST};
use crate::error::BenchError;
use crate::measure::{ALL, Measure};
use crate::topology::Mode;

/// What a command line comes to.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Rounds of the headline's TCP.
    pub(crate) rounds: u32,
    /// Rounds of everything else.
    other_rounds: u32,
    /// The links, in this order in each round.
    pub(crate) modes: Vec<Mode>,
    contestants: Vec<&'static Contestant>,
    measures: Vec<Measure>,
    /// Whether the modes were chosen by hand.
    every_mode: bool,
}

impl Plan {
    /// Understands the command line.
    pub(crate) fn new(args: &Args) -> Result<Self, BenchError> {
        for typed in &args.only {
            if !LIST.iter().any(|contestant| is_named(contestant, typed)) {
                return Err(BenchError::Unknown { typed: typed.clone(), known: names() });
            }
        }
        let wanted = |contestant: &&Contestant| {
            args.only.is_empty() || args.only.iter().any(|typed| is_named(contestant, typed))
        };
        let begins = |measure: &Measure| {
            let name = measure.name();
            args.measure.is_empty() || args.measure.iter().any(|typed| name.starts_with(typed))
        };
        let measures: Vec<_> = ALL.iter().copied().filter(begins).collect();
        if measures.is_empty() {
            let what = format!("no measurement begins with {}", args.measure.join(" or "));
            return Err(BenchError::Setting(what));
        }
        let all = vec![Mode::Plain, Mode::Nic];
        Ok(Self {
            rounds: args.rounds,
            other_rounds: args.other_rounds,
            modes: if args.mode.is_empty() { all } else { args.mode.clone() },
            contestants: LIST.iter().filter(wanted).collect(),
            measures,
            every_mode: !args.mode.is_empty(),
        })
    }

    /// The contestants of a round: each round begins with another.
    pub(crate) fn order(&self, round: u32) -> Vec<&'static Contestant> {
        let mut order = self.contestants.clone();
        let by = (round as usize).saturating_sub(1) % order.len().max(1);
        order.rotate_left(by);
        order
    }

    /// What is measured of a contestant in a round.
    pub(crate) fn measures(&self, contestant: &Contestant, mode: Mode, round: u32) -> Vec<Measure> {
        let due = |measure: &Measure| self.is_due(contestant.group, *measure, mode, round);
        self.measures.iter().copied().filter(due).collect()
    }

    fn is_due(&self, group: Group, measure: Measure, mode: Mode, round: u32) -> bool {
        let few = round <= self.other_rounds;
        match (group, measure) {
            (Group::Headline, Measure::Tcp { .. }) => true,
            // How the cable treats super-packets matters little to these, and they take long.
            (Group::Headline, _) => few && (mode == Mode::Plain || self.every_mode),
            (Group::Fallbacks, Measure::Tcp { streams, .. }) => few && streams == 1,
            (_, Measure::Tcp { .. }) => few,
            (_, Measure::Udp { .. } | Measure::Ping { .. }) => false,
        }
    }
}

fn is_named(contestant: &Contestant, typed: &str) -> bool {
    contestant.name == typed || contestant.group.name() == typed
}

fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = LIST.iter().map(|contestant| contestant.group.name()).collect();
    names.dedup();
    names.extend(LIST.iter().map(|contestant| contestant.name));
    names
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn plan(more: &[&str]) -> Result<Plan, BenchError> {
        let start = ["vpn-bench", "--handfast", "x", "--out", "x"];
        Plan::new(&Args::parse_from(start.iter().chain(more)))
    }

    #[test]
    fn every_round_begins_with_another_contestant() {
        let plan = plan(&["--only", "headline"]).unwrap();
        let first: Vec<_> = (1..=5).map(|round| plan.order(round)[0].name).collect();
        assert_eq!(first, ["raw", "openvpn", "wireguard-go", "handfast", "raw"]);
    }

    #[test]
    fn after_three_rounds_the_headline_goes_on_with_tcp_alone() {
        let plan = plan(&[]).unwrap();
        let counts = |round| -> Vec<usize> {
            LIST.iter().map(|c| plan.measures(c, Mode::Plain, round).len()).collect()
        };
        assert_eq!(counts(3)[..5], [10, 10, 10, 10, 4]);
        assert_eq!(counts(4)[..5], [4, 4, 4, 4, 0]);
        assert_eq!(plan.measures(&LIST[0], Mode::Nic, 1).len(), 4);
        let longer = self::plan(&["--other-rounds", "4"]).unwrap();
        assert_eq!(longer.measures(&LIST[0], Mode::Plain, 4).len(), 10);
    }

    #[test]
    fn a_name_that_nobody_has_is_refused_with_those_that_there_are() {
        let error = plan(&["--only", "handfats"]).unwrap_err().to_string();
        assert!(error.contains("`handfats`") && error.contains("fallbacks"), "{error}");
    }
}
