//! Sessions leave a record: when they open, now and then, and when they end. Connections that are too many and too short
//! for that leave one for each visit of a device.
//!
//! What doors report is gathered and written in batches, so that a thousand connections cost one sync of
//! the disk and none waits for it. A gateway that is killed loses the last seconds. Invariant: memory is
//! bounded; what does not fit is counted and said.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Clock, Now, Timestamp};
use engine::{Credential, SessionInfo};
use front::{Ended, Info};
use pki::CertificateId;
use store::{DeviceId, SessionNote, SettingsMark, Store, StoreError};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use crate::doors::Doors;

use visits::{Arrived, Visits};

mod visits;

/// Where doors leave what they report. Clones are cheap.
#[derive(Clone, Debug)]
pub(crate) struct History(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    clock: Arc<dyn Clock>,
    gathered: Mutex<Gathered>,
    /// How many notes were left out.
    lost: AtomicU64,
    much: Notify,
    /// Held while something is written: whether the disk refused what was to be written last.
    failing: tokio::sync::Mutex<bool>,
}

#[derive(Debug, Default)]
struct Gathered {
    /// Open sessions by number: as they were noted when they opened.
    open: HashMap<u64, SessionNote>,
    /// The latest of each session, by when it opened and its number.
    notes: BTreeMap<(Timestamp, u64), SessionNote>,
    /// What ended sessions carried since the start: bytes in, bytes out.
    carried: HashMap<DeviceId, [u64; 2]>,
    /// Of connections to virtual servers.
    visits: Visits,
    /// Devices that are there by them: at most one entry for each that is on record.
    seen: HashMap<DeviceId, Seen>,
}

/// When a device was seen, to some minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    at: Timestamp,
    is_written: bool,
}

impl Gathered {
    /// A browser connects many times a minute: what was noted lately is near enough.
    fn see(&mut self, device: DeviceId, now: Timestamp) {
        let is_near = |known: &Seen| known.at <= now && now.since(known.at) < LOOK;
        if !self.seen.get(&device).is_some_and(is_near) {
            self.seen.insert(device, Seen { at: now, is_written: false });
        }
    }

    fn seen_unwritten(&self) -> Arc<[(DeviceId, Timestamp)]> {
        let unwritten = self.seen.iter().filter(|(_, seen)| !seen.is_written);
        unwritten.map(|(device, seen)| (*device, seen.at)).take(MANY).collect()
    }

    fn seen_written(&mut self, these: &[(DeviceId, Timestamp)]) {
        for (device, at) in these {
            let seen = self.seen.get_mut(device).filter(|seen| seen.at == *at);
            if let Some(seen) = seen {
                seen.is_written = true;
            }
        }
    }

    /// Makes room; false where there is none to be made. The next look at open sessions notes it again.
    fn drop_an_open_one(&mut self) -> bool {
        let open = self.notes.iter().find(|(_, note)| note.ended.is_none());
        open.map(|(key, _)| *key).and_then(|key| self.notes.remove(&key)).is_some()
    }

    /// Lets go of what is on the disk; what came meanwhile is not yet.
    fn written(&mut self, notes: &[SessionNote]) {
        for note in notes {
            let key = (note.opened, note.number);
            if self.notes.get(&key) == Some(note) {
                self.notes.remove(&key);
            }
        }
    }
}

impl History {
    /// Of these records. Nothing is written before [`History::keep`].
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        let (gathered, lost, much, failing) = Default::default();
        Self(Arc::new(Shared { store, clock, gathered, lost, much, failing }))
    }

    /// A session came up.
    pub(crate) fn opened(&self, info: &SessionInfo) {
        let Credential::Certificate(id) = &info.identity.credential;
        let Some(device) = self.device(id) else { return };
        let now = self.0.clock.now();
        let note = SessionNote {
            opened: wall_time(now, info.since),
            number: info.number,
            device,
            source: info.source,
            tcp: info.tcp,
            addresses: info.addresses.clone(),
            client: info.peer_version.clone(),
            tells_profile: true,
            profile: info.profile.as_deref().and_then(SettingsMark::parse),
            seen: now.into(),
            bytes_in: info.counters.rx_bytes,
            bytes_out: info.counters.tx_bytes,
            ended: None,
        };
        let mut gathered = self.gathered();
        gathered.open.insert(info.number, note.clone());
        self.push(gathered, note);
    }

    /// A device was let in to a virtual server; whoever has no certificate leaves no record.
    pub(crate) fn arrived(&self, info: &Info) {
        let Some(device) = self.holder(info) else { return };
        let now = self.0.clock.now();
        let arrived = Arrived {
            number: info.number,
            device,
            server: info.server.clone(),
            source: info.source,
            opened: wall_time(now, info.since),
        };
        let mut gathered = self.gathered();
        gathered.see(device, now.into());
        if let Some(note) = gathered.visits.arrived(arrived, now.into()) {
            self.push(gathered, note);
        }
    }

    /// Its connection is gone. Where its right ended, so did the visit.
    pub(crate) fn gone(&self, info: &Info, why: &Ended) {
        let now = self.0.clock.now().into();
        let at_once = matches!(why, Ended::Withdrawn(_) | Ended::OwnWithdrawn(_) | Ended::Kicked);
        let bytes = [info.traffic.incoming(), info.traffic.outgoing()];
        let mut gathered = self.gathered();
        let note = gathered.visits.gone(info.number, bytes, (why.code(), at_once), now);
        let Some(note) = note else { return };
        gathered.see(note.device, now);
        self.push(gathered, note);
    }

    fn holder(&self, info: &Info) -> Option<DeviceId> {
        let (_, id) = info.client.as_ref()?;
        self.device(id)
    }

    /// Ends visits that have had no connection for so long.
    fn end_visits(&self, quiet: Duration) {
        let now = self.0.clock.now().into();
        let ended = self.gathered().visits.end(quiet, now);
        ended.into_iter().for_each(|note| self.push(self.gathered(), note));
    }

    /// A session ended, by the reason of this code.
    pub(crate) fn closed(&self, info: &SessionInfo, why: &str) {
        let mut gathered = self.gathered();
        // One that never came up was refused, which is told elsewhere.
        let Some(opened) = gathered.open.remove(&info.number) else { return };
        let note = SessionNote { ended: Some(why.to_owned()), ..self.later(opened, info) };
        let carried = gathered.carried.entry(note.device).or_default();
        *carried = [carried[0] + note.bytes_in, carried[1] + note.bytes_out];
        self.push(gathered, note);
    }

    /// What the ended sessions of each device carried since the start: bytes in, bytes out.
    pub(crate) fn carried(&self) -> HashMap<DeviceId, [u64; 2]> {
        self.gathered().carried.clone()
    }

    fn later(&self, opened: SessionNote, info: &SessionInfo) -> SessionNote {
        SessionNote {
            source: info.source,
            seen: self.0.clock.now().into(),
            bytes_in: info.counters.rx_bytes,
            bytes_out: info.counters.tx_bytes,
            ..opened
        }
    }

    /// A later note takes the place of a former one. An end is left out only where all that wait are ends.
    fn push(&self, mut gathered: MutexGuard<'_, Gathered>, note: SessionNote) {
        let key = (note.opened, note.number);
        if gathered.notes.len() >= MOST && !gathered.notes.contains_key(&key) {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            if note.ended.is_none() || !gathered.drop_an_open_one() {
                return;
            }
        }
        gathered.notes.insert(key, note);
        if gathered.notes.len() == MANY {
            self.0.much.notify_one();
        }
    }

    fn device(&self, id: &CertificateId) -> Option<DeviceId> {
        let snapshot = self.0.store.snapshot();
        let certificate = snapshot.certificate(id)?;
        match certificate.holder {
            store::Holder::Device(device) => Some(device),
            _ => None,
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was gathered. What the disk does not take goes on waiting.
    pub(crate) async fn write(&self) {
        self.end_visits(QUIET);
        // One at a time, so that a later note of a session is never written before a former one.
        let mut failing = self.0.failing.lock().await;
        if let Err(error) = self.write_gathered().await {
            if !std::mem::replace(&mut *failing, true) {
                tracing::error!(%error, "sessions leave no record until the disk takes it");
            }
            return;
        }
        let lost = self.0.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(notes = lost, "sessions left no record: the disk was behind too far");
        }
        if std::mem::take(&mut *failing) {
            tracing::info!("sessions leave a record again");
        }
    }

    async fn write_gathered(&self) -> Result<(), StoreError> {
        loop {
            let notes: Arc<[_]> = self.gathered().notes.values().take(MANY).cloned().collect();
            if notes.is_empty() {
                break;
            }
            self.0.store.sessions_note(Arc::clone(&notes)).await?;
            self.gathered().written(&notes);
        }
        loop {
            let seen = self.gathered().seen_unwritten();
            if seen.is_empty() {
                return Ok(());
            }
            self.0.store.devices_seen(Arc::clone(&seen)).await?;
            self.gathered().seen_written(&seen);
        }
    }

    /// Notes what open sessions have carried so far.
    async fn note_open(&self, doors: &Doors) {
        for note in self.open(doors).await.into_values() {
            self.push(self.gathered(), note);
        }
    }

    /// What open sessions have carried so far, by when they opened and their number: for who asks, without a write for
    /// each. Visits are noted, since their figures are those of several connections.
    pub(crate) async fn open(&self, doors: &Doors) -> HashMap<(Timestamp, u64), SessionNote> {
        let now = self.0.clock.now().into();
        let mut open = HashMap::new();
        for session in doors.sessions().await {
            let mut gathered = self.gathered();
            let (bytes_in, bytes_out) = (session.bytes_in, session.bytes_out);
            if let Some(note) = gathered.visits.carried(session.id, [bytes_in, bytes_out], now) {
                self.push(gathered, note);
                continue;
            }
            let Some(opened) = gathered.open.get(&session.id).cloned() else { continue };
            let note =
                SessionNote { source: session.source, seen: now, bytes_in, bytes_out, ..opened };
            open.insert((note.opened, note.number), note);
        }
        open
    }

    /// Writes the last of it: nobody is connected any longer.
    pub(crate) async fn finish(&self) {
        self.end_visits(Duration::ZERO);
        self.write().await;
    }

    /// Ends the record of what a killed gateway left open, before a session of this one opens.
    pub(crate) async fn begin(&self) {
        if let Err(error) = self.0.store.sessions_end(GATEWAY_ENDED).await {
            tracing::error!(%error, "the record of former sessions stays open");
        }
    }

    /// Lets go of what is older than so many days, and of the oldest where there is too much.
    pub(crate) async fn forget(&self, days: u32) {
        let now = Timestamp::from(self.0.clock.now());
        let before = now.before(Duration::from_secs(u64::from(days) * 86_400));
        if let Err(error) = self.0.store.sessions_forget(before, ROWS).await {
            tracing::error!(%error, "the record of old sessions stays");
        }
    }

    /// Writes by itself from here on, and notes now and then what open sessions carry. Needs a tokio
    /// runtime.
    pub(crate) fn keep(&self, doors: Doors) -> Keeping {
        let history = self.clone();
        Keeping(tokio::spawn(async move { history.write_for_ever(&doors).await }).abort_handle())
    }

    async fn write_for_ever(&self, doors: &Doors) {
        let mut looked = Instant::now();
        loop {
            let _ = timeout(PAUSE, self.0.much.notified()).await;
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.note_open(doors).await;
            }
            self.write().await;
        }
    }
}

/// The task that writes. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Keeping(AbortHandle);

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The wall time of a moment that is known as time since the machine booted.
pub(crate) fn wall_time(now: Now, since: Duration) -> Timestamp {
    Timestamp::from_wall(now.wall).before(now.boot.saturating_sub(since))
}

/// Why a session ended whose gateway was killed.
pub(crate) const GATEWAY_ENDED: &str = "gateway_ended";
/// Between two writes, where there is little to write.
const PAUSE: Duration = Duration::from_secs(10);
/// Between two looks at what open sessions carry, and between two notes that a device was seen.
const LOOK: Duration = Duration::from_secs(300);
/// A visit has ended when its last connection has been gone for so long.
const QUIET: Duration = Duration::from_secs(10);
/// So many sessions are on record at most: about 300 MB.
const ROWS: u64 = 1_000_000;
/// So many notes don't wait for the pause, and are written at once: a revocation that comes meanwhile waits for them.
const MANY: usize = 1_000;
/// So many sessions' notes wait at most: four times those that may be open at once.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_by_notes_of_open_sessions_and_never_by_ends() {
        let mut gathered = Gathered::default();
        gather(&mut gathered, [note(1, Some("kicked")), note(2, None), note(3, Some("kicked"))]);
        assert!(gathered.drop_an_open_one());
        assert_eq!(gathered.notes.values().map(|one| one.number).collect::<Vec<_>>(), [1, 3]);
        assert!(!gathered.drop_an_open_one());
    }

    #[test]
    fn an_end_that_came_while_its_session_was_written_is_still_to_be_written() {
        let mut gathered = Gathered::default();
        let open = [note(1, None), note(2, None)];
        gather(&mut gathered, open.clone());
        gather(&mut gathered, [note(1, Some("kicked"))]);
        gathered.written(&open);
        assert_eq!(gathered.notes.into_values().collect::<Vec<_>>(), [note(1, Some("kicked"))]);
    }

    #[test]
    fn a_device_that_connects_all_the_time_is_noted_once_in_some_minutes() {
        let device = note(1, None).device;
        let at = |seconds: u64| Timestamp::from_unix_secs(1_800_000_000 + seconds);
        let mut gathered = Gathered::default();
        gathered.see(device, at(0));
        let first = gathered.seen_unwritten();
        gathered.see(device, at(299));
        gathered.seen_written(&first);
        assert!(gathered.seen_unwritten().is_empty());
        gathered.see(device, at(300));
        gathered.seen_written(&first);
        assert_eq!(*gathered.seen_unwritten(), [(device, at(300))], "a later one is to be written");
        gathered.see(device, at(10));
        assert_eq!(*gathered.seen_unwritten(), [(device, at(10))], "the clock was ahead");
    }

    fn gather(gathered: &mut Gathered, notes: impl IntoIterator<Item = SessionNote>) {
        gathered.notes.extend(notes.into_iter().map(|note| ((note.opened, note.number), note)));
    }

    fn note(number: u64, ended: Option<&str>) -> SessionNote {
        SessionNote {
            opened: Timestamp::from_unix_secs(number),
            number,
            device: serde_json::from_value(1.into()).unwrap(),
            source: "192.0.2.7:4000".parse().unwrap(),
            tcp: false,
            addresses: Vec::new(),
            client: String::new(),
            tells_profile: true,
            profile: None,
            seen: Timestamp::from_unix_secs(9),
            bytes_in: 0,
            bytes_out: 0,
            ended: ended.map(str::to_owned),
        }
    }
}
