//! What a client is run with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::Clock;

use crate::Profile;
use crate::system::default_state_folder;

/// What a client is run with.
#[derive(Debug)]
pub struct ConnectSettings {
    /// The profile.
    pub profile: Profile,
    /// Where what has to be undone is kept.
    pub state: PathBuf,
    /// Where the former /etc/resolv.conf is kept.
    pub dns_backup: PathBuf,
    /// Whether pushed name servers are set.
    pub set_dns: bool,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl ConnectSettings {
    /// The usual places; beside the state for who may not write to them.
    pub fn new(profile: Profile, clock: Arc<dyn Clock>) -> Self {
        let state = default_state_folder();
        let usual = Path::new(sysio::DNS_BACKUP);
        let writable = usual.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok());
        let dns_backup = if writable { usual.to_owned() } else { state.join("resolv.conf.backup") };
        Self { profile, state, dns_backup, set_dns: true, clock }
    }
}
