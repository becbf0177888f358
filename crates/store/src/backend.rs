//! What the store asks of a database: changes made whole and in order, and a few questions.
//!
//! [`Writing`] is used by one thread, the writer's; [`Reading`] by another. Neither knows of
//! snapshots being published or of who waits for an answer. One database is behind them: `sqlite`.

use clock::Clock;
use names::{DeviceName, UserName};

use crate::change::Proposal;
use crate::error::{Fault, StoreError};
use crate::event::Event;
use crate::ids::{CaGenerationId, EventId};
use crate::records::{
    CaGeneration, Certificate, Crl, Device, DeviceDetail, Revocation, User, UserDetail,
};
use crate::secret::Secret;
use crate::snapshot::Snapshot;

/// What a committed batch added to the log.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Other writers' events since the one that was known, in their order.
    pub(crate) missed: Vec<Event>,
    /// For each proposal its events, or why it was refused; they follow on the missed ones.
    pub(crate) outcomes: Vec<Result<Vec<Event>, StoreError>>,
}

impl Batch {
    /// Everything that the log has beyond what was known.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.missed.iter().chain(self.outcomes.iter().flatten().flatten())
    }
}

/// The writing side of a database.
pub(crate) trait Writing: Send {
    /// Makes the proposals in one transaction, each whole or not at all, and has them on the disk.
    /// `known` is the last event that the caller has seen.
    ///
    /// # Errors
    /// A fault takes the whole batch back.
    fn commit(
        &mut self,
        proposals: &[Proposal],
        clock: &dyn Clock,
        known: EventId,
    ) -> Result<Batch, Fault>;

    /// The records as they are, from the rows.
    fn snapshot(&self) -> Result<Snapshot, StoreError>;

    /// Called between batches: time for what is not urgent.
    fn rest(&mut self);

    /// Leaves everything in order. Nobody has the database open for writing after that.
    fn close(self: Box<Self>);
}

/// The reading side of a database. Each answer is of one moment.
pub(crate) trait Reading {
    fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;
    fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError>;
    fn ca_generation_list(&self) -> Result<Vec<CaGeneration>, StoreError>;
    fn user_list(&self) -> Result<Vec<User>, StoreError>;
    fn user_detail(&self, name: &UserName) -> Result<UserDetail, StoreError>;
    fn device_list(&self, user: Option<&UserName>) -> Result<Vec<Device>, StoreError>;
    fn device_detail(&self, user: &UserName, name: &DeviceName)
    -> Result<DeviceDetail, StoreError>;
    fn certificate_list(&self) -> Result<Vec<Certificate>, StoreError>;
    fn revocation_list(
        &self,
        generation: CaGenerationId,
    ) -> Result<(Vec<Revocation>, EventId), StoreError>;
    fn crl_latest(&self, generation: CaGenerationId) -> Result<Option<Crl>, StoreError>;
    fn event_list(&self, after: EventId, limit: usize) -> Result<Vec<Event>, StoreError>;
    fn event_latest(&self) -> Result<EventId, StoreError>;
}
