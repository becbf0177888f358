//! The door itself: opened with settings, means and a directory; replaced while it is open.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use clock::Clock;
use pki::GatewayVerifier;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::certificates::Keyring;
use crate::directory::Directory;
use crate::listen::BindError;
use crate::listener::Listener;
use crate::log::Log;
use crate::means::Means;
use crate::neighbours::Neighbours;
use crate::registry::{Info, Kick};
use crate::settings::{Listen, Settings};
use crate::shared::Shared;
use crate::sockets::Sockets;
use crate::state::{self, ServerState};
use crate::sums::Sums;
use crate::sweeper;
use crate::table::Table;

/// The door. Dropping it closes its sockets; connections go on for as long as the runtime does.
#[derive(Debug)]
pub struct Front {
    shared: Arc<Shared>,
    listeners: Mutex<Vec<Listener>>,
    sweeper: AbortHandle,
    runtime: Handle,
}

/// Why the settings can't be put in force.
#[derive(Debug)]
pub struct OpenError(rustls::Error);

impl Front {
    /// Opens the door; addresses that can't be had are told beside it. Needs a tokio runtime, on which all of it runs.
    ///
    /// # Errors
    /// When the TLS library takes none of our settings.
    pub fn open(
        settings: &Settings,
        keyring: Keyring,
        directory: Arc<dyn Directory>,
        neighbours: Arc<dyn Neighbours>,
        sockets: Arc<dyn Sockets>,
        verifier: Arc<GatewayVerifier>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<BindError>), OpenError> {
        let shared = Arc::new(Shared {
            table: ArcSwap::default(),
            directory,
            neighbours,
            sockets,
            keyring,
            clock,
            connections: Arc::default(),
            log: Log::default(),
            failures: Default::default(),
        });
        let sweeper = tokio::spawn(sweeper::sweep(Arc::clone(&shared))).abort_handle();
        let (listeners, runtime) = (Mutex::default(), Handle::current());
        let front = Self { shared, listeners, sweeper, runtime };
        let faults = front.replace(settings, verifier)?;
        Ok((front, faults))
    }

    /// Puts other settings in force, or other CAs. Connections stay; addresses that can't be had are told.
    ///
    /// # Errors
    /// When the TLS library takes none of our settings; the former ones stay in force.
    pub fn replace(
        &self,
        settings: &Settings,
        verifier: Arc<GatewayVerifier>,
    ) -> Result<Vec<BindError>, OpenError> {
        let means = Means {
            keyring: self.shared.keyring.clone(),
            directory: Arc::clone(&self.shared.directory),
            verifier,
            clock: Arc::clone(&self.shared.clock),
            runtime: self.runtime.clone(),
            names: settings.server.iter().flat_map(|server| server.names.clone()).collect(),
        };
        // One at a time, so that no table is made of one that is over.
        let mut listeners = self.listeners();
        let former = self.shared.table.load_full();
        let table = Table::new(settings, &means, &former).map_err(OpenError)?;
        self.shared.table.store(Arc::new(table));
        // A CA may be trusted no longer, which is no change of the records.
        let directory = &self.shared.directory;
        self.shared.connections.look(|id| directory.recheck(id));
        listeners.retain(|open| settings.listen.iter().any(|listen| listen.address == open.asked));
        let opened = settings.listen.iter().map(|listen| self.listen(&mut listeners, listen));
        Ok(opened.filter_map(Result::err).collect())
    }

    fn listen(&self, listeners: &mut Vec<Listener>, listen: &Listen) -> Result<(), BindError> {
        if let Some(open) = listeners.iter().find(|open| open.asked == listen.address) {
            open.replace(listen);
            return Ok(());
        }
        let _on_it = self.runtime.enter();
        listeners.push(Listener::open(listen, &self.shared)?);
        Ok(())
    }

    /// Where it listens, with the ports that were chosen where none was named.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners().iter().map(|listener| listener.address).collect()
    }

    /// Where this one listens, if it could be had.
    pub fn address_of(&self, listen: &Listen) -> Option<SocketAddr> {
        let listeners = self.listeners();
        let open = listeners.iter().find(|open| open.asked == listen.address);
        open.map(|listener| listener.address)
    }

    /// Who is connected, in the order of their numbers.
    pub fn connections(&self) -> Vec<Arc<Info>> {
        self.shared.connections.infos()
    }

    /// How many connections to each server came in under former settings, and would not under the present ones.
    pub fn overstayed(&self) -> BTreeMap<String, usize> {
        let table = self.shared.table.load();
        let mut overstayed = BTreeMap::new();
        for info in self.connections() {
            let holder = info.client.as_ref().map(|(holder, _)| holder);
            if !table.lets_in(&info.server, holder) {
                *overstayed.entry(info.server.clone()).or_default() += 1;
            }
        }
        overstayed
    }

    /// Closes connections, and gives them once they are closed.
    pub async fn kick(&self, whom: &Kick) -> Vec<Arc<Info>> {
        self.shared.connections.kick(whom).await
    }

    /// What connections carried since it was opened.
    pub fn sums(&self) -> Sums {
        self.shared.connections.sums()
    }

    /// The virtual servers in force, by name.
    pub fn servers(&self) -> Vec<ServerState> {
        let (table, failures) = (self.shared.table.load(), &self.shared.failures);
        state::of(table.sites(), &self.connections(), failures, self.shared.clock.now().boot)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.sweeper.abort();
        self.shared.log.finish();
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the TLS library refuses these settings: {}", self.0)
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
