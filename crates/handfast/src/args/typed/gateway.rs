//! The gateway's own commands as typed: its start, its settings, its service, its figures.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) first: First,
    /// Where changed kernel settings are recorded, if not in the usual place
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// What the first start writes into the settings; later ones go by those.
#[derive(Debug, Args)]
pub(crate) struct First {
    /// What profiles point to [default: the address of the default route's interface]
    #[arg(long, value_name = "NAME")]
    pub(crate) public: Option<String>,
    /// First start: listen here [default: udp:[::]:1194]
    #[arg(long, value_name = "udp:ADDRESS:PORT", value_delimiter = ',')]
    pub(crate) listen: Vec<String>,
    /// First start: listen on TCP too, at the ports of UDP
    #[arg(long)]
    pub(crate) tcp: bool,
    /// First start: networks that clients reach through the tunnel
    #[arg(long = "route", value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) routes: Vec<String>,
    /// First start: name servers for clients
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) dns: Vec<IpAddr>,
    /// First start: all traffic of clients goes through the tunnel
    #[arg(long)]
    pub(crate) full_tunnel: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The figures in Prometheus' text format
    #[arg(long, conflicts_with = "json")]
    pub(crate) prometheus: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Verify all events and certificates, also those that the running gateway verified before
    #[arg(long)]
    pub(crate) whole: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show every key, its value, and what is not in force yet
    Show,
    /// Set one key: `config set vpn.push.routes 192.168.10.0/24 10.9.0.0/16`
    Set {
        #[arg(value_name = "KEY")]
        key: String,
        /// Several for a list; none for an empty list, or to leave the key out
        #[arg(value_name = "VALUE", allow_negative_numbers = true)]
        values: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Write a hardened systemd unit and start it
    Install {
        #[command(flatten)]
        first: First,
        #[command(flatten)]
        unit: UnitName,
        #[command(flatten)]
        how: ServiceHow,
    },
    /// Stop the service and take its unit away; data stay
    Remove {
        #[command(flatten)]
        unit: UnitName,
        #[command(flatten)]
        how: ServiceHow,
    },
    /// Write the unit of clients that are always connected, handfast-connect@NAME
    InstallClient {
        #[command(flatten)]
        how: ServiceHow,
    },
    /// Take that unit away; clients that run go on until they are stopped
    RemoveClient {
        #[command(flatten)]
        how: ServiceHow,
    },
}

#[derive(Debug, Args)]
pub(crate) struct UnitName {
    /// The unit's name; another gateway on this machine needs another one
    #[arg(long, value_name = "UNIT", default_value = "handfast")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceHow {
    /// Print what would be done, and the unit
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Work in this system image instead of the running system
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}
