//! A virtual server in force: its settings, and what was made of them.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::{KeyLog, ServerConfig};

use crate::certificates::SiteKeys;
use crate::chain::Chain;
use crate::doorstep::Doorstep;
use crate::means::Means;
use crate::policy::Policy;
use crate::room::Room;
use crate::settings::VirtualServer;
use crate::terms;
use crate::tickets::Tickets;
use crate::ways::Ways;
use crate::web_site::WebSite;

/// A virtual server in force.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) settings: VirtualServer,
    pub(crate) policy: Arc<Policy>,
    pub(crate) keys: Arc<SiteKeys>,
    tls: ServerConfig,
    /// For clients that have the hybrid group.
    hybrid: ServerConfig,
    pub(crate) tickets: Option<Arc<Tickets>>,
    /// What is done with requests, where it is HTTP that is spoken.
    pub(crate) web: Option<Arc<WebSite>>,
    /// The way to where its bytes go, where it is none.
    pub(crate) ways: Option<Arc<Ways>>,
    /// For the connections that it may have.
    pub(crate) room: Arc<Room>,
    /// For strangers whom its backend has greeted.
    pub(crate) doorstep: Doorstep,
}

impl Site {
    /// Made of these settings; of the `former` one of that name what goes on.
    pub(crate) fn new(
        settings: &VirtualServer,
        means: &Means,
        former: Option<&Arc<Site>>,
    ) -> Result<Self, rustls::Error> {
        let (directory, verifier) = (Arc::clone(&means.directory), Arc::clone(&means.verifier));
        let policy = Arc::new(Policy::new(settings, directory, verifier));
        let keys = means.keyring.of(settings.label());
        let tickets = former.filter(|former| former.asks_the_same(settings));
        let tickets = match tickets {
            Some(former) => former.tickets.clone(),
            None => tickets_for(settings, means),
        };
        let made_by = |provider: &Arc<CryptoProvider>| {
            let (policy, clock) = (Arc::clone(&policy), Arc::clone(&means.clock));
            let resumes = tickets.is_some();
            terms::server_config(provider, &settings.protocols(), policy, resumes, clock)
        };
        let (tls, hybrid) = (made_by(&terms::PROVIDER)?, made_by(&terms::HYBRID_PROVIDER)?);
        let room = match former {
            Some(former) if former.settings.max_connections == settings.max_connections => {
                Arc::clone(&former.room)
            }
            _ => Arc::new(Room::of(settings.max_connections)),
        };
        let web = match former {
            // With its connections to backends.
            Some(former) if goes_on(&former.settings, settings) => former.web.clone(),
            former => {
                let former = former.and_then(|former| former.web.as_deref());
                WebSite::of(settings, means, former)
            }
        };
        let ways = match former {
            // With what is known of each.
            Some(former) if goes_on(&former.settings, settings) => former.ways.clone(),
            _ => ways(settings, means).map(Arc::new),
        };
        let doorstep = former.map_or_else(Doorstep::new, |former| former.doorstep.clone());
        let settings = settings.clone();
        Ok(Self { settings, policy, keys, tls, hybrid, tickets, web, ways, room, doorstep })
    }

    /// What one handshake is made with, and what it will know; its secrets go to `key_log`.
    pub(crate) fn tls(
        &self,
        is_hybrid: bool,
        key_log: Option<Arc<dyn KeyLog>>,
    ) -> (Arc<ServerConfig>, Arc<Chain>) {
        let mut tls = if is_hybrid { self.hybrid.clone() } else { self.tls.clone() };
        if let Some(key_log) = key_log {
            tls.key_log = key_log;
        }
        let chain = Arc::new(Chain::new(&self.keys, self.tickets.as_ref()));
        tls.cert_resolver = Arc::clone(&chain) as _;
        tls.ticketer = Arc::clone(&chain) as _;
        (Arc::new(tls), chain)
    }

    /// The same for a connection beside a first one. A session of that may go on there; who sends a file reads nothing, and
    /// what it has not read when it closes would cost it the end of the file.
    pub(crate) fn tls_beside(
        &self,
        is_hybrid: bool,
        key_log: Option<Arc<dyn KeyLog>>,
    ) -> (Arc<ServerConfig>, Arc<Chain>) {
        let (tls, chain) = self.tls(is_hybrid, key_log);
        let mut tls = Arc::unwrap_or_clone(tls);
        tls.send_tls13_tickets = 0;
        (Arc::new(tls), chain)
    }

    /// Whether a session that began under the former settings may go on under these.
    fn asks_the_same(&self, other: &VirtualServer) -> bool {
        let own = &self.settings;
        own.clients == other.clients
            && own.users == other.users
            && own.alpn == other.alpn
            && own.ticket_seconds == other.ticket_seconds
            && own.max_age_seconds == other.max_age_seconds
    }
}

/// Whether what has its requests stays as it is. Files and CAs by which backends are known may be others by now.
fn goes_on(former: &VirtualServer, settings: &VirtualServer) -> bool {
    former == settings && !settings.default && !settings.reaches_by_tls()
}

fn ways(settings: &VirtualServer, means: &Means) -> Option<Ways> {
    let services = settings.services();
    let backends = &services.first()?.backends;
    Ways::new(backends, &settings.backend_tls, means.verifier.cas(), &means.clock)
}

fn tickets_for(settings: &VirtualServer, means: &Means) -> Option<Arc<Tickets>> {
    let life = settings.ticket_seconds;
    let life = (life > 0).then(|| Duration::from_secs(life.into()))?;
    let age = settings.max_age().unwrap_or(A_DAY);
    Some(Arc::new(Tickets::new(life, age, Arc::clone(&means.clock))))
}

/// For so long a session goes on where connections do without end.
const A_DAY: Duration = Duration::from_secs(86_400);
