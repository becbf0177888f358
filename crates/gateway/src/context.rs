//! What operations, checks and doors work on: the handles of one data folder, as plain values.
//!
//! Not here: deeds, which each subject has for itself, and the folder's lock, which
//! [`Gateway`](crate::Gateway) holds. Invariant: all handles are of the same folder.

use std::sync::{Arc, Mutex};

use authority::Authority;
use clock::{Clock, Timestamp};
use front::Keyring;
use publish::Tokens;
use store::{Store, Verifier};
use sysio::Inherited;
use wire::static_key::StaticKey;

use crate::config::{Config, Vpn};
use crate::current_view::CurrentView;
use crate::data::DataDir;
use crate::doors::Doors;
use crate::error::GatewayError;
use crate::explained::Explained;
use crate::history::History;
use crate::hooks::Hooks;
use crate::metrics::Metrics;
use crate::neighbours::Neighbours;
use crate::projections::Projections;
use crate::replacements::Replacements;

/// The handles of one data folder.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) data: DataDir,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Store,
    /// What of the records is verified.
    pub(crate) verifier: Verifier,
    pub(crate) authority: Arc<Authority>,
    /// The key of the VPN's control channel.
    pub(crate) tls_auth: StaticKey,
    pub(crate) view: CurrentView,
    pub(crate) projections: Projections,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) replacements: Arc<Replacements>,
    pub(crate) doors: Doors,
    /// The doors that share ports with the TLS door.
    pub(crate) neighbours: Neighbours,
    /// The certificates of the virtual servers.
    pub(crate) keyring: Keyring,
    /// What another CA reads to find that their names are ours.
    pub(crate) tokens: Tokens,
    pub(crate) history: History,
    pub(crate) hooks: Hooks,
    /// Sockets that listen already.
    pub(crate) inherited: Inherited,
    /// What is kept of handshakes.
    pub(crate) explained: Explained,
    /// When it was opened.
    pub(crate) started: Timestamp,
    /// Held while the settings file is read, changed and written.
    pub(crate) settings_file: Mutex<()>,
    /// The settings that hold where new ones take effect at a start only.
    pub(crate) at_start: Arc<Config>,
}

impl Context {
    /// Wall time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// The settings as they were read last.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.view.policy().config)
    }

    /// The keys whose values in these settings wait for the next start.
    pub(crate) fn only_at_start(&self, config: &Config) -> Vec<&'static str> {
        self.at_start.only_at_start(config)
    }

    /// What a reload of these settings puts in force: the VPN stays what it was started as, but for its pushes.
    pub(crate) fn after_reload(&self, file: Config) -> Config {
        let vpn = Vpn { push: file.vpn.push, ..self.at_start.vpn.clone() };
        Config { vpn, ..file }
    }

    /// The doors, or why none is open.
    pub(crate) fn running(&self) -> Result<&Doors, GatewayError> {
        if self.doors.is_any_open() {
            return Ok(&self.doors);
        }
        Err(GatewayError::NotRunning { folder: self.data.path().to_owned() })
    }
}
