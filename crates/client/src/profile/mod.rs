//! A `.ovpn` file as a client's settings: every directive is understood, harmless, or an error.
//!
//! Nothing that would change what is protected is passed over in silence: what this client does not
//! do is an error that names the line and the mend. Paths are relative to the profile.

mod arguments;
mod directives;
mod error;
mod line;
mod material;
mod servers;
mod tables;
mod text;
pub(crate) mod values;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use pki::NameRule;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use wire::cipher::Cipher;
use wire::config::Directive;
use wire::push::PushOption;
use wire::static_key::{KeyDirection, StaticKey};
use wire::tls_auth::AuthDigest;

use crate::Warning;

pub use error::{NotYet, ProfileError, ProfileErrorKind};
pub use values::{Family, MssLimit, Remote, TunName};

pub(crate) use values::Filter;

use directives::{Reader, SECRETS};

/// What a profile says, ready for use.
#[derive(Debug)]
pub struct Profile {
    /// Where it came from.
    pub file: PathBuf,
    /// The servers, in the order in which they are tried.
    pub remotes: Vec<Remote>,
    /// The interface's name.
    pub tun: TunName,
    /// The interface's MTU, unless another is pushed.
    pub tun_mtu: u16,
    /// What TCP inside the tunnel is held to.
    pub mssfix: MssLimit,
    /// The CAs that a server's certificate may come from.
    pub ca: Vec<CertificateDer<'static>>,
    /// Our certificate and key.
    pub identity: Arc<CertifiedKey>,
    /// The key that protects control packets.
    pub tls_auth: Option<(StaticKey, KeyDirection)>,
    /// The digest of that protection.
    pub auth: AuthDigest,
    /// The data ciphers that a server may choose from.
    pub ciphers: Vec<Cipher>,
    /// Which server is the right one.
    pub name: NameRule,
    /// Timers of a connection.
    pub timers: Timers,
    /// When and how often to try again.
    pub retry: RetrySettings,
    /// Further lines about us, for the server.
    pub peer_info: Vec<(String, String)>,
    /// Options of the profile that a server could also push: routes, name servers.
    pub options: Vec<PushOption>,
    /// Which pushed options are taken.
    pub(crate) filters: Vec<Filter>,
    /// Pushed routes and name servers are left alone.
    pub route_nopull: bool,
    /// What was passed over, and what will need care soon.
    pub warnings: Vec<Warning>,
}

/// Timers of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Age at which keys are renewed; zero leaves it to the server.
    pub reneg: Duration,
    /// How long one negotiation may take.
    pub hand_window: Duration,
    /// How long a replaced key still opens.
    pub tran_window: Duration,
    /// Silence after which the server is gone, until another time is pushed.
    pub ping_restart: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            reneg: Duration::from_secs(3600),
            hand_window: Duration::from_secs(60),
            tran_window: Duration::from_secs(3600),
            ping_restart: Duration::from_secs(120),
        }
    }
}

/// When and how often to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How many rounds over all servers before giving up; `None` for no limit.
    pub rounds: Option<u32>,
    /// How long to wait for a server's first packet; `None` picks it by how many servers there are.
    pub first_packet: Option<Duration>,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(300),
            rounds: None,
            first_packet: None,
        }
    }
}

/// What becomes of a profile whose certificate's time is over. A server refuses it, and not every one can say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expired {
    IsRefused,
    IsTold,
}

impl Profile {
    /// Reads a profile and the files that it names.
    ///
    /// # Errors
    /// With the file, the line and the mend.
    pub fn load(file: &Path, clock: &dyn Clock) -> Result<Self, ProfileError> {
        Self::read(file, clock, Expired::IsRefused)
    }

    /// The same for whoever wants to see what the server says to a certificate whose time is over: that is a warning.
    ///
    /// # Errors
    /// With the file, the line and the mend.
    pub fn load_expired_too(file: &Path, clock: &dyn Clock) -> Result<Self, ProfileError> {
        Self::read(file, clock, Expired::IsTold)
    }

    fn read(file: &Path, clock: &dyn Clock, expired: Expired) -> Result<Self, ProfileError> {
        let bytes = std::fs::read(file).map(zeroize::Zeroizing::new);
        let bytes = bytes
            .map_err(|error| ProfileError::new(file, None, ProfileErrorKind::Unreadable(error)))?;
        let directives = text::directives(file, &bytes)?;
        let mut profile = Self::assemble(file, &directives, clock, expired)?;
        let inside = |d: &Directive| d.block.is_some() && SECRETS.contains(&d.name.as_str());
        if directives.iter().any(inside) && material::is_exposed(file) {
            profile.warnings.push(Warning::Exposed { path: file.to_owned() });
        }
        Ok(profile)
    }

    /// Reads a profile's text; `file` tells where other files are looked for.
    ///
    /// # Errors
    /// With the file, the line and the mend.
    pub fn parse(file: &Path, bytes: &[u8], clock: &dyn Clock) -> Result<Self, ProfileError> {
        Self::assemble(file, &text::directives(file, bytes)?, clock, Expired::IsRefused)
    }

    fn assemble(
        file: &Path,
        directives: &[Directive],
        clock: &dyn Clock,
        expired: Expired,
    ) -> Result<Self, ProfileError> {
        let mut reader = Reader::new(file);
        reader.take_all(directives)?;
        reader.finish(clock.now().into(), expired)
    }
}

#[cfg(test)]
mod tests;
