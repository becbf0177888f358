//! Runs a program as a step: says what it runs before it runs it.

use std::path::PathBuf;
use std::process::Command;

use crate::failed::Failed;

pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), Failed> {
    run_with(program, arguments, &[])
}

/// The same with more in its environment.
pub(crate) fn run_with(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, String)],
) -> Result<(), Failed> {
    let line = format!("{program} {}", arguments.join(" "));
    println!("==> {line}");
    let status = with_sbin(Command::new(program))
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
        .status()
        .map_err(|e| Failed::new(format!("`{program}` did not start: {e}")))?;
    if status.success() { Ok(()) } else { Err(Failed::new(format!("`{line}`: {status}"))) }
}

/// Lets a program find what Debian keeps in sbin, which ordinary users don't have in their search path.
pub(crate) fn with_sbin(mut command: Command) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let whole = std::env::join_paths(std::env::split_paths(&path).chain(sbin));
    // A path that can't be joined came with an odd character from outside, and stays as it is.
    command.env("PATH", whole.unwrap_or(path));
    command
}
