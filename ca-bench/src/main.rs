//! `cargo xtask bench ca`: what a CA's answers cost, ours beside `openssl ocsp` and cfssl's `ocspserve`; what the
//! signature alone costs; and a CRL of many revocations.
//!
//! All servers answer about the same certificates of the same CA, over the loopback, to the same askers, one after
//! the other. It prints, writes JSON and a Markdown table, and never fails on a figure.

mod askers;
mod house;
mod list;
mod manner;
mod report;
mod servers;
mod signatures;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pki::KeyType;

use askers::Askers;
use house::House;
use manner::Manner;
use report::{Answers, Report};
use servers::Server;

#[derive(Parser)]
#[command(about = "A CA's answers beside openssl's and cfssl's, and a CRL of many revocations")]
struct Typed {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Askers at once
    #[arg(long, default_value_t = 4)]
    askers: usize,
    /// Certificates that are asked about
    #[arg(long, default_value_t = 1_000)]
    certificates: usize,
    /// Revocations on the CRL
    #[arg(long, default_value_t = 100_000)]
    revoked: usize,
    /// Where `ca.json` and `ca.md` go
    #[arg(long, default_value = "docs/performance")]
    out: PathBuf,
    /// Be the server of this folder; for the benchmark itself
    #[arg(long, hide = true)]
    serve: Option<PathBuf>,
}

fn main() -> ExitCode {
    let typed = Typed::parse();
    let done = match &typed.serve {
        Some(folder) => servers::serve(folder),
        None => bench(&typed),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ca-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(typed: &Typed) -> Result<(), Box<dyn Error>> {
    let mut report = Report::of_this_machine();
    for key in [KeyType::P256, KeyType::Rsa2048] {
        report.signatures.push(signatures::measure(key, Duration::from_secs(typed.seconds))?);
        let house = House::build(key, typed.certificates)?;
        answers(typed, &house, &mut report)?;
    }
    report.list = Some(list::measure(typed.revoked)?);
    println!("{}", report.markdown());
    report.write(&typed.out)
}

/// Each server in each manner that it has.
fn answers(typed: &Typed, house: &House, report: &mut Report) -> Result<(), Box<dyn Error>> {
    for start in [Server::ours, Server::openssl, Server::cfssl] {
        let Some(server) = start(house)? else { continue };
        for manner in Manner::ALL {
            if !server.has(manner) {
                continue;
            }
            let askers = Askers { house, server: &server, manner, count: typed.askers };
            askers.ask(Duration::from_secs(1))?;
            let before = server.cpu()?;
            let asked = askers.ask(Duration::from_secs(typed.seconds))?;
            let cpu = server.cpu()? - before;
            report.answers.push(Answers::new(house.key, &server, manner, &asked, cpu));
        }
    }
    Ok(())
}
