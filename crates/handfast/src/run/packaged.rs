//! What a package of the system carries beside the binary: units, the user, completions, manual pages; each
//! from the same text or definitions as without a package, at the places that belong to packages.
//!
//! Invariant: nothing here runs or starts anything, and every path is below the given folder.

use std::fs;
use std::io;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use clap_complete::Shell;

use super::output::Output;
use super::unit::{SOCKET, SYSUSERS, Unit};
use super::{client_unit, reference};
use crate::args::place::SYSTEM_FOLDER;

pub(crate) fn write(out: &Path) -> Result<Output, Failure> {
    let binary = Path::new(BINARY);
    let unit = Unit { name: "handfast", binary, data: Path::new(SYSTEM_FOLDER), arguments: &[] };
    let files = [
        (GATEWAY_UNIT, unit.text().map_err(bad_path)?),
        (SOCKET_UNIT, SOCKET.to_owned()),
        (CLIENT_UNIT, client_unit::text(binary).map_err(bad_path)?),
        (USER, SYSUSERS.to_owned()),
        (BASH, reference::script(Shell::Bash)),
        (ZSH, reference::script(Shell::Zsh)),
        (FISH, reference::script(Shell::Fish)),
    ];
    for (path, text) in &files {
        write_file(&out.join(path), text).map_err(|error| no_write(&out.join(path), &error))?;
    }
    reference::manual(&out.join(MANUAL))?;
    Ok(Output::done(format!("what a package carries is in {}\n", out.display())))
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, text)
}

fn bad_path(path: String) -> Failure {
    Failure::new(FailureKind::Failed, format!("{path:?} can't stand in a systemd unit"))
}

fn no_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(FailureKind::Failed, format!("{} can't be written", path.display()))
        .caused_by(error)
        .hint("name another folder with --out")
}

const BINARY: &str = "/usr/bin/handfast";
const GATEWAY_UNIT: &str = "usr/lib/systemd/system/handfast.service";
const SOCKET_UNIT: &str = "usr/lib/systemd/system/handfast.socket";
const CLIENT_UNIT: &str = "usr/lib/systemd/system/handfast-connect@.service";
const USER: &str = "usr/lib/sysusers.d/handfast.conf";
const BASH: &str = "usr/share/bash-completion/completions/handfast";
const ZSH: &str = "usr/share/zsh/vendor-completions/_handfast";
const FISH: &str = "usr/share/fish/vendor_completions.d/handfast.fish";
const MANUAL: &str = "usr/share/man/man1";
