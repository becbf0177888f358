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
    /// What is done about a server's certificate that may have been revoked.
    pub revocation: Revocation,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

/// What is done about a server's certificate that may have been revoked. One that is known to be is refused
/// by the first two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Revocation {
    /// Whoever the certificate names has to have said that it holds. One that names nobody passes.
    #[default]
    Require,
    /// The same, but where nobody answers it passes, with a warning.
    Prefer,
    /// Nothing is looked at, with a warning.
    Off,
}

impl ConnectSettings {
    /// The usual places; beside the state for who may not write to them.
    pub fn new(profile: Profile, clock: Arc<dyn Clock>) -> Self {
        let state = default_state_folder();
        let usual = Path::new(sysio::DNS_BACKUP);
        let writable = usual.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok());
        let dns_backup = if writable { usual.to_owned() } else { state.join("resolv.conf.backup") };
        let revocation = Revocation::default();
        Self { profile, state, dns_backup, set_dns: true, revocation, clock }
    }
}
