//! One connection: from a server's address to the end, and what this machine does meanwhile.
//!
//! It decides nothing about what follows. The interface and its routes stay when it is over, so that
//! nothing leaves beside the tunnel until the next one is up. A machine that changes its network takes
//! the session along.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clock::Now;
use engine::{Client, ClientEvent, ClientSettings, Link};
use sysio::UdpSocket;
use sysio::netlink::NetworkWatch;
use tokio::time::{Instant, sleep_until, timeout};
use wire::cipher::Cipher;
use wire::mtu::Transport;
use wire::push::PushReply;

use crate::ClientError;
use crate::attempt::Attempt;
use crate::events::{Connected, Progress, Warning};
use crate::settings::ConnectSettings;
use crate::signals::{Ask, Asks};
use crate::standing::ServerCheck;
use crate::statistics::Statistics;
use crate::system::{Plan, System, SystemError, Way, Wishes};
use crate::target::Target;
use crate::tunnel_config::TunnelConfigs;

/// What connections are made with, one after the other.
pub(crate) struct Connector<'a, P> {
    settings: &'a ConnectSettings,
    tunnel: TunnelConfigs,
    pub(crate) system: System,
    watch: NetworkWatch,
    client: Option<Client>,
    /// What leads to the server over UDP.
    socket: Option<Arc<UdpSocket>>,
    /// How packets leave for the server that is tried or connected to.
    way: Option<Way>,
    names: NamesCheck,
    standing: ServerCheck,
    asks: Asks,
    progress: P,
    /// What is tried again and again is not told each time.
    pub(crate) is_quiet: bool,
}

/// What happened during a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rested {
    /// It is over.
    Whole,
    /// The network changed, or somebody asked for a connection.
    Woken,
}

/// A connection that is followed, from its first packet on.
struct Followed<'t> {
    target: &'t Target,
    /// When the server must have answered.
    answer_by: Option<Instant>,
    answered: bool,
    /// When a change of the network has come to rest.
    settled: Option<Instant>,
    unchanged: bool,
    addresses: Vec<IpAddr>,
    up: Option<Up>,
}

impl<'t> Followed<'t> {
    fn new(target: &'t Target, limit: Option<Duration>) -> Self {
        let answer_by = limit.and_then(|limit| Instant::now().checked_add(limit));
        let (settled, up, addresses) = (None, None, Vec::new());
        Self { target, answer_by, answered: false, settled, unchanged: false, addresses, up }
    }
}

/// A tunnel that is up: to whom, since when, and how often its keys were renewed.
#[derive(Clone, Copy, Debug)]
struct Up {
    server: SocketAddr,
    since: Now,
    renewals: u64,
}

/// What is looked at next.
enum Turn {
    /// Something happened to the connection; none, if its task is gone.
    Event(Option<ClientEvent>),
    Ask(Ask),
    Unanswered,
    /// Nobody listens there.
    Refused,
    NetworkChanged,
    NetworkSettled,
    NamesDue,
    StandingDue,
    /// Over the server's standing.
    RenewalRefused,
}

/// When the name servers are looked at next.
struct NamesCheck {
    due: Instant,
    pause: Duration,
}

impl<'a, P: FnMut(Progress) + Send> Connector<'a, P> {
    pub(crate) fn new(
        settings: &'a ConnectSettings,
        system: System,
        asks: Asks,
        progress: P,
    ) -> Result<Self, ClientError> {
        let standing = ServerCheck::new(settings);
        let standings = standing.standings();
        Ok(Self {
            settings,
            tunnel: TunnelConfigs::new(&settings.profile, &settings.clock, standings)?,
            system,
            watch: NetworkWatch::open().map_err(SystemError::Netlink)?,
            client: None,
            socket: None,
            way: None,
            names: NamesCheck { due: Instant::now() + NAMES_PAUSE, pause: NAMES_PAUSE },
            standing,
            asks,
            progress,
            is_quiet: false,
        })
    }

    /// One connection, from its first packet to its end. `limit` is the wait for an answer.
    pub(crate) async fn attempt(
        &mut self,
        target: &Target,
        limit: Option<Duration>,
    ) -> Result<Attempt, ClientError> {
        let (remote, address) = (target.remote.clone(), target.address);
        self.tell_of_try(Progress::Connecting { remote, address });
        match self.system.keep_reachable(address.ip()).await {
            Err(error) if error.is_denied() => return Err(error.into()),
            Err(error) => return Ok(Attempt::unreachable(error.to_string())),
            Ok(()) => {}
        }
        self.way = self.system.way_to(address.ip()).await;
        let within = limit.unwrap_or(self.settings.profile.timers.hand_window);
        let link = match target.dial(within).await {
            Ok(link) => link,
            Err(undialled) => return Ok(Attempt::unreachable(undialled.why)),
        };
        self.socket = match &link {
            Link::Udp(socket) => Some(Arc::clone(socket)),
            Link::Tcp(_) => None,
        };
        self.standing.begin();
        let client = Client::start(
            self.system.queues(),
            link,
            address,
            self.client_settings(address.ip(), target.remote.transport),
            Arc::clone(&self.settings.clock),
        )?;
        self.client = Some(client);
        let attempt = self.follow(target, limit).await;
        self.client = None;
        attempt
    }

    async fn follow(
        &mut self,
        target: &Target,
        limit: Option<Duration>,
    ) -> Result<Attempt, ClientError> {
        let mut followed = Followed::new(target, limit);
        loop {
            let ended = match self.turn(&followed).await {
                Turn::Event(event) => self.take_event(event, &mut followed).await?,
                Turn::Ask(Ask::Statistics) => {
                    self.tell_statistics(followed.up).await;
                    None
                }
                Turn::Ask(Ask::Reconnect) => {
                    self.say_goodbye().await;
                    Some(Attempt::asked(followed.up.is_some()))
                }
                Turn::Unanswered => {
                    Some(Attempt::unanswered(target.address, limit.unwrap_or_default()))
                }
                Turn::Refused => Some(Attempt::refused(target.address)),
                Turn::NetworkChanged => {
                    followed.settled.get_or_insert(Instant::now() + SETTLES);
                    None
                }
                Turn::NetworkSettled => self.take_network(&mut followed).await,
                Turn::NamesDue => {
                    self.keep_names();
                    None
                }
                Turn::StandingDue => self.take_standing(&followed, BESIDE_DATA).await,
                Turn::RenewalRefused => self.take_refusal(&followed).await,
            };
            if let Some(attempt) = ended {
                return Ok(attempt);
            }
        }
    }

    /// Waits for what has to be looked at next.
    async fn turn(&mut self, followed: &Followed<'_>) -> Turn {
        let Some(client) = &mut self.client else { return Turn::Event(None) };
        tokio::select! {
            biased;
            event = client.event() => Turn::Event(event),
            ask = self.asks.next() => Turn::Ask(ask),
            () = passed(followed.answer_by) => Turn::Unanswered,
            () = refused(self.socket.as_deref()), if !followed.answered => Turn::Refused,
            () = self.watch.changed() => Turn::NetworkChanged,
            () = passed(followed.settled) => Turn::NetworkSettled,
            () = sleep_until(self.names.due) => Turn::NamesDue,
            () = passed(self.standing.due()) => Turn::StandingDue,
            () = self.standing.refused() => Turn::RenewalRefused,
        }
    }

    async fn take_event(
        &mut self,
        event: Option<ClientEvent>,
        followed: &mut Followed<'_>,
    ) -> Result<Option<Attempt>, ClientError> {
        match event {
            Some(ClientEvent::Answered) => {
                (followed.answer_by, followed.answered) = (None, true);
            }
            Some(ClientEvent::Pushed(reply)) => {
                if let Some(refused) = self.take_standing(followed, BEFORE_DATA).await {
                    return Ok(Some(refused));
                }
                self.standing.data_pass();
                self.client.iter().for_each(Client::pass_data);
                let server = followed.target.address.ip();
                (followed.unchanged, followed.addresses) = self.set_up(&reply, server).await?;
            }
            Some(ClientEvent::Established(cipher)) => self.take_established(cipher, followed),
            Some(ClientEvent::Renegotiated) => {
                followed.up.iter_mut().for_each(|up| up.renewals += 1);
                (self.progress)(Progress::Renegotiated);
                return Ok(self.take_standing(followed, BESIDE_DATA).await);
            }
            Some(ClientEvent::Ended(ending)) => {
                let up_for = followed.up.map(|up| self.time_since(up.since));
                return Attempt::ended(&ending, up_for).map(Some);
            }
            None => return Ok(Some(Attempt::cut_off(followed.up.is_some()))),
        }
        Ok(None)
    }

    /// Whether the server's certificate still holds; where the connection is not to go on, how it ends. The
    /// session and the data that pass already go on meanwhile.
    async fn take_standing(&mut self, followed: &Followed<'_>, limit: Duration) -> Option<Attempt> {
        match self.standing.look(&self.system, limit).await {
            Ok(warnings) => {
                self.warn(warnings);
                if followed.up.is_some() && self.standing.takes_wish_for_staple() {
                    self.client.iter().for_each(Client::renegotiate);
                }
                None
            }
            Err(unsettled) => {
                self.say_goodbye().await;
                Some(Attempt::unsettled(unsettled, followed.up.is_some()))
            }
        }
    }

    /// Where it was the server itself that was refused, and it is settled by now, the connection is made anew:
    /// stock servers begin no other renewal for a minute after one that failed.
    async fn take_refusal(&mut self, followed: &Followed<'_>) -> Option<Attempt> {
        let was_open = self.standing.is_open();
        let ended = self.take_standing(followed, BESIDE_DATA).await;
        if ended.is_none() && was_open && !self.standing.is_open() {
            self.say_goodbye().await;
            return Some(Attempt::to_be_vouched_for(followed.up.is_some()));
        }
        ended
    }

    fn take_established(&mut self, cipher: Option<Cipher>, followed: &mut Followed<'_>) {
        let (server, since) = (followed.target.address, self.settings.clock.now());
        followed.up = Some(Up { server, since, renewals: 0 });
        self.is_quiet = false;
        (self.progress)(Progress::Connected(Connected {
            server,
            interface: self.system.interface().to_owned(),
            addresses: followed.addresses.clone(),
            cipher,
            unchanged: followed.unchanged,
        }));
    }

    /// The network has changed and come to rest.
    async fn take_network(&mut self, followed: &mut Followed<'_>) -> Option<Attempt> {
        followed.settled = None;
        match self.follow_network(followed.target, followed.up.is_some()).await {
            Network::Same => None,
            Network::Unsettled => {
                followed.settled = Some(Instant::now() + LOOKS_AGAIN);
                None
            }
            Network::Other => Some(Attempt::of_another_network(followed.up.is_some())),
        }
    }

    /// Routes past the tunnel follow the network, and so does a session over UDP that is up.
    async fn follow_network(&mut self, target: &Target, is_up: bool) -> Network {
        let server = target.address.ip();
        if self.system.keep_reachable(server).await.is_err() {
            // A gateway whose network is not there yet, for instance.
            return Network::Unsettled;
        }
        let Some(way) = self.system.way_to(server).await else {
            if self.way.take().is_some() {
                self.warn(vec![Warning::NoNetwork]);
            }
            return Network::Same;
        };
        let Some(client) = &self.client else { return Network::Same };
        let stays = match client.local_address() {
            Some(local) => self.system.has_address(local).await,
            None => false,
        };
        if self.way == Some(way) && stays {
            return Network::Same;
        }
        if target.remote.transport == Transport::Tcp || !is_up {
            return Network::Other;
        }
        if client.rebind().is_err() {
            return Network::Unsettled;
        }
        self.way = Some(way);
        let interface = self.system.interface_of(way).await.unwrap_or_default();
        (self.progress)(Progress::Moved { interface });
        Network::Same
    }

    /// Waits before another round, and answers who asks meanwhile. A network that comes up or changes
    /// ends the wait.
    pub(crate) async fn rest(&mut self, pause: Duration, targets: &[IpAddr]) -> Rested {
        let over = Instant::now().checked_add(pause);
        let mut before = self.ways(targets).await;
        let mut settled = None;
        loop {
            tokio::select! {
                () = passed(over) => return Rested::Whole,
                ask = self.asks.next() => match ask {
                    Ask::Statistics => self.tell_statistics(None).await,
                    Ask::Reconnect => return Rested::Woken,
                },
                () = self.watch.changed() => {
                    settled.get_or_insert(Instant::now() + SETTLES);
                }
                () = passed(settled) => {
                    settled = None;
                    let ways = self.ways(targets).await;
                    if ways != before && ways.iter().any(Option::is_some) {
                        return Rested::Woken;
                    }
                    before = ways;
                }
                () = sleep_until(self.names.due) => self.keep_names(),
            }
        }
    }

    /// The ways to servers, and to the world, should no server have an address yet.
    async fn ways(&self, targets: &[IpAddr]) -> Vec<Option<Way>> {
        let mut ways = Vec::new();
        for to in targets.iter().copied().chain(ANYWHERE) {
            ways.push(self.system.way_to(to).await);
        }
        ways
    }

    /// Name servers that others overwrite again and again are set more and more rarely.
    fn keep_names(&mut self) {
        let mut warnings = Vec::new();
        let again = self.system.keep_names(&mut warnings);
        self.warn(warnings);
        let longer = self.names.pause.saturating_mul(2).min(LONGEST_NAMES_PAUSE);
        let pause = if again { longer } else { NAMES_PAUSE };
        self.names = NamesCheck { due: Instant::now() + pause, pause };
    }

    /// Tells what the present connection has carried and lost.
    async fn tell_statistics(&mut self, up: Option<Up>) {
        let statistics = match (&self.client, up) {
            (Some(client), Some(up)) => Some(Box::new(Statistics {
                server: up.server,
                since: up.since.into(),
                lasting: self.time_since(up.since),
                renewals: up.renewals,
                figures: client.figures().await,
            })),
            _ => None,
        };
        (self.progress)(Progress::Statistics(statistics));
    }

    fn time_since(&self, earlier: Now) -> Duration {
        self.settings.clock.now().boot.saturating_sub(earlier.boot)
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

    fn client_settings(&self, server: IpAddr, transport: Transport) -> ClientSettings {
        let profile = &self.settings.profile;
        let tunnel = self.tunnel.over(transport);
        ClientSettings {
            tunnel: Arc::clone(tunnel),
            mssfix: profile.mssfix.outer_limit(profile.tun_mtu, server, transport),
            mssfix_df: profile.mssfix.uncut_limit(),
            nice: NICE,
            ping_restart: profile.timers.ping_restart,
            holds_data: self.standing.holds_data(),
        }
    }

    pub(crate) fn warn(&mut self, warnings: Vec<Warning>) {
        for warning in warnings {
            (self.progress)(Progress::Warning(warning));
        }
    }

    /// Tells of one of many tries.
    pub(crate) fn tell_of_try(&mut self, progress: Progress) {
        if !self.is_quiet {
            (self.progress)(progress);
        }
    }

    /// A server that does not acknowledge the goodbye does not hold up the end.
    pub(crate) async fn say_goodbye(&mut self) {
        if let Some(mut client) = self.client.take() {
            client.close();
            let _ = timeout(GOODBYE, async { while client.event().await.is_some() {} }).await;
        }
    }

    /// Undoes everything, and says what stays.
    pub(crate) async fn close(self) -> (Vec<Warning>, P) {
        (self.system.close().await, self.progress)
    }
}

/// What a change of the network means for a connection.
enum Network {
    /// It goes on.
    Same,
    /// It can't be told yet.
    Unsettled,
    /// It has to be made anew.
    Other,
}

/// Completes at this time; never, if there is none.
async fn passed(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Completes when the server's machine has said that nobody listens there.
async fn refused(socket: Option<&UdpSocket>) {
    let Some(socket) = socket else { return std::future::pending().await };
    while !socket.was_refused() {
        tokio::time::sleep(REFUSAL_LOOK).await;
    }
}

/// How often it is looked whether the server's machine refused.
const REFUSAL_LOOK: Duration = Duration::from_millis(100);
/// The priority of the thread that carries packets, where the system allows it.
const NICE: i32 = -6;
/// How long it is asked whether a server's certificate was revoked, while data wait.
const BEFORE_DATA: Duration = Duration::from_secs(15);
/// The same while they pass: what is known is not stale yet.
const BESIDE_DATA: Duration = Duration::from_secs(5);
/// The wait for the acknowledgement of a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// Changes of a network come in bursts: links, addresses, routes.
const SETTLES: Duration = Duration::from_millis(250);
const LOOKS_AGAIN: Duration = Duration::from_secs(1);
/// How often the name servers are looked at.
const NAMES_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_NAMES_PAUSE: Duration = Duration::from_secs(60);
/// Addresses that nobody has, one of each family: the way there is the way to everywhere.
const ANYWHERE: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];
