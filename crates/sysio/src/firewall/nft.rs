//! Running `nft`.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Why the rules are not in place.
#[derive(Debug)]
pub enum FirewallError {
    /// There is no `nft` program.
    NotInstalled,
    /// This process may not change firewall rules.
    Denied,
    /// There is no such table.
    NoSuchTable,
    /// `nft` refused; what it said.
    Refused(String),
    /// `nft` wrote something that is not its documented JSON.
    Output(serde_json::Error),
    /// `nft` could not be run.
    Io(io::Error),
}

impl Display for FirewallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str(
                "the program `nft` is not installed: install the package nftables, or turn NAT \
                 off and route the tunnel's addresses to this machine",
            ),
            Self::Denied => f.write_str(
                "this process may not change firewall rules: run as root or with CAP_NET_ADMIN",
            ),
            Self::NoSuchTable => f.write_str("there is no such firewall table"),
            Self::Refused(said) => write!(f, "nft refused the rules: {said}"),
            Self::Output(_) => f.write_str("nft answered with something that is not its JSON"),
            Self::Io(_) => f.write_str("nft could not be run"),
        }
    }
}

impl std::error::Error for FirewallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Output(source) => Some(source),
            Self::Io(source) => Some(source),
            _ => None,
        }
    }
}

/// Runs `nft -j` with these arguments and this input, and returns its output.
pub(super) fn nft(arguments: &[&str], input: &str) -> Result<String, FirewallError> {
    for program in PLACES {
        match run(program, arguments, input) {
            Err(FirewallError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
    }
    Err(FirewallError::NotInstalled)
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, FirewallError> {
    let mut command = Command::new(program);
    command.arg("-j").args(arguments).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(FirewallError::Io)?;
    // A program that ended early says why on its error output; a broken pipe adds nothing.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(FirewallError::Io)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Operation not permitted") {
        return Err(FirewallError::Denied);
    }
    if arguments.first() == Some(&"list") && said.contains("No such file or directory") {
        return Err(FirewallError::NoSuchTable);
    }
    Err(FirewallError::Refused(said.lines().next().unwrap_or("no reason given").to_owned()))
}

/// Ordinary users and services often have no sbin in their search path.
const PLACES: [&str; 3] = ["nft", "/usr/sbin/nft", "/sbin/nft"];
