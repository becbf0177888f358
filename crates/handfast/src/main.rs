//! `handfast`: arguments, wording and exit codes. What the commands do lives in `gateway` and
//! `client`.
//!
//! Invariant: whatever fails, the last thing printed says what happened, why, and what to do, and
//! the exit code is the failure's kind.

use std::io::{self, Write as _};
use std::process::ExitCode;

use admin::failure::{Failure, FailureKind};
use clap::Parser as _;

mod args;
mod complaint;
mod run;
mod show;

fn main() -> ExitCode {
    let typed = match args::typed::Typed::try_parse() {
        Ok(typed) => typed,
        Err(error) => return mistyped(&error),
    };
    let json = typed.json;
    let done = args::order::Order::understand(typed, &args::place::Place::of_this_process())
        .and_then(run::run);
    match done.and_then(|output| print(&output)) {
        Ok(exit_code) => exit_code,
        Err(failure) => fail(&failure, json),
    }
}

/// Help is no failure, and people get clap's own words, in colour.
fn mistyped(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || !asks_for_json() {
        error.exit();
    }
    fail(&complaint::of_usage(&error.render().to_string()), true)
}

/// What was typed could not be understood, so its words themselves are looked at.
fn asks_for_json() -> bool {
    std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json")
}

/// Prints what a command gave. A reader that went away, `head` for one, is no failure.
fn print(output: &run::Output) -> Result<ExitCode, Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(output.text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unprinted(&error)),
        _ => Ok(ExitCode::from(output.exit_code)),
    }
}

fn unprinted(error: &io::Error) -> Failure {
    Failure::new(FailureKind::Failed, "the answer could not be written to standard output")
        .caused_by(error)
        .hint("what was asked is done all the same; make room, or print it elsewhere")
}

fn fail(failure: &Failure, json: bool) -> ExitCode {
    let text = if json { complaint::json(failure) } else { complaint::text(failure, &called()) };
    let _ = io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(failure.kind.exit_code())
}

/// How this program was called: by its name, or by a path where the name alone does not find it.
fn called() -> String {
    let first = std::env::args_os().next();
    first.map_or_else(|| "handfast".to_owned(), |name| name.to_string_lossy().into_owned())
}
