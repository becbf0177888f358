//! What this machine has and lets us do, looked at before anything is built.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use rustix::process::{Pid, Signal, kill_process};

use super::stop::Stop;
use super::tell::Teller;

/// What the demo can use.
#[derive(Debug)]
pub(super) struct Machine {
    /// The stock client.
    pub(super) openvpn: Option<PathBuf>,
    /// What the gateway sets NAT up with.
    pub(super) nft: Option<PathBuf>,
    /// The packages that it installed, which stay.
    pub(super) installed: Vec<&'static str>,
    root: bool,
}

impl Machine {
    /// Looks at the TUN device, and moves into a user namespace where that is needed to make
    /// networks. To be called before any thread is started.
    pub(super) fn enter() -> Result<Self, Failure> {
        look_at_tun()?;
        let root = rustix::process::geteuid().is_root();
        if !has_capabilities() {
            sysio::enter_user_namespace().map_err(|error| no_namespaces(&error))?;
        }
        Ok(Self { openvpn: None, nft: None, installed: Vec::new(), root })
    }

    /// Finds the programs, and installs what is missing where that is possible and allowed.
    pub(super) fn complete(
        &mut self,
        install: bool,
        stop: &Stop,
        teller: &Teller,
    ) -> Result<(), Failure> {
        let missing = missing();
        if !missing.is_empty() {
            self.install(install, &missing, stop, teller);
            stop.check()?;
        }
        self.openvpn = find("openvpn");
        self.nft = find("nft");
        Ok(())
    }

    fn install(&mut self, allowed: bool, packages: &[&'static str], stop: &Stop, teller: &Teller) {
        let line = format!("apt-get install {}", packages.join(" "));
        match find("apt-get").filter(|_| self.root && allowed) {
            Some(apt) => {
                let line = format!("  installing: {line} (--no-install forbids it)");
                teller.plain(&line);
                match apt_get(&apt, packages, stop) {
                    Ok(()) => self.installed.extend(packages),
                    Err(_) if stop.is_asked() => {}
                    Err(said) => teller.plain(&format!("  that failed: {said}")),
                }
            }
            None if self.root => teller.plain(&format!("  for all of the demo: {line}")),
            None => teller.plain(&format!("  for all of the demo: sudo {line}")),
        }
    }
}

/// Everything stands and falls with it, so it comes first.
fn look_at_tun() -> Result<(), Failure> {
    let Err(error) = File::options().read(true).write(true).open(TUN) else { return Ok(()) };
    let failure = Failure::new(FailureKind::NoTun, format!("{TUN} can't be opened"));
    let failure = failure.caused_by(&error);
    Err(match error.kind() {
        io::ErrorKind::NotFound => failure
            .hint("load the driver: `sudo modprobe tun`")
            .hint("in a container, start it with --device /dev/net/tun --cap-add NET_ADMIN"),
        io::ErrorKind::PermissionDenied => failure
            .hint("run it as root, or let everybody open the device: `sudo chmod 666 /dev/net/tun`")
            .hint("it then still takes CAP_NET_ADMIN to make an interface in an existing network"),
        _ => failure.hint("load the driver: `sudo modprobe tun`"),
    })
}

/// CAP_NET_ADMIN and CAP_SYS_ADMIN in the effective set: what namespaces take.
fn has_capabilities() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective(&status).is_some_and(|set| set & NEEDED == NEEDED)
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn no_namespaces(error: &sysio::UserNamespaceError) -> Failure {
    Failure::new(FailureKind::Environment, "throw-away networks can't be made here")
        .caused_by(error)
        .hint("run it as root: `sudo handfast demo`")
        .hint("in a container, start it with --privileged, or --cap-add SYS_ADMIN --cap-add NET_ADMIN")
}

fn missing() -> Vec<&'static str> {
    let absent = PACKAGES.iter().filter(|(program, _)| find(program).is_none());
    absent.map(|(_, package)| *package).collect()
}

/// A program's place. Ordinary users often have no sbin in their search path.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|dir| dir.join(program)).find(|p| p.is_file())
}

/// Installs; where that fails, the lists may be missing or old.
fn apt_get(apt: &Path, packages: &[&str], stop: &Stop) -> Result<(), String> {
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    run_apt(apt, &install, stop).or_else(|_| {
        run_apt(apt, &["update"], stop)?;
        run_apt(apt, &install, stop)
    })
}

fn run_apt(apt: &Path, arguments: &[&str], stop: &Stop) -> Result<(), String> {
    let words = |error: io::Error| error.to_string();
    let mut command = Command::new(apt);
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.process_group(0);
    let mut child = command.spawn().map_err(words)?;
    let mut errors = child.stderr.take().ok_or("it has no error output")?;
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        errors.read_to_end(&mut said).map(|_| said)
    });
    if stop.wait_for(LONG, || Ok(child.try_wait().ok().flatten())).is_err() {
        // It ends at once while it fetches, and after the package while it unpacks one.
        let _ = kill_process(Pid::from_child(&child), Signal::INT);
    }
    let status = child.wait().map_err(words)?;
    if status.success() {
        return Ok(());
    }
    let said = reader.join().ok().and_then(Result::ok).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    Err(said.lines().last().unwrap_or("no reason given").to_owned())
}

const TUN: &str = "/dev/net/tun";
/// Programs and the Debian packages that bring them. Pings are our own, for their exact times.
const PACKAGES: [(&str, &str); 2] = [("openvpn", "openvpn"), ("nft", "nftables")];
/// Slow mirrors are still mirrors.
const LONG: Duration = Duration::from_secs(600);
/// CAP_NET_ADMIN is 12, CAP_SYS_ADMIN 21.
const NEEDED: u64 = 1 << 12 | 1 << 21;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_kernels_words() {
        let of = |set: &str| effective(&format!("Name:\tx\nCapEff:\t{set}\nCapBnd:\t0\n"));
        assert_eq!(of("0000000000201000").unwrap() & NEEDED, NEEDED);
        assert_ne!(of("0000000000001000").unwrap() & NEEDED, NEEDED);
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
