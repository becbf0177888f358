//! Profiles as typed: whose, for which systems, and where to.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Profile {
    /// Devices; USER alone means USER/default. "-" reads them from stdin, a line each, or a listing with --columns name
    /// or --json
    #[arg(value_name = "USER[/DEVICE]", required_unless_present = "from")]
    pub(crate) devices: Vec<String>,
    /// Make a new key and certificate; the former is revoked once the new one has connected
    #[arg(long)]
    pub(crate) renew: bool,
    /// Take key and certificate from a profile that somebody still has; the settings are those of today
    #[arg(long, value_name = "OLD.ovpn", conflicts_with_all = ["devices", "renew"])]
    pub(crate) from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Debug, Args)]
pub(crate) struct Files {
    /// Where to write to; "-" prints the one profile for one system
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// For which systems
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    pub(crate) os: Vec<Os>,
    /// One file with everything in it, or a common file with vpn.crt and vpn.key beside it
    #[arg(long, value_enum, default_value_t = FormWord::Unified)]
    pub(crate) form: FormWord,
    /// Put the key under a passphrase, which is typed, or a line of standard input
    #[arg(long)]
    pub(crate) passphrase: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Os {
    Linux,
    Windows,
    Macos,
    Android,
    Ios,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormWord {
    Unified,
    Split,
}
