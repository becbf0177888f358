//! What will be done: checked and complete, with nothing left to the environment.
//!
//! No IO: what has to be read from files is named here and read when the order is run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::request::{CertificateUsage, HistoryQuery, KickTarget, Request};
use clap_complete::Shell;
use client::Revocation;
use clock::Timestamp;
use gateway::FirstStart;
use gateway::config::{Listen, Net, PublicName};
use gateway::profile::{Form, System};
use load::PacketSettings;
use names::{CertificateName, NameError, RevocationReason, UserName};
use pki::KeyType;

use super::place::{Place, SYSTEM_FOLDER};
use super::typed::{self, Command, FormWord, Os, Reason, RevocationWord, Typed};

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
    /// As above; the request is completed by a CSR.
    AskWithCsr { csr: PathBuf, renew: bool, device: DeviceName },
    /// Have a certificate issued under a name, and write it.
    Cert(CertOrder),
    /// Write profiles.
    Profile(ProfileOrder),
    /// Write them again, for a key that somebody has.
    ProfileFrom(FormerOrder),
    /// Print the CRL itself.
    CrlPem,
    /// Fetch CRLs.
    CrlFetch(CrlFetchOrder),
    /// Ask whether a certificate holds.
    OcspAsk(OcspOrder),
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
    /// Follow the events.
    FollowEvents { after: Option<u64>, limit: u32 },
    /// Copy the data folder into one file.
    Backup { to: PathBuf },
    /// Make the data folder from such a file.
    Restore { from: PathBuf },
    /// Run the gateway.
    Up { first: FirstStart, state: Option<PathBuf> },
    /// Show the demo.
    Demo { install: bool },
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
    /// Those whose certificate is over within so many days.
    pub(crate) expiring: Option<u32>,
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

/// Which profiles to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProfileOrder {
    pub(crate) device: DeviceName,
    pub(crate) renew: bool,
    pub(crate) out: PathBuf,
    pub(crate) systems: Vec<System>,
    pub(crate) form: Form,
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
}

/// What to do with the service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServiceOrder {
    pub(crate) install: bool,
    pub(crate) what: Serviced,
    pub(crate) data: PathBuf,
    pub(crate) dry_run: bool,
    pub(crate) root: Option<PathBuf>,
}

/// Whose unit it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Serviced {
    /// The gateway's, and what its first start is told.
    Gateway(FirstStart),
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

impl Order {
    /// Checks what was typed and fills in what was not.
    pub(crate) fn understand(typed: Typed, place: &Place) -> Result<Self, Failure> {
        if let Command::Service(command) = typed.command {
            // The service is the system's, whoever looks at it with --dry-run.
            let data = typed.data.or_else(|| place.data.clone().map(PathBuf::from));
            let data = data.unwrap_or_else(|| SYSTEM_FOLDER.into());
            let action = Action::Service(understand_service(command, data.clone())?);
            let (json, wide, columns) = (typed.json, typed.wide, typed.columns);
            return Ok(Self { data, json, wide, columns, action });
        }
        let data = match (typed.data, &typed.command) {
            (Some(data), _) => data,
            // It is told all it needs, whatever the environment says.
            (None, Command::Signer(signer)) => signer.keys.clone(),
            (None, _) => place.data_folder().ok_or_else(no_data_folder)?,
        };
        let (json, wide, columns) = (typed.json, typed.wide, typed.columns);
        Ok(Self { data, json, wide, columns, action: understand_command(typed.command)? })
    }
}

fn understand_command(command: Command) -> Result<Action, Failure> {
    Ok(match command {
        Command::Up(up) => Action::Up { first: first_start(up.first)?, state: up.state },
        Command::Demo(demo) => Action::Demo { install: !demo.no_install },
        Command::Connect(connect) => {
            let typed::Connect { profile, state, timestamps, revocation } = connect;
            let revocation = match revocation {
                RevocationWord::Require => Revocation::Require,
                RevocationWord::Prefer => Revocation::Prefer,
                RevocationWord::Off => Revocation::Off,
            };
            Action::Connect(ConnectOrder { profile, state, timestamps, revocation })
        }
        Command::ConnectGuard(guard) => {
            let typed::ConnectGuard { state, dns_backup } = guard;
            Action::ConnectGuard(GuardOrder { state, dns_backup })
        }
        Command::Signer(typed::Signer { log, keys, records }) => {
            Action::Signer(SignerOrder { log, keys, records })
        }
        Command::Bench(bench) => Action::Bench(understand_bench(bench)),
        Command::User(typed::User::List { only }) => {
            Action::List { request: Request::UserList, only: only_users(only) }
        }
        Command::User(command) => Action::Ask(understand_user(command)?),
        Command::Device(command) => understand_device(command)?,
        Command::Cert(command) => understand_cert(command)?,
        Command::Profile(profile) => understand_profile(profile)?,
        Command::Crl(typed::Crl::Show { pem: true }) => Action::CrlPem,
        Command::Crl(typed::Crl::Show { pem: false }) => Action::Ask(Request::CrlShow),
        Command::Crl(typed::Crl::Fetch(fetch)) => {
            let typed::CrlFetch { what, verify, ca, out } = fetch;
            Action::CrlFetch(CrlFetchOrder { what, verify, ca, out })
        }
        Command::Ocsp(typed::Ocsp::Ask(asked)) => {
            let typed::OcspAsk { what, ca, url } = asked;
            Action::OcspAsk(OcspOrder { what, ca, url })
        }
        Command::Ca(typed::Ca::Seal { key_file: Some(file), .. }) => {
            Action::CaSeal(SealOrder::KeyFile(file))
        }
        Command::Ca(typed::Ca::Seal { credential: Some(name), secret: Some(secret), .. }) => {
            Action::CaSeal(SealOrder::Credential { name, secret })
        }
        Command::Ca(typed::Ca::Seal { .. }) => Action::CaSeal(SealOrder::Passphrase),
        Command::Ca(typed::Ca::Unseal { secret }) => Action::CaUnseal { secret },
        Command::Ca(typed::Ca::Unlock) => Action::CaUnlock,
        Command::Ca(typed::Ca::Show) => Action::Ask(Request::CaShow),
        Command::Ca(typed::Ca::Rollover(typed::Rollover::Start)) => {
            Action::Ask(Request::RolloverStart)
        }
        Command::Ca(typed::Ca::Rollover(typed::Rollover::Status)) => {
            Action::Ask(Request::RolloverStatus)
        }
        Command::Ca(typed::Ca::Rollover(typed::Rollover::Finish { force })) => {
            Action::Ask(Request::RolloverFinish { force })
        }
        Command::Ca(typed::Ca::Export { out }) => Action::CaExport { out },
        Command::Status(status) if status.prometheus => Action::Prometheus,
        Command::Status(_) => Action::Ask(Request::Status),
        Command::Sessions(sessions) if !sessions.history => Action::Ask(Request::Sessions),
        Command::Sessions(sessions) => {
            Action::Ask(Request::SessionHistory(understand_history(sessions)?))
        }
        Command::Kick(kick) => Action::Ask(Request::Kick { target: kick_target(kick)? }),
        Command::Events(events) => understand_events(&events),
        Command::Check => Action::Ask(Request::Check),
        Command::Config(typed::Config::Show) => Action::Ask(Request::ConfigShow),
        Command::Config(typed::Config::Set { key, values }) => {
            Action::Ask(Request::ConfigSet { key, values })
        }
        Command::Reload => Action::Ask(Request::Reload),
        Command::Completions { shell } => Action::Completions { shell },
        Command::Manual { out } => Action::Manual { out },
        Command::Packaged { out } => Action::Packaged { out },
        Command::Backup { file } => Action::Backup { to: file },
        Command::Restore { file } => Action::Restore { from: file },
        Command::Service(command) => {
            Action::Service(understand_service(command, SYSTEM_FOLDER.into())?)
        }
    })
}

fn understand_bench(bench: typed::Bench) -> BenchOrder {
    let seconds = |n: u32| Duration::from_secs(n.into());
    let packets = (bench.packets > 0).then(|| PacketSettings {
        sizes: bench.size,
        time: seconds(bench.packets),
        rate: bench.packet_rate,
        to: bench.to,
    });
    BenchOrder {
        profiles: bench.profiles,
        server: bench.server,
        sessions: bench.sessions.map(usize::from),
        at_once: bench.at_once.into(),
        rate: bench.rate,
        hold: seconds(bench.hold),
        packets,
    }
}

fn understand_history(typed: typed::Sessions) -> Result<HistoryQuery, Failure> {
    let (user, device) = match typed.whose {
        Some(whose) if whose.contains('/') => (None, Some(device_name(&whose)?)),
        Some(whose) => (Some(user_name(whose)?), None),
        None => (None, None),
    };
    let since = typed.since.as_deref().map(time).transpose()?;
    let at = typed.at.as_deref().map(time).transpose()?;
    let address = typed.address.zip(at);
    Ok(HistoryQuery { user, device, since, address, limit: typed.limit })
}

fn time(typed: &str) -> Result<Timestamp, Failure> {
    Timestamp::from_words(typed).ok_or_else(|| {
        Failure::new(FailureKind::Usage, format!("{typed:?} is no time"))
            .hint("write it in UTC: 2026-11-24, \"2026-11-24 15:00\" or 2026-11-24T15:00:00Z")
    })
}

fn understand_user(command: typed::User) -> Result<Request, Failure> {
    Ok(match command {
        typed::User::Add { name } => Request::UserAdd { name: user_name(name)? },
        typed::User::List { .. } => Request::UserList,
        typed::User::Show { name } => Request::UserShow { name: user_name(name)? },
        typed::User::Disable { name } => Request::UserDisable { name: user_name(name)? },
        typed::User::Enable { name } => Request::UserEnable { name: user_name(name)? },
        typed::User::Rename { name, to } => {
            Request::UserRename { name: user_name(name)?, to: user_name(to)? }
        }
        typed::User::Remove { name } => Request::UserRemove { name: user_name(name)? },
    })
}

fn understand_device(command: typed::Device) -> Result<Action, Failure> {
    Ok(match command {
        typed::Device::Add { device, csr } => {
            if !device.contains('/') {
                return Err(device_without_name(&device));
            }
            match csr {
                Some(csr) => {
                    Action::AskWithCsr { csr, renew: false, device: device_name(&device)? }
                }
                None => {
                    Action::Ask(Request::DeviceAdd { device: device_name(&device)?, csr_pem: None })
                }
            }
        }
        typed::Device::List { user, only } => {
            let request = Request::DeviceList { user: user.map(user_name).transpose()? };
            Action::List { request, only: only_devices(only) }
        }
        typed::Device::Show { device } => {
            Action::Ask(Request::DeviceShow { device: device_name(&device)? })
        }
        typed::Device::Renew { device, csr: Some(csr), .. } => {
            Action::AskWithCsr { csr, renew: true, device: device_name(&device)? }
        }
        typed::Device::Renew { device, csr: None, files } => {
            Action::Profile(profile_order(&device, true, files)?)
        }
        typed::Device::Revoke { device, reason } => Action::Ask(Request::DeviceRevoke {
            device: device_name(&device)?,
            reason: revoke_reason(reason),
        }),
        typed::Device::Disable { device } => {
            Action::Ask(Request::DeviceDisable { device: device_name(&device)? })
        }
        typed::Device::Enable { device } => {
            Action::Ask(Request::DeviceEnable { device: device_name(&device)? })
        }
        typed::Device::Remove { device } if !device.contains('/') => {
            return Err(whole_user_or_device(&device));
        }
        typed::Device::Remove { device } => {
            Action::Ask(Request::DeviceRemove { device: device_name(&device)? })
        }
    })
}

fn understand_cert(command: typed::Cert) -> Result<Action, Failure> {
    Ok(match command {
        typed::Cert::Issue { name, hosts, profile, days, key } => {
            let usage = match profile {
                typed::UsageWord::Server => CertificateUsage::Server,
                typed::UsageWord::Client => CertificateUsage::Client,
            };
            if usage == CertificateUsage::Client && !hosts.is_empty() {
                return Err(hosts_of_a_client());
            }
            cert_order(&name, WantedCert::First { usage, hosts, days }, key)?
        }
        typed::Cert::Renew { name, key } => cert_order(&name, WantedCert::Renewed, key)?,
        typed::Cert::List => Action::Ask(Request::CertList),
        typed::Cert::Show { name } => {
            Action::Ask(Request::CertShow { name: certificate_name(&name)? })
        }
        typed::Cert::Revoke { name, reason } => {
            let (name, reason) = (certificate_name(&name)?, revoke_reason(reason));
            Action::Ask(Request::CertRevoke { name, reason })
        }
    })
}

fn cert_order(name: &str, wanted: WantedCert, key: typed::CertKey) -> Result<Action, Failure> {
    let typed::CertKey { csr, key, out } = key;
    let made = match key {
        typed::KeyWord::P256 => KeyType::P256,
        typed::KeyWord::Rsa2048 => KeyType::Rsa2048,
        typed::KeyWord::Rsa3072 => KeyType::Rsa3072,
        typed::KeyWord::Rsa4096 => KeyType::Rsa4096,
    };
    let key = csr.map_or(CertKey::Made(made), CertKey::Csr);
    Ok(Action::Cert(CertOrder { name: certificate_name(name)?, wanted, key, out }))
}

fn certificate_name(text: &str) -> Result<CertificateName, Failure> {
    CertificateName::new(text).map_err(|error| {
        Failure::new(FailureKind::Usage, format!("{text:?} can't be used as a name"))
            .caused_by(&error)
            .hint(error.hint())
            .hint("a device's certificate comes with its profile: `handfast profile USER/DEVICE`")
    })
}

fn hosts_of_a_client() -> Failure {
    Failure::new(FailureKind::Usage, "a client's certificate has no host names")
        .hint("leave out --san, or --profile client")
}

fn only_users(only: typed::OnlyUsers) -> Only {
    let typed::OnlyUsers { begins, connected, disabled } = only;
    Only { begins: begins.unwrap_or_default(), connected, disabled, ..Only::default() }
}

fn only_devices(only: typed::OnlyDevices) -> Only {
    let typed::OnlyDevices { begins, connected, disabled, never_connected, outdated, expiring } =
        only;
    let begins = begins.unwrap_or_default();
    Only { begins, connected, disabled, never_connected, outdated, expiring }
}

fn understand_events(events: &typed::Events) -> Action {
    let (after, limit) = (events.after, events.limit);
    if events.follow {
        return Action::FollowEvents { after, limit };
    }
    Action::Ask(Request::Events { after, limit, wait_ms: 0 })
}

fn understand_service(command: typed::Service, data: PathBuf) -> Result<ServiceOrder, Failure> {
    let gateway = Serviced::Gateway;
    let (install, what, how) = match command {
        typed::Service::Install { first, how } => (true, gateway(first_start(first)?), how),
        typed::Service::Remove { how } => (false, gateway(FirstStart::default()), how),
        typed::Service::InstallClient { how } => (true, Serviced::Client, how),
        typed::Service::RemoveClient { how } => (false, Serviced::Client, how),
    };
    Ok(ServiceOrder { install, what, data, dry_run: how.dry_run, root: how.root })
}

fn understand_profile(profile: typed::Profile) -> Result<Action, Failure> {
    let typed::Profile { device, renew, from, files } = profile;
    match from {
        None => {
            let device = device.unwrap_or_default();
            Ok(Action::Profile(profile_order(&device, renew, files)?))
        }
        Some(former) => {
            let (systems, form) = systems_and_form(&files)?;
            Ok(Action::ProfileFrom(FormerOrder { former, out: files.out, systems, form }))
        }
    }
}

fn profile_order(device: &str, renew: bool, files: typed::Files) -> Result<ProfileOrder, Failure> {
    let (systems, form) = systems_and_form(&files)?;
    Ok(ProfileOrder { device: device_name(device)?, renew, out: files.out, systems, form })
}

fn systems_and_form(files: &typed::Files) -> Result<(Vec<System>, Form), Failure> {
    let form = match files.form {
        FormWord::Unified => Form::Unified,
        FormWord::Split => Form::Split,
    };
    let systems = systems(&files.os);
    if form == Form::Split && systems.iter().all(|system| system.is_mobile()) {
        return Err(split_for_mobile());
    }
    let is_one = systems.len() == 1 && form == Form::Unified;
    if files.out == Path::new(STDOUT) && !is_one {
        return Err(one_to_print());
    }
    Ok((systems, form))
}

fn systems(typed: &[Os]) -> Vec<System> {
    let wanted = |system| {
        typed.iter().any(|os| match os {
            Os::All => true,
            Os::Linux => system == System::Linux,
            Os::Windows => system == System::Windows,
            Os::Macos => system == System::Macos,
            Os::Android => system == System::Android,
            Os::Ios => system == System::Ios,
        })
    };
    System::ALL.into_iter().filter(|system| wanted(*system)).collect()
}

fn kick_target(kick: typed::Kick) -> Result<KickTarget, Failure> {
    Ok(match (kick.target, kick.session) {
        (_, Some(id)) => KickTarget::Session { id },
        (Some(text), None) if text.contains('/') => {
            KickTarget::Device { device: device_name(&text)? }
        }
        (Some(name), None) => KickTarget::User { name: user_name(name)? },
        (None, None) => {
            return Err(Failure::new(FailureKind::Usage, "nobody to kick was named"));
        }
    })
}

fn revoke_reason(reason: Reason) -> RevocationReason {
    match reason {
        Reason::Unspecified => RevocationReason::Unspecified,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::AffiliationChanged => RevocationReason::AffiliationChanged,
        Reason::Superseded => RevocationReason::Superseded,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
        Reason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
    }
}

fn user_name(name: String) -> Result<UserName, Failure> {
    if let Some((user, device)) = name.split_once('/') {
        let message = format!("{name:?} names a device, this command takes a user");
        return Err(Failure::new(FailureKind::Usage, message)
            .hint(format!("the user is {user:?}; for {device:?} see `handfast device --help`")));
    }
    UserName::new(&name).map_err(|error| bad_name(&name, &error))
}

fn device_name(text: &str) -> Result<DeviceName, Failure> {
    DeviceName::parse(text).map_err(|error| bad_name(text, &error))
}

fn first_start(typed: typed::First) -> Result<FirstStart, Failure> {
    let listen = typed.listen.iter().map(|text| text.parse::<Listen>());
    let routes = typed.routes.into_iter().map(Net::try_from);
    Ok(FirstStart {
        public: public(typed.public)?,
        listen: listen.collect::<Result<_, _>>().map_err(|error| wrong(&error))?,
        tcp: typed.tcp,
        routes: routes.collect::<Result<_, _>>().map_err(|error| wrong(&error))?,
        dns: typed.dns,
        full_tunnel: typed.full_tunnel,
    })
}

/// What says itself what would be right.
fn wrong(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Usage, error.to_string())
}

/// A host name or an address, as it goes into profiles and onto the service's command line.
fn public(name: Option<String>) -> Result<Option<PublicName>, Failure> {
    let parse = |name: String| {
        name.parse().map_err(|_| {
            let message = format!("{name:?} is neither a host name nor an address");
            Failure::new(FailureKind::Usage, message)
                .hint("give what clients reach this machine by: `--public vpn.example.net`")
                .hint("with a port, where theirs is another: `--public vpn.example.net:443`")
        })
    };
    name.map(parse).transpose()
}

fn bad_name(text: &str, error: &NameError) -> Failure {
    Failure::new(FailureKind::Usage, format!("{text:?} can't be used as a name"))
        .caused_by(error)
        .hint(error.hint())
        .hint("a device is named USER/DEVICE: alice/phone")
}

/// What is forgotten is named whole.
fn whole_user_or_device(user: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("{user:?} names no device"))
        .hint(format!("name the device: `handfast device remove {user}/default`"))
        .hint(format!("or remove the user with all devices: `handfast user remove {user}`"))
}

fn device_without_name(user: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("{user:?} names no device"))
        .because(format!("`handfast user add` made {user}/default already"))
        .hint(format!("name the further device: `handfast device add {user}/phone`"))
}

fn one_to_print() -> Failure {
    Failure::new(FailureKind::Usage, "only one profile can be printed")
        .hint("name one system and the unified form: `--out - --os linux`")
}

fn split_for_mobile() -> Failure {
    Failure::new(FailureKind::Usage, "the split form can't be used on Android and iOS")
        .because("their clients import one file and can't read vpn.crt and vpn.key beside it")
        .hint("leave out `--form split` for them")
}

fn no_data_folder() -> Failure {
    Failure::new(FailureKind::Usage, "there is no place for the data folder")
        .because("none of HANDFAST_DATA, XDG_STATE_HOME and HOME is set")
        .hint("name the folder: `--data DIR`")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_user_and_a_device_are_told_apart() {
        let kick = |target: &str| action(&["kick", target]).unwrap();
        let user = KickTarget::User { name: "alice".parse().expect("a name") };
        assert_eq!(kick("alice"), Action::Ask(Request::Kick { target: user }));
        let device = KickTarget::Device { device: DeviceName::parse("alice/phone").unwrap() };
        assert_eq!(kick("alice/phone"), Action::Ask(Request::Kick { target: device }));
        assert_eq!(action(&["user", "show", "alice/phone"]).unwrap_err().kind, FailureKind::Usage);
        assert_eq!(action(&["device", "add", "alice"]).unwrap_err().kind, FailureKind::Usage);
    }

    #[test]
    fn all_systems_are_written_unless_some_are_named() {
        assert_eq!(profile(&["profile", "alice"]).systems, System::ALL);
        let named = profile(&["profile", "alice", "--os", "ios,linux"]).systems;
        assert_eq!(named, [System::Linux, System::Ios]);
    }

    #[test]
    fn the_split_form_is_refused_where_only_mobile_systems_are_named() {
        let typed = ["profile", "alice", "--form", "split", "--os"];
        let refused = action(&[&typed[..], &["ios,android"]].concat()).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Usage);
        assert_eq!(profile(&[&typed[..], &["ios,linux"]].concat()).form, Form::Split);
    }

    #[test]
    fn a_renewal_without_a_csr_writes_profiles() {
        assert!(profile(&["device", "renew", "alice", "--out", "/x"]).renew);
        let with = action(&["device", "renew", "alice", "--csr", "a.csr"]).unwrap();
        assert!(matches!(with, Action::AskWithCsr { renew: true, .. }));
    }

    #[test]
    fn what_the_first_start_is_told_is_checked_before_anything_is_made() {
        let typed = ["up", "--listen", "udp:[::]:443", "--tcp", "--route", "10.9.0.0/16,fd09::/64"];
        let Action::Up { first, .. } = action(&typed).unwrap() else { panic!("it is up") };
        assert_eq!((first.listen.len(), first.tcp, first.routes.len()), (1, true, 2));
        for wrong in [["--listen", "443"], ["--route", "10.9.0.1/16"], ["--public", "a b"]] {
            let refused = action(&[&["up"], &wrong[..]].concat()).unwrap_err();
            assert_eq!(refused.kind, FailureKind::Usage, "{wrong:?}");
        }
    }

    #[test]
    fn a_public_name_cannot_carry_anything_else() {
        assert!(action(&["up", "--public", "vpn.example.net"]).is_ok());
        assert!(action(&["up", "--public", "[2001:db8::1]"]).is_ok());
        assert!(action(&["up", "--public", "vpn.example.net:443"]).is_ok());
        assert!(action(&["up", "--public", "a b"]).is_err());
        assert!(action(&["up", "--public="]).is_err());
    }

    fn profile(typed: &[&str]) -> ProfileOrder {
        match action(typed).unwrap() {
            Action::Profile(order) => order,
            other => panic!("{other:?}"),
        }
    }

    fn action(typed: &[&str]) -> Result<Action, Failure> {
        let typed =
            Typed::try_parse_from([&["handfast"], typed].concat()).expect("it has the form");
        let place = Place { root: true, ..Place::default() };
        Order::understand(typed, &place).map(|order| order.action)
    }
}
