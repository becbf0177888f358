//! The door as the gateway and its administration see it.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use admin::names::DeviceName;
use admin::request::KickTarget;
use admin::response::{Session, TlsServers};
use admin::transport::Transport;
use authority::Authority;
use clock::{Clock, Revision};
use explain::kept::OpenSession;
use front::{BindError, Front, Info, Kick, ServerState, Settings, Sockets};
use sysio::Inherited;
use tokio::sync::watch;
use tokio::time::sleep;

use super::certificates::{Certificates, Lack, SUBJECT};
use super::client_ports::ClientPorts;
use super::records::{Records, device_name};
use super::{counters, listing, told};
use crate::config::clash;
use crate::context::Context;
use crate::current_view::CurrentView;
use crate::desk::Desk;
use crate::doors::{BoxFuture, Counters, Door, Foreign, Unheard};
use crate::history::wall_time;
use crate::neighbours::Neighbours;
use crate::tls;

/// The door, open or to be opened.
#[derive(Debug)]
pub(super) struct TlsHandle {
    view: CurrentView,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    certificates: Certificates,
    client_ports: ClientPorts,
    records: Arc<Records>,
    keyring: front::Keyring,
    neighbours: Neighbours,
    sockets: DoorSockets,
    open: OnceLock<Front>,
    desk: Mutex<Option<Desk>>,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    of_addresses: Vec<Unheard>,
    of_certificates: Vec<Lack>,
}

impl TlsHandle {
    pub(super) fn new(at: &Context, certificates: Certificates) -> Self {
        Self {
            view: at.view.clone(),
            authority: Arc::clone(&at.authority),
            clock: Arc::clone(&at.clock),
            certificates,
            client_ports: ClientPorts::new(at),
            records: Arc::new(Records::of(at)),
            keyring: at.keyring.clone(),
            neighbours: at.neighbours.clone(),
            sockets: DoorSockets(at.inherited.clone()),
            open: OnceLock::new(),
            desk: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    pub(super) fn revisions(&self) -> watch::Receiver<Revision> {
        self.view.revisions()
    }

    /// Certificates first, so that no client comes before there is one.
    pub(super) async fn open(&self) {
        self.certificates.files_follow().await;
        self.certificates_follow().await;
        self.listen();
        self.client_ports_follow().await;
    }

    /// Again, as their addresses or files may be there by now.
    pub(super) async fn client_ports_follow(&self) {
        self.client_ports.follow(&self.settings().client).await;
    }

    /// Who is let in comes first, and waits for no certificate.
    async fn settings_follow(&self) {
        self.listen();
        self.client_ports_follow().await;
        self.certificates.files_follow().await;
        self.certificates_follow().await;
        self.certificates.ordered().forgive();
        self.listen_again().await;
    }

    /// Where an address could not be had: a socket of our own that was closed a moment ago may have had it, and an
    /// address may come with its interface.
    pub(super) async fn listen_again(&self) {
        if !self.faults().of_addresses.is_empty() {
            sleep(CLOSES).await;
            self.listen();
        }
    }

    pub(super) async fn certificates_follow(&self) {
        let faults = self.certificates.follow().await;
        self.faults().of_certificates = faults;
    }

    /// The same where files of certificates have changed.
    pub(super) async fn files_follow(&self) {
        if self.certificates.files_follow().await {
            self.certificates_follow().await;
        }
    }

    /// Orders a certificate from another CA, if one is due. Gives how long to wait for the next.
    pub(super) async fn order(&self) -> Duration {
        let config = Arc::clone(&self.view.policy().config);
        let looked = self.certificates.ordered().look(&config).await;
        if looked.news {
            self.certificates_follow().await;
        }
        looked.pause
    }

    /// Waits until somebody may have mended what kept certificates from being ordered.
    pub(super) async fn may_be_mended(&self) {
        self.certificates.ordered().woken().await;
    }

    /// Puts settings and CAs in force as they are.
    fn listen(&self) {
        // Held from before they are read, so that whoever reads them later puts them in force later; and the door is
        // opened once.
        let mut place = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = self.settings();
        self.neighbours.send_to_https(&settings);
        if settings.listen.is_empty() && self.open.get().is_none() {
            return;
        }
        let faults = self.put_in_force(&settings, &mut place).unwrap_or_else(|what| {
            tracing::error!("{what}");
            vec![Unheard { subject: SUBJECT, what, mend: "mend that, and reload" }]
        });
        for fault in &faults {
            tracing::warn!("{}; {}", fault.what, fault.mend);
        }
        self.faults().of_addresses = faults;
    }

    fn put_in_force(
        &self,
        settings: &Settings,
        place: &mut Option<Desk>,
    ) -> Result<Vec<Unheard>, String> {
        let verifier = tls::verifier(&self.authority, &self.view);
        let verifier = verifier.map_err(|error| format!("the TLS door trusts no CA: {error}"))?;
        let refused = |error: front::OpenError| error.to_string();
        let faults = match self.open.get() {
            Some(front) => front.replace(settings, verifier).map_err(refused)?,
            None => {
                let desk = Desk::open("tls", threads());
                let desk = desk.map_err(|error| format!("no threads for the TLS door: {error}"))?;
                self.records.register();
                let (records, keyring) = (Arc::clone(&self.records), self.keyring.clone());
                let (clock, beside) = (Arc::clone(&self.clock), Arc::new(self.neighbours.clone()));
                let sockets = Arc::new(self.sockets.clone());
                let opened = desk.within(|| {
                    Front::open(settings, keyring, records, beside, sockets, verifier, clock)
                });
                let (front, faults) = opened.map_err(refused)?;
                *place = Some(desk);
                let addresses =
                    front.addresses().iter().map(ToString::to_string).collect::<Vec<_>>();
                tracing::info!(listen = addresses.join(" "), "virtual servers are reached");
                let _ = self.open.set(front);
                faults
            }
        };
        let said = |fault: BindError| Unheard {
            subject: SUBJECT,
            what: fault.to_string(),
            mend: self.mend_of(&fault),
        };
        Ok(faults.into_iter().map(said).collect())
    }

    /// The VPN listens where it did at the start, whatever the file says by now.
    fn mend_of(&self, fault: &BindError) -> &'static str {
        let vpn = self.view.policy().config.vpn.listen.clone();
        let mut over_tcp = vpn.iter().filter(|one| one.transport == Transport::Tcp);
        let is_the_vpns = over_tcp.any(|one| clash(one.address, fault.address));
        if fault.is_taken() && is_the_vpns { UNTIL_THE_START } else { fault.mend() }
    }

    /// Ends everything that the door runs.
    pub(super) fn close(&self) {
        drop(self.desk.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.client_ports.close();
    }

    fn settings(&self) -> Settings {
        self.view.policy().config.tls.clone().with_usual_port()
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn infos(&self) -> Vec<Arc<Info>> {
        self.open.get().map(Front::connections).unwrap_or_default()
    }

    fn session(&self, info: &Info) -> Session {
        let since = wall_time(self.clock.now(), info.since).whole_second();
        Session {
            id: info.number,
            device: device_of(info),
            transport: Transport::Tcp,
            source: info.source,
            local: Some(info.local),
            addresses: Vec::new(),
            cipher: info.secured.cipher.clone(),
            tls: info.secured.version.to_owned(),
            group: info.secured.group.clone(),
            keys_since: (!info.secured.version.is_empty()).then_some(since),
            client: format!("{} over TLS", info.server),
            serial: info.client.as_ref().map(|(_, id)| id.to_string()),
            since,
            renegotiated_at: None,
            bytes_in: info.traffic.incoming(),
            bytes_out: info.traffic.outgoing(),
        }
    }

    /// HTTP backends that are left out.
    fn unwell(&self) -> Vec<Unheard> {
        let servers = self.open.get().map(Front::servers).unwrap_or_default();
        let of = |state: ServerState| {
            let server = state.settings.label().to_owned();
            let unwell = state.backends.into_iter().filter_map(|one| Some((one.to, one.ailment?)));
            unwell.map(move |(to, ailment)| Unheard {
                subject: SUBJECT,
                what: format!("{to} behind {server} is left out: {ailment}"),
                mend: "start it, or take it out of the settings; it is tried again all the time",
            })
        };
        servers.into_iter().flat_map(of).collect()
    }

    /// Connections that stay though nobody would be let in so any longer: a reload drops none.
    fn overstayed(&self) -> Vec<Unheard> {
        let servers = self.open.get().map(Front::overstayed).unwrap_or_default();
        let said = |(server, count): (String, usize)| Unheard {
            subject: SUBJECT,
            what: format!("connections to {server} that would not be let in any longer: {count}"),
            mend: "close them: `handfast kick --server NAME`",
        };
        servers.into_iter().map(said).collect()
    }
}

/// Whose it is, where that is known.
fn device_of(info: &Info) -> Option<DeviceName> {
    info.client.as_ref().map(|(holder, _)| device_name(holder))
}

impl Door for TlsHandle {
    fn sessions(&self) -> BoxFuture<'_, Vec<Session>> {
        let infos = self.infos();
        Box::pin(async move { infos.iter().map(|info| self.session(info)).collect() })
    }

    fn open_session(&self, number: u64) -> BoxFuture<'_, Option<OpenSession>> {
        let info = self.infos().into_iter().find(|info| info.number == number);
        Box::pin(async move {
            let info = info?;
            let settings = self.settings();
            let of_it = settings.server.iter().find(|server| server.label() == info.server)?;
            Some(told::open_session(&info, of_it, self.clock.now()))
        })
    }

    fn kick<'a>(&'a self, target: &'a KickTarget) -> BoxFuture<'a, Vec<Option<DeviceName>>> {
        let whom = match target {
            KickTarget::User { name } => Kick::User(name.clone()),
            KickTarget::Device { device } => {
                Kick::Device(device.user.clone(), device.device.clone())
            }
            KickTarget::Session { id } => Kick::Number(*id),
            KickTarget::Server { name } => Kick::Server(name.clone()),
        };
        Box::pin(async move {
            let Some(front) = self.open.get() else { return Vec::new() };
            front.kick(&whom).await.iter().map(|info| device_of(info)).collect()
        })
    }

    fn virtual_servers(&self) -> Option<TlsServers> {
        let settings = self.settings();
        let all = self.open.get().map(|front| listing::of(front, &settings));
        let mut all = all.unwrap_or_default();
        for lack in &self.faults().of_certificates {
            let of_it = all.servers.iter_mut().filter(|server| server.name == lack.server);
            of_it.for_each(|server| server.problems.push(lack.fault.what.clone()));
        }
        all.clients = self.client_ports.listing();
        let is_any = self.open.get().is_some() || !all.clients.is_empty();
        is_any.then_some(all)
    }

    fn foreign(&self) -> Vec<Foreign> {
        self.certificates.foreign(&self.settings())
    }

    fn replace_tls(&self, _: &Arc<rustls::ServerConfig>) {
        self.listen();
    }

    fn settings_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.settings_follow())
    }

    fn changed(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { Vec::new() })
    }

    fn put_back(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn unheard(&self) -> Vec<Unheard> {
        let unwell = self.unwell().into_iter().chain(self.overstayed());
        let faults = self.faults();
        let of_certificates = faults.of_certificates.iter().map(|lack| &lack.fault);
        let lacking = faults.of_addresses.iter().chain(of_certificates).cloned();
        lacking.chain(unwell).chain(self.client_ports.faults()).collect()
    }

    fn counters(&self) -> BoxFuture<'_, Counters> {
        let counters = self.open.get().map(counters::of).unwrap_or_default();
        Box::pin(async move { counters })
    }
}

/// Those that were passed to this process.
#[derive(Clone, Debug)]
struct DoorSockets(Inherited);

impl Sockets for DoorSockets {
    fn listening_at(&self, address: SocketAddr) -> Option<TcpListener> {
        self.0.tcp(address)
    }
}

/// One for each core: a handshake is arithmetic.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS)
}

const MOST_THREADS: usize = 16;
const UNTIL_THE_START: &str = "this gateway's own VPN has it until the next start, as vpn.listen was then: restart the gateway";
/// For a socket of ours to be closed.
const CLOSES: Duration = Duration::from_millis(200);
