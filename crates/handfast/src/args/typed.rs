//! What was typed: the command line as clap reads it. Nothing is checked beyond its form.
//!
//! One file for each subject; a command's own words stand there, the list of commands stands here.

pub(crate) mod authority;
pub(crate) mod client;
pub(crate) mod devices;
pub(crate) mod explain;
pub(crate) mod gateway;
pub(crate) mod profiles;
pub(crate) mod sessions;
pub(crate) mod tls;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use self::authority::{Ca, Cert, Crl, Ocsp, Signer};
use self::client::{Bench, Connect, ConnectGuard, Demo};
use self::devices::{Device, User};
use self::explain::Explain;
use self::gateway::{Check, Config, Service, Status, Up};
use self::profiles::Profile;
use self::sessions::{Events, Kick, Sessions};
use self::tls::Tls;

/// A secure-access gateway: one certificate per device opens every door.
#[derive(Debug, Parser)]
#[command(name = "handfast", version, max_term_width = 80)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict, \
    5 forbidden, 6 no gateway runs,\n7 configuration, 8 no /dev/net/tun, 9 environment, 10 check \
    found something, 11 refused, 12 unreachable,\n13 data folder in use, 14 in force but not on the disk yet, 130 interrupted.")]
pub(crate) struct Typed {
    /// The data folder [default: HANDFAST_DATA, or the system's state folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print the answer as JSON, failures too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show listings whole, however wide they are
    #[arg(long, global = true)]
    pub(crate) wide: bool,
    /// Show these columns of a listing, whole: fields as --json names them
    #[arg(
        long,
        global = true,
        value_name = "FIELD",
        value_delimiter = ',',
        conflicts_with = "json"
    )]
    pub(crate) columns: Vec<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway; the first start makes the data folder, the CA, the keys and a config
    Up(Up),
    /// Show the whole story in throw-away network namespaces
    Demo(Demo),
    /// Connect to a gateway with a profile
    Connect(Connect),
    /// Undo what a client leaves that is killed; started by it
    #[command(hide = true)]
    ConnectGuard(ConnectGuard),
    /// Keep the CA's key, and sign with it; started by the gateway
    #[command(hide = true)]
    Signer(Signer),
    /// Many sessions at once against a server, and what it bears
    Bench(Bench),
    /// Users: who may have devices
    #[command(subcommand)]
    User(User),
    /// Devices: what a user connects with
    #[command(subcommand)]
    Device(Device),
    /// Certificates of servers, and of whatever else is no device
    #[command(subcommand)]
    Cert(Cert),
    /// Write the files a device needs, per operating system
    Profile(Profile),
    /// The list of revoked certificates
    #[command(subcommand)]
    Crl(Crl),
    /// Whether a certificate still holds, asked as a client would
    #[command(subcommand)]
    Ocsp(Ocsp),
    /// The CA that signs everything
    #[command(subcommand)]
    Ca(Ca),
    /// TLS: a local port to a remote service, a look at a server
    #[command(subcommand)]
    Tls(Tls),
    /// What happens in a handshake, step by step: who proves what, which keys, how long
    #[command(subcommand)]
    Explain(Explain),
    /// How the running gateway is
    Status(Status),
    /// Who is connected
    Sessions(Sessions),
    /// Close sessions; the clients may come back
    Kick(Kick),
    /// What happened: the append-only log of changes
    Events(Events),
    /// Check data, configuration and environment, with the mend for each finding
    Check(Check),
    /// The gateway's settings: show them, or set one and keep the rest of the file
    #[command(subcommand)]
    Config(Config),
    /// Have the running gateway read its settings again; sessions stay
    Reload,
    /// Copy everything, the CA's key with it, into one new file; also while the gateway runs
    Backup {
        /// The file to make
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make an empty data folder from such a file
    Restore {
        /// The file to read
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// The gateway as a systemd service
    #[command(subcommand)]
    Service(Service),
    /// Print what makes a shell complete this command line
    Completions { shell: Shell },
    /// Write manual pages of all commands
    Manual {
        /// Where to write to
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
    /// Write what a package of the system carries beside the binary; for those who make one
    #[command(hide = true)]
    Packaged {
        /// The root of the package's files
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Typed::command().debug_assert();
    }
}
