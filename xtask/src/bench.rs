//! `cargo xtask bench`: builds what is compared, provides the peers, and starts the benchmark.
//!
//! Peers that are newer than the machine's own come from Debian sid.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::command::run;
use crate::debian::SID;
use crate::failed::Failed;
use crate::{peers, workspace};

/// What can be typed behind `bench vpn`.
#[derive(Args)]
pub(crate) struct Vpn {
    /// Interleaved rounds of the headline's TCP (9)
    #[arg(long)]
    rounds: Option<u32>,
    /// Rounds of everything else, which takes long (3)
    #[arg(long)]
    other_rounds: Option<u32>,
    /// Seconds of each TCP measurement (3)
    #[arg(long)]
    seconds: Option<u32>,
    /// Only these contestants or groups, separated by commas; an unknown name prints the list
    #[arg(long)]
    only: Option<String>,
    /// Only measurements whose names begin so, separated by commas: tcp, tcp-1, udp, ping
    #[arg(long)]
    measure: Option<String>,
    /// Only this kind of link: plain or nic
    #[arg(long)]
    mode: Option<String>,
    /// Where the report goes; docs/performance for a whole run, else the build folder
    #[arg(long)]
    out: Option<PathBuf>,
    /// Do not install missing peers; what needs them is skipped by name
    #[arg(long)]
    no_install: bool,
}

/// Builds the product and runs `control-bench` beside it.
pub(crate) fn control(arguments: &[String]) -> Result<(), Failed> {
    peers::provide(true)?;
    run("cargo", &["build", "--release", "--quiet", "--package", "handfast"])?;
    let mut all = vec!["run", "--quiet", "--package", "control-bench", "--"];
    all.extend(arguments.iter().map(String::as_str));
    run("cargo", &all)
}

/// Builds `ca-bench` in release and runs it.
pub(crate) fn ca(arguments: &[String]) -> Result<(), Failed> {
    peers::provide_for_ca()?;
    let mut all = vec!["run", "--release", "--quiet", "--package", "ca-bench", "--"];
    all.extend(arguments.iter().map(String::as_str));
    run("cargo", &all)
}

/// What can be typed behind `bench tls`.
#[derive(Args)]
pub(crate) struct Tls {
    /// Write the report into docs/performance, instead of the build folder
    #[arg(long)]
    write: bool,
    /// This handfast, instead of one that is built now
    #[arg(long)]
    handfast: Option<PathBuf>,
    /// For the benchmark itself, after `--`; `-- --help` lists them
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds `tls-bench` in release and runs it in a network of its own, on the second of two processors; the first one
/// is the servers'.
pub(crate) fn tls(typed: &Tls) -> Result<(), Failed> {
    peers::provide_for_tls()?;
    run("cargo", &["build", "--release", "--quiet", "--package", "tls-bench"])?;
    let release = workspace::target_folder()?.join("release");
    let text = |path: PathBuf| path.display().to_string();
    let handfast = match &typed.handfast {
        Some(path) => text(path.clone()),
        None => {
            run("cargo", &["build", "--release", "--quiet", "--package", "handfast"])?;
            text(release.join("handfast"))
        }
    };
    let out = match typed.write {
        true => "docs/performance".to_owned(),
        false => text(workspace::target_folder()?.join("bench-tls")),
    };
    let program = text(release.join("tls-bench"));
    let script = "ip link set lo up && exec taskset --cpu-list 1 \"$0\" \"$@\"";
    let mut all =
        vec!["--net", "sh", "-c", script, &program, "--handfast", &handfast, "--out", &out];
    all.extend(typed.arguments.iter().map(String::as_str));
    run("unshare", &all)
}

/// Builds everything in release and runs the benchmark.
pub(crate) fn vpn(typed: &Vpn) -> Result<(), Failed> {
    peers::provide_for_bench(!typed.no_install)?;
    let packages = ["--package", "handfast", "--package", "vpn-bench"];
    run("cargo", &[&["build", "--release", "--quiet"][..], &packages].concat())?;
    let target = workspace::target_folder()?;
    let text = |path: PathBuf| path.display().to_string();
    let mut arguments = vec!["--handfast".to_owned(), text(target.join("release/handfast"))];
    if let Some(root) = SID.provide(!typed.no_install)? {
        arguments.extend(["--sid".to_owned(), text(root)]);
    }
    arguments.extend(["--out".to_owned(), text(typed.report_folder(&target))]);
    arguments.extend(typed.passed_on());
    let program = text(target.join("release/vpn-bench"));
    run(&program, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

impl Vpn {
    fn passed_on(&self) -> Vec<String> {
        let number = |n: Option<u32>| n.map(|n| n.to_string());
        let options = [
            ("--rounds", number(self.rounds)),
            ("--other-rounds", number(self.other_rounds)),
            ("--seconds", number(self.seconds)),
            ("--only", self.only.clone()),
            ("--measure", self.measure.clone()),
            ("--mode", self.mode.clone()),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
        given.flatten().collect()
    }

    /// A part of a run must not replace the published figures of a whole one.
    fn report_folder(&self, target: &Path) -> PathBuf {
        let whole = self.passed_on().is_empty();
        let usual = if whole { "docs/performance".into() } else { target.join("bench-vpn") };
        self.out.clone().unwrap_or(usual)
    }
}
