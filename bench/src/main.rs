//! The benchmark beside the peers: Handfast, openvpn and wireguard-go between the same two
//! namespaces, interleaved in one run. `cargo xtask bench vpn` builds and starts it.
//!
//! It measures and reports; no figure makes it fail. Whatever it starts dies with it, and the one
//! setting of the host that it changes is put back.

mod args;
mod contestants;
mod cpu;
mod error;
mod generator;
mod interrupt;
mod machine;
mod measure;
mod plan;
mod report;
mod run;
mod topology;

use std::process::ExitCode;

use clap::Parser;

use args::Args;

fn main() -> ExitCode {
    match run::run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        // A measurement that failed was said where it failed, and is in the report.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
