//! `cargo xtask bench control`: what a control plane costs, ours beside openvpn's.
//!
//! The same clients (`handfast bench`) connect to both servers, in network namespaces that go with
//! the run: CPU of the server for each handshake, memory for each idle session, and storms of
//! connects with an established flow beside them. It prints, writes JSON and a Markdown table, and
//! never fails on a figure.

mod cost;
mod figures;
mod keys;
mod machine;
mod memory;
mod ours;
mod process;
mod report;
mod stock;
mod storm;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use machine::Machine;
use report::Report;

#[derive(Parser)]
#[command(
    about = "The control plane beside openvpn's: CPU for a handshake, memory for a session, storms"
)]
struct Typed {
    /// Rounds of the CPU measurements
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Sessions of the memory measurements and of the storms
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000")]
    idle: Vec<usize>,
    /// Sessions of the storms
    #[arg(long, value_delimiter = ',', default_value = "1000,5000,10000")]
    storms: Vec<usize>,
    /// Only these parts
    #[arg(long, value_delimiter = ',', default_value = "cost,memory,storm")]
    only: Vec<String>,
    /// Where `control.json` and `control.md` go
    #[arg(long, default_value = "docs/performance")]
    out: PathBuf,
    /// The `handfast` program [default: the release build beside this one]
    #[arg(long)]
    handfast: Option<PathBuf>,
}

fn main() -> ExitCode {
    match bench(&Typed::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("control-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(typed: &Typed) -> Result<(), Box<dyn Error>> {
    let handfast = match &typed.handfast {
        Some(handfast) => handfast.clone(),
        None => release_build()?,
    };
    let mut machine = Machine::new(&handfast)?;
    let mut report = Report::of_this_machine();
    let wanted = |part: &str| typed.only.iter().any(|only| only == part);
    if wanted("cost") {
        report.cost = cost::measure(&mut machine, typed.rounds)?;
    }
    if wanted("memory") {
        report.memory = memory::measure(&mut machine, &typed.idle)?;
    }
    if wanted("storm") {
        report.storms = storm::measure(&mut machine, &typed.storms)?;
    }
    println!("{}", report.markdown());
    report.write(&typed.out)?;
    Ok(())
}

/// `target/release/handfast`, seen from this program in `target/debug` or `target/release`.
fn release_build() -> Result<PathBuf, Box<dyn Error>> {
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent).ok_or("this program has no folder")?;
    Ok(target.join("release/handfast"))
}
