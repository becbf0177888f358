//! What will be done: checked and complete, with nothing left to the environment.
//!
//! Values only; how what was typed becomes one of them is `understand`'s. No IO: what has to be read from
//! files is named here and read when the order is run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use admin::names::DeviceName;
use admin::request::{CertificateUsage, DeviceDeed, ExplainTarget, Request, UserDeed};
use clap_complete::Shell;
use client::Revocation;
use clock::Timestamp;
use explain::capture::Endpoint;
use gateway::FirstStart;
use gateway::profile::{Form, System};
use load::PacketSettings;
use names::CertificateName;
use pki::KeyType;
use uplink::{Pin, Target};

use super::typed::explain::FormatWord;

/// One order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Whether answers are printed as JSON.
    pub(crate) json: bool,
    /// Whether tables may be wider than a terminal.
    pub(crate) wide: bool,
    /// Which columns a listing has, where some were asked for.
    pub(crate) columns: Vec<String>,
    /// What to do.
    pub(crate) action: Action,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Ask the gateway or the store and print the answer.
    Ask(Request),
    /// As above; only what fits is printed.
    List { request: Request, only: Only },
    /// Do the same to many.
    Many(ManyOrder),
    /// As above; the request is completed by a CSR.
    AskWithCsr { csr: PathBuf, renew: bool, device: DeviceName },
    /// Have a certificate issued under a name, and write it.
    Cert(CertOrder),
    /// Write a device's profiles.
    Profile(ProfileOrder),
    /// Write those of many devices.
    Profiles { devices: Names, wish: ProfileWish },
    /// Write them again, for a key that somebody has.
    ProfileFrom(FormerOrder),
    /// Print the CRL itself.
    CrlPem,
    /// Fetch CRLs.
    CrlFetch(CrlFetchOrder),
    /// Ask whether a certificate holds.
    OcspAsk(OcspOrder),
    /// Be at one end of TLS, or look at the other.
    Tls(TlsOrder),
    /// Tell a handshake.
    Explain(ExplainOrder),
    /// Find where two stories part.
    ExplainDiff { a: PathBuf, b: PathBuf, written: Written },
    /// Give the CA's certificate.
    CaExport { out: Option<PathBuf> },
    /// Seal the CA's key.
    CaSeal(SealOrder),
    /// Write it in the clear.
    CaUnseal { secret: Option<PathBuf> },
    /// Open it for the running gateway.
    CaUnlock,
    /// Print the figures for Prometheus.
    Prometheus,
    /// Read the events.
    Events { after: Option<u64>, since: Option<Timestamp>, limit: u32 },
    /// Follow them.
    FollowEvents { after: Option<u64>, since: Option<Timestamp>, limit: u32 },
    /// Copy the data folder into one file.
    Backup { to: PathBuf },
    /// Make the data folder from such a file.
    Restore { from: PathBuf },
    /// Run the gateway.
    Up { first: FirstStart, state: Option<PathBuf> },
    /// Show the demo.
    Demo { install: bool, page: Option<PathBuf> },
    /// Run the client.
    Connect(ConnectOrder),
    /// Undo what a killed client leaves.
    ConnectGuard(GuardOrder),
    /// Keep the CA's key.
    Signer(SignerOrder),
    /// Put a server under load.
    Bench(BenchOrder),
    /// Install or remove the service.
    Service(ServiceOrder),
    /// Print what makes a shell complete this command line.
    Completions { shell: Shell },
    /// Write manual pages.
    Manual { out: PathBuf },
    /// Write what a package carries.
    Packaged { out: PathBuf },
}

impl Action {
    /// Whether it plays in throw-away networks, with keys that are worth nothing.
    pub(crate) fn is_a_demo(&self) -> bool {
        match self {
            Action::Demo { .. } => true,
            Action::Explain(order) => order.what == Explained::Demo,
            _ => false,
        }
    }

    /// Whether this process shakes hands itself, as a client.
    pub(crate) fn speaks_tls(&self) -> bool {
        match self {
            Action::Explain(order) => match &order.what {
                Explained::Tls(_) | Explained::Vpn { .. } | Explained::Demo => true,
                Explained::Capture(_) | Explained::Gateway { .. } => false,
            },
            Action::Connect(_)
            | Action::Demo { .. }
            | Action::Tls(_)
            | Action::OcspAsk(_)
            | Action::Bench(_) => true,
            _ => false,
        }
    }
}

/// What of a listing to show; all of it has to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Only {
    /// How the name begins.
    pub(crate) begins: String,
    /// Connected ones.
    pub(crate) connected: bool,
    /// Disabled ones.
    pub(crate) disabled: bool,
    /// Those that never connected.
    pub(crate) never_connected: bool,
    /// Those whose profile has former settings.
    pub(crate) outdated: bool,
    /// Those that nobody has seen for so many days.
    pub(crate) not_seen: Option<u32>,
    /// Those whose certificate is over within so many days.
    pub(crate) expiring: Option<u32>,
}

/// What is done to whom.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ManyOrder {
    pub(crate) names: Names,
    pub(crate) deed: ManyDeed,
}

/// What can be done to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ManyDeed {
    Users(UserDeed),
    Devices(DeviceDeed),
    Kick,
}

/// Names as they were given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Names {
    These(Vec<String>),
    /// A line each, or a listing.
    OnStdin,
}

/// Which certificate to have issued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CertOrder {
    pub(crate) name: CertificateName,
    pub(crate) wanted: WantedCert,
    pub(crate) key: CertKey,
    pub(crate) out: PathBuf,
}

/// A first one, or one more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WantedCert {
    First { usage: CertificateUsage, hosts: Vec<String>, days: Option<u32> },
    Renewed,
}

/// Where its key comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CertKey {
    Made(KeyType),
    Csr(PathBuf),
}

/// Whose profiles to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProfileOrder {
    pub(crate) device: DeviceName,
    pub(crate) wish: ProfileWish,
}

/// Which ones, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProfileWish {
    pub(crate) renew: bool,
    pub(crate) out: PathBuf,
    pub(crate) systems: Vec<System>,
    pub(crate) form: Form,
    /// Whether the key is put under a passphrase.
    pub(crate) passphrase: bool,
}

/// In the place of a folder: standard output.
pub(crate) const STDOUT: &str = "-";

/// From which profile to take the key, and which to write with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FormerOrder {
    pub(crate) former: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) systems: Vec<System>,
    pub(crate) form: Form,
    /// Whether the key is put under a passphrase.
    pub(crate) passphrase: bool,
}

/// What to do with the service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServiceOrder {
    pub(crate) install: bool,
    pub(crate) what: Serviced,
    pub(crate) data: PathBuf,
    /// Whether somebody named the folder on the command line.
    pub(crate) data_typed: bool,
    pub(crate) dry_run: bool,
    pub(crate) root: Option<PathBuf>,
}

/// Whose unit it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Serviced {
    /// The gateway's by this name, and what its first start is told.
    Gateway(String, FirstStart),
    /// The clients'.
    Client,
}

/// Which CRLs to fetch, and what for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CrlFetchOrder {
    /// Addresses, and files of certificates.
    pub(crate) what: Vec<String>,
    /// Whether they are checked.
    pub(crate) verify: bool,
    /// The CAs' certificates.
    pub(crate) ca: Option<PathBuf>,
    /// The file that is kept fresh.
    pub(crate) out: Option<PathBuf>,
}

/// Which certificate is in question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OcspOrder {
    /// A file, or a server.
    pub(crate) what: String,
    /// The CA's certificate.
    pub(crate) ca: Option<PathBuf>,
    /// The one responder to ask.
    pub(crate) url: Option<String>,
}

/// Which server to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectOrder {
    /// The profile.
    pub(crate) profile: PathBuf,
    /// Where what has to be undone is recorded, where it was typed.
    pub(crate) state: Option<PathBuf>,
    /// Whether each line begins with the time.
    pub(crate) timestamps: bool,
    /// What is done about a server's certificate that may have been revoked.
    pub(crate) revocation: Revocation,
}

/// Whose changes are undone, by where they are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuardOrder {
    /// Where the client keeps its record.
    pub(crate) state: PathBuf,
    /// Where it keeps the former /etc/resolv.conf.
    pub(crate) dns_backup: PathBuf,
}

/// What the CA's key is sealed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SealOrder {
    /// What is typed.
    Passphrase,
    /// What stands in this file.
    KeyFile(PathBuf),
    /// What the service manager hands over under this name, and what that is.
    Credential { name: String, secret: PathBuf },
}

/// Where the keys are that a signer keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignerOrder {
    /// Whether it says what it signs.
    pub(crate) log: bool,
    /// The folder of the keys.
    pub(crate) keys: PathBuf,
    /// The records.
    pub(crate) records: PathBuf,
}

/// Which load to put on which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BenchOrder {
    /// A folder of profiles, or one.
    pub(crate) profiles: PathBuf,
    /// The server, where it was typed.
    pub(crate) server: Option<SocketAddr>,
    /// Sessions, where they were typed.
    pub(crate) sessions: Option<usize>,
    /// Handshakes at once.
    pub(crate) at_once: usize,
    /// New sessions a second.
    pub(crate) rate: Option<u32>,
    /// How long to hold them.
    pub(crate) hold: Duration,
    /// What to send through them.
    pub(crate) packets: Option<PacketSettings>,
}

/// Which handshake to tell, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExplainOrder {
    pub(crate) what: Explained,
    pub(crate) written: Written,
}

/// Which handshake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Explained {
    Capture(ExplainCaptureOrder),
    Tls(ExplainTlsOrder),
    Vpn(ExplainVpnOrder),
    Gateway { which: ExplainTarget },
    Demo,
}

/// Which gateways, and what is left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExplainVpnOrder {
    pub(crate) profile: PathBuf,
    pub(crate) kept: KeptOrder,
}

/// New files that a handshake of our own leaves behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptOrder {
    /// What went through its sockets.
    pub(crate) capture: Option<PathBuf>,
    /// Its secrets.
    pub(crate) keylog: Option<PathBuf>,
}

impl KeptOrder {
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.capture.iter().chain(&self.keylog)
    }
}

/// Which capture, and what it is read with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExplainCaptureOrder {
    pub(crate) file: PathBuf,
    pub(crate) keylog: Option<PathBuf>,
    pub(crate) tls_auth: Vec<PathBuf>,
    /// Whose conversations are told; of all, where none is named.
    pub(crate) only: Option<Endpoint>,
    /// Where the tunnels' packets go, opened.
    pub(crate) open_data: Option<PathBuf>,
}

/// Which server, and what is done beside the handshake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExplainTlsOrder {
    pub(crate) target: Target,
    pub(crate) ca: Option<PathBuf>,
    /// The profile whose certificate is shown.
    pub(crate) device: Option<PathBuf>,
    /// Whether the CA is asked about the server's certificate.
    pub(crate) ask: bool,
    /// Whether the head of the first page is asked for.
    pub(crate) http: bool,
    pub(crate) kept: KeptOrder,
}

/// In which shape a story is given, and where to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) format: FormatWord,
    pub(crate) out: Option<PathBuf>,
    /// Only how it ended, where it is text.
    pub(crate) short: bool,
    pub(crate) text_width: usize,
}

/// What to do about TLS.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TlsOrder {
    Connect(TlsConnectOrder),
    Test(TlsTestOrder),
}

/// Which service to be in front of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TlsConnectOrder {
    pub(crate) target: Target,
    pub(crate) listen: SocketAddr,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) pin: Option<Pin>,
    pub(crate) own: Own,
    pub(crate) revocation: uplink::Revocation,
}

/// Where our own certificate is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Own {
    None,
    Profile(PathBuf),
    Files { cert: PathBuf, key: PathBuf },
}

/// Which server to look at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TlsTestOrder {
    pub(crate) target: Target,
    pub(crate) ca: Option<PathBuf>,
    /// A profile, whose certificate is shown to a server that asks for one.
    pub(crate) device: Option<PathBuf>,
}
