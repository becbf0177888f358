//! The programs that tests talk to, and how a Debian machine gets them.

use std::path::PathBuf;
use std::process::Command;

use crate::command::run;
use crate::failed::Failed;

/// Program looked for, Debian package, what it is for.
const PEERS: &[(&str, &str, &str)] = &[
    ("openvpn", "openvpn", "the stock client and server"),
    ("nft", "nftables", "NAT and forwarding rules"),
    ("ip", "iproute2", "looking at namespaces"),
    ("ping", "iputils-ping", "pings through the tunnel"),
    ("openssl", "openssl", "an independent reader of certificates and CRLs"),
    ("sysctl", "procps", "kernel settings in the documents' examples"),
    ("faketime", "faketime", "peers whose clock is wrong"),
    ("strace", "strace", "power cuts: what reached the disk and in which order"),
    ("iperf3", "iperf3", "throughput"),
];

/// What only the benchmark needs.
const BENCH_PEERS: &[(&str, &str, &str)] = &[
    ("ethtool", "ethtool", "links that treat packets as network cards do"),
    ("debootstrap", "debootstrap", "current openvpn and wireguard-go from Debian sid"),
];

/// Makes the peers available. What cannot be had is printed, and its tests skip themselves by name.
pub(crate) fn provide(install: bool) -> Result<(), Failed> {
    provide_all(PEERS, install)
}

/// The same for the benchmark.
pub(crate) fn provide_for_bench(install: bool) -> Result<(), Failed> {
    provide_all(&[PEERS, BENCH_PEERS].concat(), install)
}

fn provide_all(peers: &[(&str, &str, &str)], install: bool) -> Result<(), Failed> {
    let missing: Vec<_> = peers.iter().filter(|(program, ..)| !on_path(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
    let by_hand = format!("apt-get install -y {}", packages.join(" "));
    if !install || !is_root() || !on_path("apt-get") {
        for (program, package, purpose) in missing {
            println!("missing: {program} (package {package}): {purpose}");
        }
        println!("to have them: {by_hand}   (as root)");
        return Ok(());
    }
    println!("installing what the tests talk to: {}", packages.join(" "));
    run("apt-get", &["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    run("apt-get", &arguments)
}

/// The linter of certificates and CRLs, from PyPI into the build folder. `None` where it can't be had:
/// its test then skips itself by name.
pub(crate) fn pkilint(install: bool) -> Option<PathBuf> {
    let folder = PathBuf::from("target/pkilint");
    let programs = folder.join("bin");
    if programs.join("lint_pkix_cert").exists() {
        return programs.canonicalize().ok();
    }
    if !install || !on_path("python3") {
        return None;
    }
    println!("installing what lints certificates: pkilint");
    let venv = Command::new("python3").args(["-m", "venv"]).arg(&folder).status();
    let done =
        |status: std::io::Result<std::process::ExitStatus>| status.is_ok_and(|s| s.success());
    if !done(venv) {
        println!("missing: a Python with venv (package python3-venv): certificates are not linted");
        return None;
    }
    let pip = Command::new(programs.join("pip")).args(["install", "--quiet", "pkilint"]).status();
    if !done(pip) {
        println!("missing: pkilint (PyPI): certificates are not linted");
        return None;
    }
    programs.canonicalize().ok()
}

/// Is there a program of this name?
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// Does this process run as root?
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"))
}
