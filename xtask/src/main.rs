//! The project's own commands: `cargo xtask check | test | sim | interop | fuzz | bench | package | ci`.
//!
//! CI runs these and nothing else, so whatever passes here passes there. Each step says what it
//! runs before it runs it. Tests go on behind one that fails; any other step that fails ends the run.

mod arrows;
mod bench;
mod circles;
mod command;
mod debian;
mod examples;
mod explore;
mod failed;
mod jobs;
mod map;
mod micro;
mod package;
mod peers;
mod steps;
mod suite;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use steps::Interop;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Typed {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Formatting, lints, crate arrows, circles of files: quick enough for every save
    Check,
    /// Everything a change has to pass: unit tests, simulation, command line, store, interop
    Test {
        /// Do not install missing peers; what needs them is skipped by name
        #[arg(long)]
        no_install: bool,
    },
    /// Both protocol cores over a lossy network in virtual time
    Sim {
        /// How many seeds to run
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
        /// The first seed
        #[arg(long, default_value_t = 1)]
        first: u64,
    },
    /// The stock client and server beside ours, in network namespaces
    Interop {
        /// Only tests whose name contains this
        filter: Option<String>,
        /// Also the long runs (floods, 60-second renegotiations, big files), and OpenVPN 3 from another
        /// Debian, which is unpacked into the build folder the first time
        #[arg(long)]
        long: bool,
        /// Write what was measured into docs/operation.md, instead of holding it against what is there
        #[arg(long)]
        write: bool,
        /// Do not install missing peers
        #[arg(long)]
        no_install: bool,
    },
    /// Feeds the parsers: replays the corpus, or explores with --seconds
    Fuzz {
        /// Explore each target this long with libFuzzer instead of replaying the corpus
        #[arg(long)]
        seconds: Option<u64>,
        /// Only this target, with --seconds
        #[arg(requires = "seconds")]
        target: Option<String>,
    },
    /// Benchmarks: beside the peers, each in one interleaved run; and what our own code costs
    Bench {
        #[command(subcommand)]
        of: Bench,
    },
    /// A .deb, an .rpm and a tarball of the release build, with their sums and a list of what they are made of
    Package {
        /// Also install, upgrade and remove the .deb in a Debian 12 and a Debian 13 of its own (root)
        #[arg(long)]
        trial: bool,
    },
    /// What CI runs
    Ci,
}

#[derive(Subcommand)]
enum Bench {
    /// The data path beside openvpn and wireguard-go: throughput, datagrams, round trips, CPU
    Vpn(bench::Vpn),
    /// CPU for a handshake, memory for an idle session, storms of connects, beside openvpn
    Control {
        /// For the benchmark itself, after `--`; `-- --help` lists them
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// OCSP answers beside openssl's and cfssl's, and a CRL of many revocations
    Ca {
        /// For the benchmark itself, after `--`; `-- --help` lists them
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// The TLS door beside nginx, haproxy and stunnel: handshakes, bytes, requests, memory
    Tls(bench::Tls),
    /// Instructions of each part of the data path, beside the committed baseline
    Micro {
        /// Make this run's counts the baseline
        #[arg(long)]
        save: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Typed::parse().command {
        Command::Check => steps::check(),
        Command::Test { no_install } => steps::test(!no_install),
        Command::Sim { seeds, first } => steps::sim(seeds, first),
        Command::Interop { filter, long, write, no_install } => {
            steps::interop(Interop { filter: filter.as_deref(), long, write }, !no_install)
        }
        Command::Fuzz { seconds, target } => steps::fuzz(seconds, target.as_deref()),
        Command::Bench { of: Bench::Vpn(typed) } => bench::vpn(&typed),
        Command::Bench { of: Bench::Control { arguments } } => bench::control(&arguments),
        Command::Bench { of: Bench::Ca { arguments } } => bench::ca(&arguments),
        Command::Bench { of: Bench::Tls(typed) } => bench::tls(&typed),
        Command::Bench { of: Bench::Micro { save } } => micro::micro(save),
        Command::Package { trial } => package::package(trial),
        Command::Ci => steps::ci(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("xtask: {failed}");
            ExitCode::FAILURE
        }
    }
}
