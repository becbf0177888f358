//! `cargo xtask bench tls`: the TLS door beside nginx, haproxy and stunnel, in one interleaved run.
//!
//! Every server has one processor to itself; the load and the services behind the servers have another. All speak
//! the same suites over the same group with certificates of one CA, to a generator that looks at no signature and so
//! does less than they. It prints, writes JSON, a Markdown table and a plot, and never fails on a figure.

mod backend;
mod contestants;
mod cpu;
mod failed;
mod house;
mod load;
mod measures;
mod plot;
mod report;
mod sample;
mod statistics;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use contestants::{ALL, Server};
use failed::Failed;
use house::House;
use measures::{Measure, Terms};
use report::Report;
use sample::Sample;

#[derive(Parser)]
#[command(about = "The TLS door beside nginx, haproxy and stunnel")]
struct Typed {
    /// The handfast that is measured
    #[arg(long, default_value = "target/release/handfast")]
    handfast: PathBuf,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Interleaved rounds
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Connections that are open at once where memory is measured
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Virtual servers where many are measured
    #[arg(long, default_value_t = 1_000)]
    servers: usize,
    /// Only measurements whose names begin so, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these contestants, separated by commas
    #[arg(long, value_delimiter = ',')]
    among: Vec<String>,
    /// Where `tls.json`, `tls.md` and `tls.svg` go
    #[arg(long, default_value = "target/bench-tls")]
    out: PathBuf,
    /// One more run beside those that are there; without it they are replaced
    #[arg(long)]
    add: bool,
    /// Be the services behind the servers, at these two ports; for the benchmark itself
    #[arg(long, hide = true, num_args = 2)]
    serve: Option<Vec<u16>>,
}

fn main() -> ExitCode {
    let typed = Typed::parse();
    let done = match typed.serve.as_deref() {
        Some([http, bulk]) => backend::serve(*http, *bulk),
        _ => bench(&typed),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("tls-bench: {failed}");
            ExitCode::FAILURE
        }
    }
}

fn bench(typed: &Typed) -> Result<(), Failed> {
    load::raise_descriptors()?;
    let mut report = Report::begin(&typed.out, typed.add, &typed.handfast)?;
    let house = House::build(&typed.handfast, typed.servers)?;
    let measures = Measure::all().into_iter().filter(|measure| typed.wants(measure));
    let (many, usual): (Vec<_>, Vec<_>) = measures.partition(Measure::has_many_servers);
    typed.measure(&house, 0, &usual, &mut report)?;
    typed.measure(&house, typed.servers, &many, &mut report)?;
    report.write(&typed.out)
}

impl Typed {
    fn wants(&self, measure: &Measure) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| measure.name().starts_with(only))
    }

    /// All contestants side by side, of which one works at a time.
    fn measure(
        &self,
        house: &House,
        servers: usize,
        measures: &[Measure],
        report: &mut Report,
    ) -> Result<(), Failed> {
        if measures.is_empty() {
            return Ok(());
        }
        let mut running = Vec::new();
        let asked = |name: &str| self.among.is_empty() || self.among.iter().any(|one| one == name);
        for contestant in ALL.iter().filter(|one| asked(one.name)) {
            match Server::start(contestant, house, servers) {
                Ok(server) => running.push(server),
                Err(failed) => report.skip(contestant.name, &failed),
            }
        }
        let terms =
            Terms { seconds: Duration::from_secs_f64(self.seconds), idle: self.idle, servers };
        for round in 1..=self.rounds {
            for measure in measures.iter().filter(|one| round == 1 || one.is_repeated()) {
                // Nobody is always the first.
                running.rotate_left(1);
                for server in running.iter_mut().filter(|server| measure.suits(server)) {
                    let sample =
                        |figures| Sample::new(report.run(), round, server.name(), measure, figures);
                    match measure.take(house, server, &terms) {
                        Ok(figures) => report.add(sample(figures)),
                        Err(failed) => report.fail(server.name(), measure, &failed),
                    }
                }
            }
        }
        Ok(())
    }
}
