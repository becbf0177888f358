//! What was typed: the command line as clap reads it. Nothing is checked beyond its form.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

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
    /// How the running gateway is
    Status(Status),
    /// Who is connected
    Sessions(Sessions),
    /// Close sessions; the clients may come back
    Kick(Kick),
    /// What happened: the append-only log of changes
    Events(Events),
    /// Check data, configuration and environment, with the mend for each finding
    Check,
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
pub(crate) struct Demo {
    /// Install nothing, show what can be shown
    #[arg(long)]
    pub(crate) no_install: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The profile
    #[arg(value_name = "FILE.ovpn")]
    pub(crate) profile: PathBuf,
    /// Where what has to be undone is recorded, if not in the usual place
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Begin each line with the time
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Whether the server's CA has to say that its certificate still holds
    #[arg(long, value_enum, default_value_t = RevocationWord::Require)]
    pub(crate) revocation: RevocationWord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RevocationWord {
    /// Wherever the certificate names an address for that
    Require,
    /// The same, but go on with a warning where nobody answers
    Prefer,
    /// Don't look
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectGuard {
    /// The client's record
    pub(crate) state: PathBuf,
    /// The former /etc/resolv.conf
    pub(crate) dns_backup: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// Say what is signed
    #[arg(long)]
    pub(crate) log: bool,
    /// Where the keys are
    pub(crate) keys: PathBuf,
    /// The records
    pub(crate) records: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// A folder of profiles, one session each, or one profile
    #[arg(value_name = "PROFILES")]
    pub(crate) profiles: PathBuf,
    /// How many sessions; profiles take turns [default: one for each profile]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) sessions: Option<u16>,
    /// The server, whatever the profiles say
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) server: Option<SocketAddr>,
    /// Handshakes at once, at most
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) at_once: u16,
    /// New sessions a second, at most [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// How long to hold the sessions, keepalives answered
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) hold: u32,
    /// Send packets through them for so long, each size
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) packets: u32,
    /// Bytes of a packet inside the tunnel, with its IP header
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_value = "64,512,1300")]
    #[arg(value_parser = clap::value_parser!(u16).range(28..=1500))]
    pub(crate) size: Vec<u16>,
    /// Packets a second through all sessions together [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) packet_rate: Option<u32>,
    /// Who answers the packets [default: the server's address in the tunnel]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<Ipv4Addr>,
}

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
    Disable { name: String },
    /// Let a disabled user in again
    Enable { name: String },
    /// Give a user another name; certificates keep the former one until they are renewed
    Rename {
        name: String,
        #[arg(value_name = "NEW_NAME")]
        to: String,
    },
    /// Revoke everything a user has, and forget it
    Remove { name: String },
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
        #[arg(value_name = "USER[/DEVICE]")]
        device: String,
    },
    /// Make a new key and certificate; the former is revoked once the new one has connected
    Renew {
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
        #[arg(value_name = "USER[/DEVICE]")]
        device: String,
        /// Why; it stands in the CRL
        #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
        reason: Reason,
    },
    /// Refuse a device from now on: its certificates on hold, its session closed
    Disable {
        #[arg(value_name = "USER[/DEVICE]")]
        device: String,
    },
    /// Let a disabled device in again
    Enable {
        #[arg(value_name = "USER[/DEVICE]")]
        device: String,
    },
    /// Revoke a device's certificates, and forget it; its name and addresses are free again
    Remove {
        #[arg(value_name = "USER/DEVICE")]
        device: String,
    },
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
    /// Whose certificate is over, or ends within so many days
    #[arg(long, value_name = "DAYS")]
    pub(crate) expiring: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Issue a certificate; the key is made here, or elsewhere and comes with a CSR
    Issue {
        /// A server's host name or address, or what else it is to be called
        name: String,
        /// Further host names and addresses of a server
        #[arg(long = "san", value_name = "HOST", value_delimiter = ',')]
        hosts: Vec<String>,
        /// What it is good for: to be reached, or to reach others
        #[arg(long, value_enum, default_value_t = UsageWord::Server)]
        profile: UsageWord,
        /// How long it lives [default: cert.validity_days, which is also the most]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
        #[command(flatten)]
        key: CertKey,
    },
    /// List all names that have certificates
    List,
    /// Show a name's certificates
    Show { name: String },
    /// Issue one more for the same hosts; the former is revoked some days later
    Renew {
        name: String,
        #[command(flatten)]
        key: CertKey,
    },
    /// Revoke a name's certificates
    Revoke {
        name: String,
        /// Why; it stands in the CRL
        #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
        reason: Reason,
    },
}

/// Where the key comes from, and where files go.
#[derive(Debug, Args)]
pub(crate) struct CertKey {
    /// Certify the key in this CSR ("-" reads stdin) instead of making one
    #[arg(long, value_name = "FILE")]
    pub(crate) csr: Option<PathBuf>,
    /// Which kind of key to make
    #[arg(long, value_enum, default_value_t = KeyWord::P256, conflicts_with = "csr")]
    pub(crate) key: KeyWord,
    /// Where to write NAME.crt and NAME.key
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageWord {
    Server,
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyWord {
    P256,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reason {
    Unspecified,
    KeyCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

#[derive(Debug, Args)]
pub(crate) struct Profile {
    #[arg(value_name = "USER[/DEVICE]", required_unless_present = "from")]
    pub(crate) device: Option<String>,
    /// Make a new key and certificate; the former is revoked once the new one has connected
    #[arg(long)]
    pub(crate) renew: bool,
    /// Take key and certificate from a profile that somebody still has; the settings are those of today
    #[arg(long, value_name = "OLD.ovpn", conflicts_with_all = ["device", "renew"])]
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

#[derive(Debug, Subcommand)]
pub(crate) enum Crl {
    /// Show the CRL
    Show {
        /// The CRL itself, as PEM
        #[arg(long, conflicts_with = "json")]
        pem: bool,
    },
    /// Fetch CRLs from where they are published
    Fetch(CrlFetch),
}

#[derive(Debug, Args)]
pub(crate) struct CrlFetch {
    /// Where it is published, or a certificate that says so
    #[arg(value_name = "URL|CERT", required = true)]
    pub(crate) what: Vec<String>,
    /// Take only what a trusted CA signed and is in its time
    #[arg(long)]
    pub(crate) verify: bool,
    /// The CAs' certificates [default: the data folder's CA]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Keep this PEM file fresh: of each CA the CRL that was signed last, verified
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ocsp {
    /// Ask everybody whom a certificate names, and show what each of them says
    Ask(OcspAsk),
}

#[derive(Debug, Args)]
pub(crate) struct OcspAsk {
    /// A certificate's file, or a TLS server
    #[arg(value_name = "CERT|HOST:PORT")]
    pub(crate) what: String,
    /// The CA's certificate [default: the data folder's CA, and what the server sends]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Ask this responder, whatever the certificate names
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ca {
    /// Show the CA's certificate and figures
    Show,
    /// Have another CA take this one's place, without locking anybody out
    #[command(subcommand)]
    Rollover(Rollover),
    /// Seal the CA's key on the disk, with a passphrase if nothing else is named; the gateway must be stopped
    Seal {
        /// The secret stands in this file, which the gateway reads at each start
        #[arg(long, value_name = "FILE", conflicts_with = "credential")]
        key_file: Option<PathBuf>,
        /// The service manager hands the secret over under this name (LoadCredential=)
        #[arg(long, value_name = "NAME", requires = "secret")]
        credential: Option<String>,
        /// What the service manager will hand over
        #[arg(long, value_name = "FILE", requires = "credential")]
        secret: Option<PathBuf>,
    },
    /// Write the CA's key in the clear again; the gateway must be stopped
    Unseal {
        /// What it was sealed with, where that is neither typed nor found where it was said to be
        #[arg(long, value_name = "FILE")]
        secret: Option<PathBuf>,
    },
    /// Open the CA's key for the running gateway, by its passphrase
    Unlock,
    /// Give the CA's certificate as PEM
    Export {
        /// Write it to a file instead of the terminal
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rollover {
    /// Make another CA, which signs from here on; both are trusted
    Start,
    /// Show who has moved to the new CA, and who has not
    Status,
    /// Trust the former CA no longer
    Finish {
        /// Also where somebody has not moved, who is kept out then
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The figures in Prometheus' text format
    #[arg(long, conflicts_with = "json")]
    pub(crate) prometheus: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// Those of the past too, the newest first
    #[arg(long)]
    pub(crate) history: bool,
    /// Only one user's or one device's
    #[arg(value_name = "USER[/DEVICE]", requires = "history")]
    pub(crate) whose: Option<String>,
    /// Only those that were open at that time (UTC) or later
    #[arg(long, value_name = "TIME", requires = "history")]
    pub(crate) since: Option<String>,
    /// Only who had this address inside the tunnel, with --at
    #[arg(long, value_name = "ADDRESS", requires = "history", requires = "at")]
    pub(crate) address: Option<IpAddr>,
    /// The time (UTC): "2026-11-24 15:00"
    #[arg(long, value_name = "TIME", requires = "address")]
    pub(crate) at: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, requires = "history")]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whose").required(true))]
pub(crate) struct Kick {
    /// All sessions of a user, or of one device
    #[arg(value_name = "USER[/DEVICE]", group = "whose")]
    pub(crate) target: Option<String>,
    /// One session by its number in `sessions`
    #[arg(long, value_name = "ID", group = "whose")]
    pub(crate) session: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only events after this one
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<u64>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// Go on as they happen, with --json one event a line
    #[arg(long)]
    pub(crate) follow: bool,
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
        how: ServiceHow,
    },
    /// Stop the service and take its unit away; data stay
    Remove {
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
pub(crate) struct ServiceHow {
    /// Print what would be done, and the unit
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Work in this system image instead of the running system
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
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
