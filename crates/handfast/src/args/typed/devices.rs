//! Users and devices as typed, and what of their listings to show.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::authority::Reason;
use super::profiles::Files;

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add a user and the first device, NAME/default
    Add { name: String },
    /// List all users, or those that fit
    List {
        #[command(flatten)]
        only: OnlyUsers,
    },
    /// Show a user and its devices
    Show { name: String },
    /// Refuse a user from now on: certificates on hold, sessions closed, records stay
    Disable {
        #[command(flatten)]
        names: UserNames,
    },
    /// Let a disabled user in again
    Enable {
        #[command(flatten)]
        names: UserNames,
    },
    /// Give a user another name; certificates keep the former one until they are renewed
    Rename {
        name: String,
        #[arg(value_name = "NEW_NAME")]
        to: String,
    },
    /// Revoke everything a user has, and forget it
    Remove {
        #[command(flatten)]
        names: UserNames,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Add a device; `profile` then makes its key and certificate
    Add {
        #[arg(value_name = "USER/DEVICE")]
        device: String,
        /// Issue the certificate for the key in this CSR ("-" reads stdin)
        #[arg(long, value_name = "FILE")]
        csr: Option<PathBuf>,
    },
    /// List all devices, one user's, or those that fit
    List {
        user: Option<String>,
        #[command(flatten)]
        only: OnlyDevices,
    },
    /// Show a device and its certificates
    Show {
        /// A device; USER alone means USER/default
        #[arg(value_name = "USER[/DEVICE]")]
        device: String,
    },
    /// Make a new key and certificate; the former is revoked once the new one has connected
    Renew {
        /// A device; USER alone means USER/default
        #[arg(value_name = "USER[/DEVICE]")]
        device: String,
        /// Renew for the key in this CSR ("-" reads stdin) instead of making one
        #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "os", "form"])]
        csr: Option<PathBuf>,
        #[command(flatten)]
        files: Files,
    },
    /// Revoke a device's certificates and close its session
    Revoke {
        #[command(flatten)]
        devices: DeviceNames,
        /// Why; it stands in the CRL
        #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
        reason: Reason,
    },
    /// Refuse a device from now on: its certificates on hold, its session closed
    Disable {
        #[command(flatten)]
        devices: DeviceNames,
    },
    /// Let a disabled device in again
    Enable {
        #[command(flatten)]
        devices: DeviceNames,
    },
    /// Revoke a device's certificates, and forget it; its name and addresses are free again
    Remove {
        /// Devices, each named whole; "-" reads them from stdin, a line each, or a listing with --columns name or --json
        #[arg(value_name = "USER/DEVICE", required = true)]
        devices: Vec<String>,
    },
}

/// Whom it is done to: to all of them or to none.
#[derive(Debug, Args)]
pub(crate) struct UserNames {
    /// Users; "-" reads them from stdin, a line each, or a listing with --columns name or --json
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
}

/// What it is done to: to all of them or to none.
#[derive(Debug, Args)]
pub(crate) struct DeviceNames {
    /// Devices; USER alone means USER/default. "-" reads them from stdin, a line each, or a listing with --columns name
    /// or --json
    #[arg(value_name = "USER[/DEVICE]", required = true)]
    pub(crate) devices: Vec<String>,
}

/// Which users to list; all that is typed has to hold.
#[derive(Debug, Args)]
pub(crate) struct OnlyUsers {
    /// Whose name begins so
    #[arg(long, value_name = "TEXT")]
    pub(crate) begins: Option<String>,
    /// Who is connected
    #[arg(long)]
    pub(crate) connected: bool,
    /// Who is disabled
    #[arg(long)]
    pub(crate) disabled: bool,
}

/// Which devices to list; all that is typed has to hold.
#[derive(Debug, Args)]
pub(crate) struct OnlyDevices {
    /// Whose name, USER/DEVICE, begins so
    #[arg(long, value_name = "TEXT")]
    pub(crate) begins: Option<String>,
    /// That are connected
    #[arg(long)]
    pub(crate) connected: bool,
    /// That are disabled, or whose users are
    #[arg(long)]
    pub(crate) disabled: bool,
    /// That never connected
    #[arg(long)]
    pub(crate) never_connected: bool,
    /// Whose profile has former settings
    #[arg(long)]
    pub(crate) outdated: bool,
    /// That have not been seen for so many days, nor been added meanwhile
    #[arg(long, value_name = "DAYS")]
    pub(crate) not_seen: Option<u32>,
    /// Whose certificate is over, or ends within so many days
    #[arg(long, value_name = "DAYS")]
    pub(crate) expiring: Option<u32>,
}
