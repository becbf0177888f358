//! The run: rounds, links, contestants, measurements, and the report of what came of it.

use std::time::Instant;

use crate::args::Args;
use crate::contestants::{Contestant, Tunnel, Workshop};
use crate::error::BenchError;
use crate::measure::{self, Bench, Figures, Measure};
use crate::plan::Plan;
use crate::report::{Report, Sample};
use crate::topology::{CubicAllowed, Mode, Topology};
use crate::{interrupt, machine, report};

/// Does everything. Whether each measurement that was tried also worked.
pub(crate) fn run(args: &Args) -> Result<bool, BenchError> {
    interrupt::listen();
    let plan = Plan::new(args)?;
    let workshop = Workshop::new(&args.handfast, args.sid.as_deref())?;
    let _allowed = CubicAllowed::ensure()?;
    let topologies = plan.modes.iter().map(|mode| Topology::new(*mode));
    let topologies = topologies.collect::<Result<Vec<_>, _>>()?;
    let mut run = Run {
        seconds: args.seconds,
        rounds: plan.rounds,
        workshop: &workshop,
        report: Report::new(machine::facts(&workshop), args.seconds),
        began: Instant::now(),
    };
    for round in 1..=plan.rounds {
        for topology in &topologies {
            for contestant in plan.order(round) {
                let due = plan.measures(contestant, topology.mode, round);
                run.contestant(contestant, topology, round, &due)?;
            }
        }
        // Whatever happens later, this much is there.
        run.report.rounds = round;
        report::write(&run.report, &args.out)?;
    }
    report::print(&run.report);
    println!("the report is in {}", args.out.display());
    Ok(run.report.failures.is_empty())
}

struct Run<'a> {
    seconds: u32,
    rounds: u32,
    workshop: &'a Workshop,
    report: Report,
    began: Instant,
}

impl Run<'_> {
    /// Sets one contestant up, measures what is due, and takes it down.
    fn contestant(
        &mut self,
        contestant: &Contestant,
        topology: &Topology,
        round: u32,
        due: &[Measure],
    ) -> Result<(), BenchError> {
        if due.is_empty() || self.report.is_skipped(contestant.name) {
            return Ok(());
        }
        let tunnel = match Tunnel::start(&contestant.ends, topology, self.workshop) {
            Ok(tunnel) => tunnel,
            Err(error) => {
                return self.failed(contestant.name, "start", topology.mode, round, error);
            }
        };
        if let Some(said) = tunnel.data_path() {
            self.report.data_paths.insert(contestant.name.to_owned(), said);
        }
        let idle = measure::idle(&tunnel)?;
        let log = self.workshop.file(contestant.name);
        let bench = Bench { topology, tunnel: &tunnel, idle, seconds: self.seconds, log };
        for measure in due {
            match self.measure(*measure, &bench, contestant) {
                Ok((figures, stolen, repeated)) => {
                    let sample = Sample {
                        round,
                        mode: topology.mode,
                        contestant: contestant.name.to_owned(),
                        measure: measure.name(),
                        stolen_percent: stolen * 100.0,
                        repeated,
                        idle_cores: idle,
                        figures,
                    };
                    self.say(&sample);
                    self.report.samples.push(sample);
                }
                Err(error) => {
                    self.failed(contestant.name, &measure.name(), topology.mode, round, error)?;
                }
            }
        }
        Ok(())
    }

    /// Measures once, and again as long as the hypervisor took too much away.
    fn measure(
        &mut self,
        measure: Measure,
        bench: &Bench<'_>,
        contestant: &Contestant,
    ) -> Result<(Figures, f64, u32), BenchError> {
        let mut repeated = 0;
        loop {
            let (figures, stolen) = measure.run(bench)?;
            if stolen <= MOST_STOLEN || repeated == MOST_REPEATED {
                return Ok((figures, stolen, repeated));
            }
            repeated += 1;
            let (name, percent) = (contestant.name, stolen * 100.0);
            println!("{name} {}: {percent:.1} % of the time was stolen; again", measure.name());
        }
    }

    /// Notes what did not work and lets the run go on, unless somebody interrupted it.
    fn failed(
        &mut self,
        name: &str,
        what: &str,
        mode: Mode,
        round: u32,
        error: BenchError,
    ) -> Result<(), BenchError> {
        interrupt::check()?;
        match error {
            BenchError::Interrupted => return Err(BenchError::Interrupted),
            BenchError::Unavailable(reason) => {
                println!("SKIP {name}: {reason}");
                self.report.skip(name, reason);
            }
            other => {
                let said = format!("{name} {what}, {}, round {round}: {other}", mode.title());
                println!("FAILED {said}");
                self.report.failures.push(said);
            }
        }
        Ok(())
    }

    fn say(&self, sample: &Sample) {
        let figures = sample.figures.iter().map(|(name, figure)| format!("{name}={figure:.3}"));
        println!(
            "[{:>5.0} s] round {}/{} {:5} {:24} {:14} {}",
            self.began.elapsed().as_secs_f64(),
            sample.round,
            self.rounds,
            sample.mode.name(),
            sample.contestant,
            sample.measure,
            figures.collect::<Vec<_>>().join(" ")
        );
    }
}

/// Of all processors' time; above it a measurement is done again.
const MOST_STOLEN: f64 = 0.05;
/// A machine that is always robbed gives the last attempt, marked by its share.
const MOST_REPEATED: u32 = 4;
