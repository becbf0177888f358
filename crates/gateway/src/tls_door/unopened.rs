//! What can be said of the virtual servers' certificates while no door is open: what their files lack.
//!
//! Not here: those that the authority makes or another CA is asked for, which a running gateway has done. Invariant:
//! files are read, and nothing is written.

use clock::Timestamp;
use front::{Settings, VirtualServer};

use super::certificates::lack_of;
use super::file_reader::FileReader;
use crate::doors::Unheard;

/// What is wrong with files of certificates that these settings name.
pub(crate) async fn faults(settings: &Settings, now: Timestamp) -> Vec<Unheard> {
    let files = FileReader::default();
    files.look(|| settings.clone(), now).await;
    let of = |server: &VirtualServer| {
        let lacking = files.lacking(server, now).into_iter();
        lacking.map(|one| lack_of(server.label(), &one).fault).collect::<Vec<_>>()
    };
    settings.server.iter().flat_map(of).collect()
}
