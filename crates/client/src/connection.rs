//! Keeps a tunnel up: which server is tried when, and what happens in between.
//!
//! One loop, no protocol: a round tries every address of every server; a connection that was up is
//! made again with the same server first. The interface and its routes stay while a connection is
//! made again, so that nothing leaves beside the tunnel meanwhile.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use engine::{Client, ClientEvent, ClientSettings, Ending, Link};
use pki::{ClockTime, Refusal, ServerNameVerifier};
use sysio::{TcpStream, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use tunnel::{ClientConfig, Timing};
use wire::key_material::Role;
use wire::mtu::Transport;
use wire::options::Options;
use wire::push::PushReply;
use wire::tls_auth::{ControlWrap, TlsAuth};

use crate::events::{Connected, EndedBy, Progress};
use crate::retry::{Backoff, Next, next};
use crate::system::{Plan, System, Wishes, default_state_folder};
use crate::{ClientError, Profile, ProfileError, ProfileErrorKind, Remote, Warning};

/// What a client is run with.
#[derive(Debug)]
pub struct ConnectSettings {
    /// The profile.
    pub profile: Profile,
    /// Where what has to be undone is kept.
    pub state: PathBuf,
    /// Where the former /etc/resolv.conf is kept.
    pub dns_backup: PathBuf,
    /// Whether pushed name servers are set.
    pub set_dns: bool,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl ConnectSettings {
    /// The usual places; beside the state for who may not write to them.
    pub fn new(profile: Profile, clock: Arc<dyn Clock>) -> Self {
        let state = default_state_folder();
        let usual = Path::new(sysio::DNS_BACKUP);
        let writable = usual.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok());
        let dns_backup = if writable { usual.to_owned() } else { state.join("resolv.conf.backup") };
        Self { profile, state, dns_backup, set_dns: true, clock }
    }
}

/// Completes when this process is asked to end, by SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// When signals can't be caught.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Connects and stays connected until `stop` completes or nothing can help. Everything is undone
/// when it returns. To be run on the multi-thread runtime of tokio, in the network namespace that
/// the tunnel is for.
///
/// # Errors
/// Why it gave up.
pub async fn run(
    settings: ConnectSettings,
    mut progress: impl FnMut(Progress) + Send,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ClientError> {
    let profile = &settings.profile;
    for warning in &profile.warnings {
        progress(Progress::Warning(warning.clone()));
    }
    let tunnel = TunnelConfigs::new(profile, &settings.clock)?;
    let opened =
        System::open(profile.tun.pattern(), profile.tun_mtu, &settings.state, &settings.dns_backup);
    let (system, mended) = opened.await?;
    mended.into_iter().for_each(|warning| progress(Progress::Warning(warning)));
    let mut runner = Runner {
        settings: &settings,
        tunnel,
        system,
        known: BTreeMap::new(),
        client: None,
        progress,
    };
    let result = tokio::select! {
        result = runner.work() => result,
        () = stop => Ok(()),
    };
    let by = if result.is_ok() { EndedBy::Request } else { EndedBy::GivingUp };
    runner.finish(by).await;
    result
}

struct Runner<'a, P> {
    settings: &'a ConnectSettings,
    tunnel: TunnelConfigs,
    system: System,
    /// Addresses that were found before: a name server behind a broken tunnel finds none.
    known: BTreeMap<String, Vec<IpAddr>>,
    client: Option<Client>,
    progress: P,
}

/// What sessions are made with: the two differ in the options that servers compare for their logs.
struct TunnelConfigs {
    udp: Arc<ClientConfig>,
    tcp: Arc<ClientConfig>,
}

/// One address to try.
#[derive(Clone, Debug)]
struct Target {
    remote: Remote,
    address: SocketAddr,
}

/// How a try ended.
struct Attempt {
    next: Next,
    why: String,
    was_up: bool,
}

/// How a round over all servers ended.
enum Round {
    /// A connection was up; go on with this server first.
    WasUp { first: Option<Target>, next: Next, why: String },
    /// None came up.
    Failed { why: String, not_before: Option<Duration>, not_trusted: Option<Refusal> },
}

impl<P: FnMut(Progress) + Send> Runner<'_, P> {
    /// Goes on until nothing can help.
    async fn work(&mut self) -> Result<(), ClientError> {
        let retry = self.settings.profile.retry;
        let mut backoff = Backoff::new(retry);
        let mut first = None;
        loop {
            let targets = self.targets(first.take(), backoff.rounds()).await;
            let pause = match self.round(targets).await? {
                Round::WasUp { first: same, next, why } => {
                    backoff.reset();
                    first = same;
                    let pause = match next {
                        Next::AtOnce | Next::OtherServer => Duration::ZERO,
                        Next::After(pause) => pause,
                        _ => retry.first,
                    };
                    (self.progress)(Progress::Reconnecting { why, pause });
                    pause
                }
                Round::Failed { not_trusted: Some(refusal), .. } => {
                    return Err(ClientError::ServerNotTrusted(refusal));
                }
                Round::Failed { why, not_before, .. } => match backoff.next_round() {
                    None => return Err(ClientError::GaveUp { rounds: backoff.rounds(), why }),
                    Some(pause) => {
                        let pause = not_before.unwrap_or(pause).max(pause);
                        (self.progress)(Progress::Reconnecting { why, pause });
                        pause
                    }
                },
            };
            sleep(pause).await;
        }
    }

    /// Tries one address after the other, until a connection was up.
    async fn round(&mut self, targets: Vec<Target>) -> Result<Round, ClientError> {
        let mut why = "no server has an address".to_owned();
        let mut not_before = None;
        let (mut refused, mut last_refusal) = (0, None);
        let count = targets.len();
        for (index, target) in targets.into_iter().enumerate() {
            let attempt = self.attempt(&target, index + 1 < count).await?;
            if attempt.was_up {
                let first = (!matches!(attempt.next, Next::OtherServer)).then_some(target);
                return Ok(Round::WasUp { first, next: attempt.next, why: attempt.why });
            }
            match attempt.next {
                Next::GiveUp(error) => return Err(error),
                Next::NotTrusted(refusal) => {
                    refused += 1;
                    last_refusal = Some(refusal);
                }
                Next::After(pause) => not_before = Some(pause),
                Next::AtOnce | Next::OtherServer | Next::Usual => {}
            }
            if index + 1 < count {
                let pause = Duration::ZERO;
                (self.progress)(Progress::Reconnecting { why: attempt.why.clone(), pause });
            }
            why = attempt.why;
        }
        Ok(Round::Failed {
            why,
            not_before,
            not_trusted: last_refusal.filter(|_| refused == count),
        })
    }

    /// One connection, from its first packet to its end.
    async fn attempt(&mut self, target: &Target, others: bool) -> Result<Attempt, ClientError> {
        let (remote, address) = (target.remote.clone(), target.address);
        (self.progress)(Progress::Connecting { remote, address });
        let mut warnings = Vec::new();
        let reachable = self.system.keep_reachable(address.ip(), &mut warnings).await;
        self.warn(warnings);
        reachable?;
        let link = match self.dial(target, others).await {
            Ok(link) => link,
            Err(why) => return Ok(Attempt { next: Next::Usual, why, was_up: false }),
        };
        let client = Client::start(
            self.system.queues(),
            link,
            address,
            self.client_settings(address.ip(), target.remote.transport),
            Arc::clone(&self.settings.clock),
        )?;
        self.client = Some(client);
        let attempt = self.follow(address, others).await;
        self.client = None;
        attempt
    }

    /// What leads to a server, or why nothing does.
    async fn dial(&self, target: &Target, others: bool) -> Result<Link, String> {
        let address = target.address;
        match target.remote.transport {
            Transport::Udp => match UdpSocket::connect(address) {
                Ok(socket) => Ok(Link::Udp(Arc::new(socket))),
                Err(error) => Err(format!("{address} can't be reached from here: {error}")),
            },
            Transport::Tcp => {
                let limit = self.first_packet_limit(others);
                let limit = limit.unwrap_or(self.settings.profile.timers.hand_window);
                match timeout(limit, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => Ok(Link::Tcp(stream)),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err(format!(
                        "no TCP connection to {address} within {} s (it may be off, or a firewall \
                         be in between)",
                        limit.as_secs()
                    )),
                }
            }
        }
    }

    async fn follow(&mut self, address: SocketAddr, others: bool) -> Result<Attempt, ClientError> {
        let limit = self.first_packet_limit(others);
        let (mut answered, mut unchanged) = (false, false);
        let mut up_since = None;
        let mut addresses = Vec::new();
        loop {
            let Some(client) = &mut self.client else { return Ok(Attempt::cut_off(up_since)) };
            let event = match limit.filter(|_| !answered) {
                Some(limit) => match timeout(limit, client.event()).await {
                    Ok(event) => event,
                    Err(_) => return Ok(Attempt::unanswered(address, limit)),
                },
                None => client.event().await,
            };
            match event {
                Some(ClientEvent::Answered) => answered = true,
                Some(ClientEvent::Pushed(reply)) => {
                    (unchanged, addresses) = self.set_up(&reply, address.ip()).await?;
                }
                Some(ClientEvent::Established(cipher)) => {
                    up_since = Some(self.settings.clock.now().boot);
                    (self.progress)(Progress::Connected(Connected {
                        server: address,
                        interface: self.system.interface().to_owned(),
                        addresses: addresses.clone(),
                        cipher,
                        unchanged,
                    }));
                }
                Some(ClientEvent::Renegotiated) => (self.progress)(Progress::Renegotiated),
                Some(ClientEvent::Ended(ending)) => {
                    let now = self.settings.clock.now().boot;
                    let up_for = up_since.map(|since| now.saturating_sub(since));
                    return Attempt::ended(&ending, up_for);
                }
                None => return Ok(Attempt::cut_off(up_since)),
            }
        }
    }

    /// Whether the interface stayed as it was, and its addresses.
    async fn set_up(
        &mut self,
        reply: &PushReply,
        server: IpAddr,
    ) -> Result<(bool, Vec<IpAddr>), ClientError> {
        let profile = &self.settings.profile;
        let wishes = Wishes {
            own: &profile.options,
            pushed: &reply.options,
            filters: &profile.filters,
            route_nopull: profile.route_nopull,
            tun_mtu: profile.tun_mtu,
        };
        let outside = self.system.outside(server).await;
        let (mut plan, mut warnings) =
            Plan::make(wishes, outside).map_err(ClientError::PushUnusable)?;
        if !self.settings.set_dns {
            plan.dns = None;
        }
        let addresses = plan.addresses.iter().map(|address| address.address).collect();
        let unchanged = self.system.set_up(plan, server, &mut warnings).await;
        self.warn(warnings);
        Ok((unchanged?, addresses))
    }

    /// The addresses to try, in order; the server that was up last comes first.
    async fn targets(&mut self, first: Option<Target>, rounds: u32) -> Vec<Target> {
        let mut targets: Vec<Target> = first.into_iter().collect();
        for remote in &self.settings.profile.remotes {
            for ip in self.addresses(remote, rounds).await {
                let address = SocketAddr::new(ip, remote.port);
                let known = |target: &Target| {
                    target.address == address && target.remote.transport == remote.transport
                };
                if !targets.iter().any(known) {
                    targets.push(Target { remote: remote.clone(), address });
                }
            }
        }
        targets
    }

    async fn addresses(&mut self, remote: &Remote, rounds: u32) -> Vec<IpAddr> {
        if let Ok(ip) = remote.host.parse::<IpAddr>() {
            return vec![ip];
        }
        let known = self.known.get(&remote.host).cloned().unwrap_or_default();
        // In the first round after a tunnel broke, names may be asked of servers behind it.
        if self.system.is_set_up() && rounds == 0 && !known.is_empty() {
            return known;
        }
        let found = tokio::net::lookup_host((remote.host.as_str(), remote.port));
        let why = match timeout(LOOKUP, found).await {
            Ok(Ok(found)) => {
                let mut addresses: Vec<IpAddr> =
                    found.map(|found| found.ip()).filter(|ip| remote.family.has(*ip)).collect();
                addresses.dedup();
                if !addresses.is_empty() {
                    self.known.insert(remote.host.clone(), addresses.clone());
                    return addresses;
                }
                "it has no address of the wanted kind".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no name server answered".to_owned(),
        };
        self.warn(vec![Warning::NotFound { remote: remote.clone(), why }]);
        known
    }

    /// With other servers to try, a silent one is left soon.
    fn first_packet_limit(&self, others: bool) -> Option<Duration> {
        let chosen = self.settings.profile.retry.first_packet.filter(|limit| !limit.is_zero());
        chosen.or(others.then_some(FIRST_PACKET))
    }

    fn client_settings(&self, server: IpAddr, transport: Transport) -> ClientSettings {
        let profile = &self.settings.profile;
        let tunnel = match transport {
            Transport::Udp => &self.tunnel.udp,
            Transport::Tcp => &self.tunnel.tcp,
        };
        ClientSettings {
            tunnel: Arc::clone(tunnel),
            mssfix: profile.mssfix.outer_limit(profile.tun_mtu, server, transport),
            nice: NICE,
            ping_restart: profile.timers.ping_restart,
        }
    }

    fn warn(&mut self, warnings: Vec<Warning>) {
        for warning in warnings {
            (self.progress)(Progress::Warning(warning));
        }
    }

    /// Says goodbye and undoes everything.
    async fn finish(mut self, by: EndedBy) {
        if let Some(mut client) = self.client.take() {
            client.close();
            // A server that does not acknowledge the goodbye does not hold up the end.
            let _ = timeout(GOODBYE, async { while client.event().await.is_some() {} }).await;
        }
        let left = self.system.close().await;
        let clean = left.is_empty();
        for warning in left {
            (self.progress)(Progress::Warning(warning));
        }
        if clean {
            (self.progress)(Progress::Ended(by));
        }
    }
}

impl Attempt {
    fn ended(ending: &Ending, up_for: Option<Duration>) -> Result<Self, ClientError> {
        let (why, was_up) = (ending.to_string(), up_for.is_some());
        let next = match next(ending) {
            Next::GiveUp(error) => return Err(error),
            // A server that sends everybody away at once is not asked again without a pause.
            Next::AtOnce if up_for.is_some_and(|time| time < SHORT) => Next::Usual,
            next => next,
        };
        Ok(Self { next, why, was_up })
    }

    fn unanswered(address: SocketAddr, limit: Duration) -> Self {
        let why = format!(
            "{address} did not answer for {} s (it may be off, a firewall may be in between, or the \
             tls-auth key be a wrong one)",
            limit.as_secs()
        );
        Self { next: Next::Usual, why, was_up: false }
    }

    fn cut_off(up_since: Option<Duration>) -> Self {
        let why = "the connection's task ended".to_owned();
        Self { next: Next::Usual, why, was_up: up_since.is_some() }
    }
}

impl TunnelConfigs {
    fn new(profile: &Profile, clock: &Arc<dyn Clock>) -> Result<Self, ProfileError> {
        let udp = tunnel_config(profile, clock)?;
        let options = options(profile, true).to_string();
        let tcp = ClientConfig { options, ..udp.clone() };
        Ok(Self { udp: Arc::new(udp), tcp: Arc::new(tcp) })
    }
}

/// What every connection of this profile over UDP is made with.
///
/// # Errors
/// When the profile's CA or identity can't be used.
pub fn tunnel_config(
    profile: &Profile,
    clock: &Arc<dyn Clock>,
) -> Result<ClientConfig, ProfileError> {
    let fail = |kind| ProfileError::new(&profile.file, None, kind);
    let verifier = ServerNameVerifier::new(&profile.ca, profile.name.clone())
        .map_err(|error| fail(ProfileErrorKind::UnusableCa(error)))?;
    let time = Arc::new(ClockTime(Arc::clone(clock)));
    let mut tls = pki::client_config(verifier, Some(Arc::clone(&profile.identity)), time)
        .map_err(|error| fail(ProfileErrorKind::Tls(error.to_string())))?;
    tunnel::prepare_client(&mut tls);
    let wrap = match &profile.tls_auth {
        Some((key, direction)) => {
            ControlWrap::TlsAuth(Box::new(TlsAuth::new(key, *direction, profile.auth)))
        }
        None => ControlWrap::Plain,
    };
    Ok(ClientConfig {
        tls: Arc::new(tls),
        wrap: Arc::new(wrap),
        timing: Timing {
            hand_window: profile.timers.hand_window,
            tran_window: profile.timers.tran_window,
            renegotiate: profile.timers.reneg,
            ..Timing::default()
        },
        ciphers: profile.ciphers.clone(),
        options: options(profile, false).to_string(),
        username: String::new(),
        password: zeroize::Zeroizing::default(),
        version: concat!("handfast_", env!("CARGO_PKG_VERSION")).to_owned(),
        platform: "linux".to_owned(),
        peer_info: profile.peer_info.clone(),
    })
}

fn options(profile: &Profile, tcp: bool) -> Options {
    Options {
        role: Role::TlsClient,
        tun_mtu: profile.tun_mtu,
        tcp,
        cipher: None,
        auth: profile.auth,
        tls_auth: profile.tls_auth.as_ref().map(|(_, direction)| *direction),
    }
}

/// The priority of the thread that carries packets, where the system allows it.
const NICE: i32 = -6;
/// The longest wait for the resolver.
const LOOKUP: Duration = Duration::from_secs(10);
/// The wait for a server's first packet while there are others to try.
const FIRST_PACKET: Duration = Duration::from_secs(10);
/// A connection that was up for less than this was none.
const SHORT: Duration = Duration::from_secs(5);
/// The wait for the acknowledgement of a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
