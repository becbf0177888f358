//! What every connection of the door needs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use clock::Clock;

use crate::certificates::Keyring;
use crate::close::Connections;
use crate::directory::{Directory, Report};
use crate::log::Log;
use crate::neighbours::Neighbours;
use crate::sockets::Sockets;
use crate::sums::Failures;
use crate::table::Table;

/// What every connection needs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) table: ArcSwap<Table>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) neighbours: Arc<dyn Neighbours>,
    pub(crate) sockets: Arc<dyn Sockets>,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) log: Log,
    pub(crate) failures: Failures,
}

impl Shared {
    /// Hands a report on and writes its line, with the number to ask by.
    pub(crate) fn report(&self, report: &Report) {
        let number = self.directory.report(report);
        self.log.write(report, number, self.clock.now().boot);
    }
}
