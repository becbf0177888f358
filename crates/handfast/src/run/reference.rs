//! What other programs show of the command line: completions for shells, and manual pages. Both come from
//! the definitions that the command line itself is read by.

use std::fs;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use super::output::Output;
use crate::args::typed::Typed;

/// A script that makes a shell complete commands and options.
pub(crate) fn completions(shell: Shell) -> Output {
    Output::done(script(shell))
}

/// The same as text.
pub(super) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(), NAME, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes a page for each command, `handfast-device-list.1` and so on.
pub(crate) fn manual(out: &Path) -> Result<Output, Failure> {
    let written = fs::create_dir_all(out)
        .and_then(|()| clap_mangen::generate_to(visible(), out))
        .and_then(|()| Ok(fs::read_dir(out)?.count()));
    let pages = written.map_err(|error| {
        Failure::new(FailureKind::Failed, format!("{} can't be written to", out.display()))
            .caused_by(&error)
            .hint("name another folder with --out")
    })?;
    let text = format!("{pages} pages in {}; read one: man -l {0}/{NAME}.1\n", out.display());
    Ok(Output::done(text))
}

/// The command line without what only the program itself calls.
fn visible() -> Command {
    let whole = Typed::command();
    let commands = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let about = whole.get_about().cloned().unwrap_or_default();
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .args(whole.get_arguments().cloned())
        .subcommands(commands)
}

const NAME: &str = "handfast";
