//! Everything over one data folder, put together: lock, settings, store, authority, current view.
//!
//! Whoever holds a [`Gateway`] owns the folder, be it the running gateway or a single command.
//! Opening it finishes what a killed first start left undone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use admin::request::KickTarget;
use admin::response::{Reloaded, Rollover};
use authority::{Authority, AuthorityError, Issuer, NewIssuer, Signs};
use clock::Clock;
use front::Keyring;
use publish::Tokens;
use signer::{Line, Place};
use store::{
    Actor, CaGenerationId, EventKind, FolderLock, LockError, Options, Store, StoreError, Verifier,
};
use sysio::Inherited;
use vpn::PushPolicy;

use crate::backup;
use crate::config::{Config, ConfigError, ForStart};
use crate::context::Context;
use crate::crl_projection::CrlProjection;
use crate::current_view::{Addressing, CurrentView};
use crate::data::{DataDir, DataError};
use crate::disk::DiskWatch;
use crate::doors::Doors;
use crate::error::GatewayError;
use crate::explained::Explained;
use crate::first_start::FirstStart;
use crate::history::{History, Keeping};
use crate::hooks::{Following, Hooks, Target};
use crate::maintenance::{Looked, Maintenance};
use crate::neighbours::Neighbours;
use crate::operations::lost_doors::lost_doors;
use crate::operations::rollover::{RolloverView, retired};
use crate::operations::status::Overview;
use crate::projections::Projections;
use crate::tls_auth;
use crate::verification::{self, Verification};

/// A data folder, owned.
#[derive(Debug)]
pub struct Gateway {
    at: Context,
    crl: Arc<CrlProjection>,
    maintenance: Mutex<Option<(Maintenance, Keeping, Following, Verification)>>,
    /// Held while settings are read and put in force, so that those that were read last stay.
    reloading: tokio::sync::Mutex<()>,
    /// What of the settings is not gone by.
    left_out: Vec<ConfigError>,
    _disk: DiskWatch,
    // Last, so that the folder is given up after all else is closed.
    _lock: FolderLock,
}

/// Settings that were read again and are in force.
#[derive(Debug)]
pub struct InForce {
    /// The changed keys that take effect at the next start.
    pub waiting: Vec<&'static str>,
    /// What should have followed and did not.
    pub unfinished: Option<GatewayError>,
}

impl Gateway {
    /// Opens the folder; makes it, with CA, keys and settings, where there is none.
    pub async fn start(
        data: DataDir,
        clock: Arc<dyn Clock>,
        first: FirstStart,
    ) -> Result<Self, GatewayError> {
        data.prepare()?;
        let lock = lock(&data).await?;
        if backup::is_half_done(&data) {
            // A new CA in the place of the one that is being restored would lock every device out.
            return Err(GatewayError::HalfRestored { folder: data.path().to_owned() });
        }
        if !data.config().exists() {
            first.write_settings(&data)?;
        }
        let gateway = Self::assemble(data, clock, lock).await?;
        // The settings are the administrator's own; a start does not rewrite them.
        let differing = first.differing(&gateway.config());
        if !differing.is_empty() {
            let (keys, file) = (differing.join(", "), gateway.at.data.config());
            let file = file.display();
            tracing::warn!(
                keys, %file,
                "what was typed counts at the first start only, and the settings say otherwise: \
                 handfast config set KEY VALUE"
            );
        }
        Ok(gateway)
    }

    /// Opens a folder that a first start made before.
    pub async fn open(data: DataDir, clock: Arc<dyn Clock>) -> Result<Self, GatewayError> {
        let lock = FolderLock::take(data.path())?;
        Self::assemble(data, clock, lock).await
    }

    /// With sockets that listen already: doors that open from here on take those in place of their own.
    #[must_use]
    pub fn inheriting(mut self, sockets: Inherited) -> Self {
        self.at.inherited = sockets;
        self
    }

    /// Opens a folder whose lock is held.
    pub(crate) async fn assemble(
        data: DataDir,
        clock: Arc<dyn Clock>,
        lock: FolderLock,
    ) -> Result<Self, GatewayError> {
        let ForStart { config, left_out } = Config::load_for_start(&data.config())?;
        let config = Arc::new(config);
        let (store, authority) = open_records(&data, &clock, &config, &lock).await?;
        write_cas(&data, &authority)?;
        let push = push_policy(&config)?;
        let view = CurrentView::new(store.clone(), Arc::clone(&config), push);
        view.retire(retired(&authority));
        let tls_auth = tls_auth::key(&store).await?;
        let authority = Arc::new(authority);
        let projections = Projections::default();
        let crl = CrlProjection::start(Arc::clone(&authority), view.clone(), &projections).await;
        let started = clock.now().into();
        let (metrics, replacements, doors) = (Arc::default(), Arc::default(), Doors::default());
        let disk = DiskWatch::start(&store);
        let history = History::new(store.clone(), Arc::clone(&clock));
        let hooks = Hooks::new(data.hooks());
        let verifier = Verifier::of(&store, Arc::clone(&clock));
        let explained = Explained::new(view.clone());
        let at = Context {
            data,
            clock,
            store,
            verifier,
            authority,
            tls_auth,
            view,
            projections,
            metrics,
            replacements,
            doors,
            neighbours: Neighbours::default(),
            keyring: Keyring::default(),
            tokens: Tokens::default(),
            history,
            hooks,
            inherited: Inherited::default(),
            explained,
            started,
            settings_file: Mutex::default(),
            at_start: config,
        };
        let (crl, maintenance, reloading) = (Arc::new(crl), Mutex::new(None), Default::default());
        let gateway = Self { at, crl, maintenance, reloading, left_out, _disk: disk, _lock: lock };
        gateway.post_events();
        Ok(gateway)
    }

    /// Where the settings say so.
    fn post_events(&self) {
        let issuers = self.at.authority.issuers();
        let cas = issuers.trusted().map(|issuer| issuer.certificate().der().clone());
        let clock = Arc::clone(&self.at.clock);
        self.at.hooks.post_to(Target::new(&self.at.config().hooks, cas, clock));
    }

    /// Notes the start in the log and looks every minute from here on at what is due: the gateway's
    /// certificates, superseded certificates, clock jumps. For the running gateway.
    pub async fn run(&self) -> Result<(), GatewayError> {
        for error in &self.left_out {
            tracing::warn!(%error, "left out of what clients are told");
        }
        let payload = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") });
        let before = self.at.store.event_latest().await?;
        self.tell(EventKind::GATEWAY_STARTED, payload).await?;
        let following = self.at.hooks.follow(self.at.store.clone(), before);
        self.at.history.begin().await;
        let keeping = self.at.history.keep(self.at.doors.clone());
        let verifying = verification::keep(self.at.verifier.clone());
        let maintenance = (Maintenance::start(self.looked()), keeping, following, verifying);
        *self.maintenance.lock().unwrap_or_else(PoisonError::into_inner) = Some(maintenance);
        Ok(())
    }

    /// Notes the stop in the log, and lets hooks hear of it.
    pub async fn stopping(&self) -> Result<(), GatewayError> {
        self.at.history.finish().await;
        self.tell(EventKind::GATEWAY_STOPPED, serde_json::json!({})).await?;
        let is_at_work = self.maintenance.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_at_work {
            self.at.hooks.finish(self.at.store.event_latest().await?).await;
        }
        Ok(())
    }

    /// Has the event log tell of the gateway itself, which goes on where the disk does not take that.
    async fn tell(&self, kind: EventKind, payload: serde_json::Value) -> Result<(), GatewayError> {
        match self.at.store.event_append(&Actor::Gateway, kind.clone(), payload).await {
            Err(StoreError::Storage(fault)) => {
                tracing::error!(error = %fault, event = %kind, "the event log does not tell of this");
                Ok(())
            }
            told => Ok(told.map(drop)?),
        }
    }

    /// Closes the store after everything is on the disk. The folder is given up when the last
    /// holder of this value drops it.
    pub async fn close(&self) {
        let lost = self.at.store.clone().close().await;
        if lost > 0 {
            tracing::error!(lost, "changes that were in force never came to the disk: repeat them");
        }
    }

    /// Does what is due at this moment, as a running gateway does every minute.
    pub async fn maintain(&self) -> Result<(), GatewayError> {
        Ok(self.looked().look().await?)
    }

    fn looked(&self) -> Looked {
        Looked {
            store: self.at.store.clone(),
            authority: Arc::clone(&self.at.authority),
            crl: Arc::clone(&self.crl),
            clock: Arc::clone(&self.at.clock),
            history: self.at.history.clone(),
            view: self.at.view.clone(),
            doors: self.at.doors.clone(),
        }
    }

    /// Reads the settings again. What the VPN was started with stays as it is until the next start: pushes and
    /// profiles have to fit what is in force.
    ///
    /// # Errors
    /// When the settings are wrong: the former ones stay in force.
    pub async fn reload(&self) -> Result<InForce, GatewayError> {
        let reloading = self.reloading.lock().await;
        let file = Config::load(&self.at.data.config())?;
        let waiting = self.at.only_at_start(&file);
        let config = self.at.after_reload(file);
        let push = push_policy(&config)?;
        let config = Arc::new(config);
        self.at.view.replace_policy(Arc::clone(&config), push);
        self.at.authority.replace_settings(config.authority());
        self.at.explained.follow();
        self.post_events();
        // First: who is let in does not wait for a signature.
        self.at.doors.settings_changed().await;
        drop(reloading);
        let unfinished = self.after_reload(&waiting).await.err();
        Ok(InForce { waiting, unfinished })
    }

    /// Certificates for other names, and the event.
    async fn after_reload(&self, waiting: &[&'static str]) -> Result<(), GatewayError> {
        match self.maintain().await {
            Err(GatewayError::Authority(error)) if error.may_pass() => {
                tracing::error!(%error, "maintenance failed; it is tried again in a minute");
            }
            done => done?,
        }
        let payload = serde_json::json!({ "at_next_start": waiting });
        self.tell(EventKind::CONFIG_RELOADED, payload).await
    }

    /// Reads the settings again, as at a hangup, and puts back what others have changed on the machine.
    pub(crate) async fn reload_and_mend(&self) -> Result<Reloaded, GatewayError> {
        self.at.running()?;
        let pushed = || self.at.view.policy().push.said().to_vec();
        let before = pushed();
        let in_force = self.reload().await?;
        let pushes_changed = pushed() != before;
        self.at.doors.put_back().await;
        if let Some(error) = in_force.unfinished {
            return Err(error);
        }
        let file = Config::load(&self.at.data.config())?;
        let unheard = self.at.doors.unheard().into_iter();
        let unheard = unheard.map(|one| format!("{}: {}; {}", one.subject, one.what, one.mend));
        let warnings = lost_doors(&self.at, &file).into_iter().chain(unheard).collect();
        let waiting = in_force.waiting.into_iter().map(str::to_owned).collect();
        Ok(Reloaded { waiting, pushes_changed, warnings })
    }

    /// The TLS settings of the VPN door: both certificates, clients by the CAs and the current view.
    pub fn tls(&self) -> Result<Arc<rustls::ServerConfig>, GatewayError> {
        crate::tls::config(&self.at)
    }

    /// Makes another CA, which is trusted from here on by every door that is open or opens. It signs
    /// nothing but its CRL until [`Gateway::sign_by`] says so; profiles that are made from here on have it.
    pub async fn issuer_add(
        &self,
        actor: &Actor,
        new: NewIssuer,
    ) -> Result<Arc<Issuer>, GatewayError> {
        let added = self.at.authority.issuer_add(actor, new).await?;
        self.issuers_changed().await?;
        Ok(added)
    }

    /// From here on this CA signs the certificates of devices, or the gateway's own. Sessions stay.
    pub async fn sign_by(
        &self,
        actor: &Actor,
        issuer: CaGenerationId,
        what: Signs,
    ) -> Result<(), GatewayError> {
        self.at.authority.sign_by(actor, issuer, what).await?;
        self.issuers_changed().await
    }

    /// Another CA takes the present one's place. Doors trust both before anybody is sent what the new one signed.
    pub(crate) async fn rollover_start(&self, actor: &Actor) -> Result<Rollover, GatewayError> {
        self.at.authority.rollover_start(actor).await?;
        self.issuers_changed().await?;
        self.at.authority.maintain().await?;
        RolloverView { at: &self.at }.status().await
    }

    /// The former CA is trusted no longer; sessions of those who had not moved are closed.
    pub(crate) async fn rollover_finish(
        &self,
        actor: &Actor,
        force: bool,
    ) -> Result<Rollover, GatewayError> {
        let view = RolloverView { at: &self.at };
        let behind = view.status().await?.behind;
        if let Some(first) = behind.first()
            && !force
        {
            let (count, first) = (behind.len(), first.name.clone());
            return Err(GatewayError::NotMoved { count, first });
        }
        let devices = view.devices_behind();
        self.at.authority.rollover_finish(actor).await?;
        self.issuers_changed().await?;
        for device in devices {
            self.at.doors.kick(&KickTarget::Device { device }).await;
        }
        view.status().await
    }

    async fn issuers_changed(&self) -> Result<(), GatewayError> {
        // Before sessions are closed: a handshake that TLS let through by then is let in no more.
        self.at.view.retire(retired(&self.at.authority));
        self.at.doors.replace_tls(&self.tls()?);
        write_cas(&self.at.data, &self.at.authority)?;
        self.crl.look().await;
        Ok(())
    }

    /// Writes the counters since the start to the log.
    pub async fn log_statistics(&self) {
        Overview { at: &self.at }.log_statistics().await;
    }

    /// The doors that are open.
    pub fn doors(&self) -> &Doors {
        &self.at.doors
    }

    /// The folder.
    pub fn data(&self) -> &DataDir {
        &self.at.data
    }

    /// The settings as they were read last.
    pub fn config(&self) -> Arc<Config> {
        self.at.config()
    }

    /// The records.
    pub fn store(&self) -> &Store {
        &self.at.store
    }

    /// The CA at work.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.at.authority
    }

    /// What holds at this moment.
    pub fn view(&self) -> &CurrentView {
        &self.at.view
    }

    /// What is kept in step with the records.
    pub fn projections(&self) -> &Projections {
        &self.at.projections
    }

    /// What operations and doors work on.
    pub(crate) fn context(&self) -> &Context {
        &self.at
    }
}

/// The records, and the CA over them; a folder that has lost one of both is refused.
async fn open_records(
    data: &DataDir,
    clock: &Arc<dyn Clock>,
    config: &Config,
    lock: &FolderLock,
) -> Result<(Store, Authority), GatewayError> {
    let addressing = Addressing { network: config.vpn.network, network6: config.vpn.network6 };
    let options = Options { lease_last: addressing.last_host(), ..Options::default() };
    let had_records = data.ca_certificate().exists();
    if had_records && !data.store().exists() {
        return Err(records_gone(data));
    }
    // Before the records are open: a former release kept the CA's key with them.
    let place = Place { folder: data.ca_keys(), records: data.store() };
    let line = Line::open(place, Arc::clone(clock)).await.map_err(AuthorityError::Sign)?;
    let store =
        Store::open_in_taken_folder(&data.store(), Arc::clone(clock), options, lock.clone())?;
    if had_records && store.ca_generation_list().await?.is_empty() {
        return Err(records_gone(data));
    }
    let opened = Authority::open(store.clone(), Arc::clone(clock), line, config.authority()).await;
    let authority = match opened {
        Err(AuthorityError::RecordsLost) => return Err(records_gone(data)),
        opened => opened?,
    };
    if !had_records {
        let issuers = authority.issuers();
        let ca = &issuers.signing(Signs::Gateway).generation().subject;
        tracing::info!(ca, "the CA was made");
    }
    Ok((store, authority))
}

/// A new CA in the place of a lost one would lock every device out, without a word.
fn records_gone(data: &DataDir) -> GatewayError {
    let (folder, records) = (data.path().to_owned(), data.store());
    GatewayError::RecordsGone { folder, records, ca: data.ca_certificate(), keys: data.ca_keys() }
}

/// The certificates of the CAs, for people and for other programs. A file that has them already stays.
fn write_cas(data: &DataDir, authority: &Authority) -> Result<(), DataError> {
    let (file, pem) = (data.ca_certificate(), authority.issuers().to_pem());
    if std::fs::read(&file).is_ok_and(|there| there == pem.as_bytes()) {
        return Ok(());
    }
    data.write_whole(&file, pem.as_bytes())
}

/// What these settings push, if all of it can be.
pub(crate) fn push_policy(config: &Config) -> Result<PushPolicy, GatewayError> {
    PushPolicy::new(&config.vpn).map_err(|(option, error)| GatewayError::Push { option, error })
}

/// A command may own the folder for a moment; another gateway owns it for long.
async fn lock(data: &DataDir) -> Result<FolderLock, LockError> {
    for _ in 0..TRIES {
        match FolderLock::take(data.path()) {
            Err(LockError::Held { .. }) => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
    FolderLock::take(data.path())
}

const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(50);
