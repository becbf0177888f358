//! Runs a program as a step: says what it runs before it runs it.

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
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
        .status()
        .map_err(|e| Failed::new(format!("`{program}` did not start: {e}")))?;
    if status.success() { Ok(()) } else { Err(Failed::new(format!("`{line}`: {status}"))) }
}
