//! A tunnel's name servers, for as long as the tunnel is up.
//!
//! Where systemd-resolved runs it is told by `resolvectl`, for the tunnel's interface, and forgets
//! with the interface. Elsewhere /etc/resolv.conf is rewritten; what it said is first put on disk
//! and comes back on release, or at the next start after a kill. Nothing goes through a shell, and
//! nothing but addresses and checked names is ever written.
//!
//! /etc/resolv.conf can't split: with it, all names are asked of the tunnel's servers, and the C
//! library asks the first three of them.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::undo::Undo;

mod error;
mod resolv_conf;
mod resolvectl;

pub use error::DnsError;

/// Where what /etc/resolv.conf said is kept unless the caller chooses another place: a place that
/// outlives a reboot, since /etc does too.
pub const DNS_BACKUP: &str = "/var/lib/handfast/resolv.conf.backup";

/// A domain name of plain ASCII: what it takes to be safe as an argument and in a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DomainName(String);

impl DomainName {
    /// Checks a name; a dot at its end is dropped.
    pub fn new(name: &str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let fits = name.len() <= 253;
        (fits && name.split('.').all(is_label)).then(|| Self(name.to_owned()))
    }

    /// The name, without a dot at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the tunnel says about names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// The tunnel's interface.
    pub interface: String,
    /// The servers to ask.
    pub servers: Vec<IpAddr>,
    /// Domains that are tried behind short names.
    pub search: Vec<DomainName>,
    /// Ask these servers about all names, and not only about those in `search`. Heeded where
    /// systemd-resolved runs.
    pub all_names: bool,
}

/// How the settings are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsMethod {
    /// By systemd-resolved, for the interface.
    Resolved,
    /// By a rewritten /etc/resolv.conf.
    ResolvConf,
}

/// Settings in force. Dropping it releases them without a word about failures.
#[derive(Debug)]
pub struct Dns {
    state: State,
    settings: DnsSettings,
    backup: PathBuf,
}

#[derive(Debug)]
enum State {
    Resolved { former: Vec<IpAddr> },
    ResolvConf(Box<resolv_conf::Rewritten>),
    Released,
}

impl Dns {
    /// Puts settings in force. `backup` is where what /etc/resolv.conf said is kept meanwhile.
    pub fn apply(settings: &DnsSettings, backup: &Path) -> Result<Self, DnsError> {
        if !crate::interface::is_name(&settings.interface) {
            return Err(DnsError::BadInterface(settings.interface.clone()));
        }
        let of = |state| Self { state, settings: settings.clone(), backup: backup.to_owned() };
        if resolvectl::is_in_charge() {
            let former = resolvectl::name_servers();
            match resolvectl::apply(settings) {
                Err(DnsError::NotInstalled) => {}
                result => return result.map(|()| of(State::Resolved { former })),
            }
        }
        let rewritten = resolv_conf::apply(settings, Path::new(RESOLV_CONF), backup)?;
        Ok(of(State::ResolvConf(Box::new(rewritten))))
    }

    /// Looks whether the settings are still in force, and puts them in force again where another
    /// program (DHCP, a network manager) has overwritten them; what that program wrote is what comes
    /// back at the end. Whether it had to. To be called now and then.
    pub fn keep(&mut self) -> Result<bool, DnsError> {
        let resolved = matches!(self.state, State::Resolved { .. });
        if resolved != resolvectl::is_in_charge() {
            self.put_back()?;
            *self = Self::apply(&self.settings, &self.backup)?;
            return Ok(true);
        }
        match &mut self.state {
            State::ResolvConf(rewritten) => rewritten.keep(&self.settings, Path::new(RESOLV_CONF)),
            State::Resolved { .. } | State::Released => Ok(false),
        }
    }

    /// The servers that would be asked without these settings.
    pub fn former_servers(&self) -> Vec<IpAddr> {
        match &self.state {
            State::Resolved { former } => former.clone(),
            State::ResolvConf(rewritten) => rewritten.former_servers(),
            State::Released => name_servers(),
        }
    }

    /// Puts back what a killed process left in /etc/resolv.conf. Whether there was something.
    pub fn recover(backup: &Path) -> Result<bool, DnsError> {
        resolv_conf::recover(backup)
    }

    /// How the settings are in force.
    pub fn method(&self) -> DnsMethod {
        match self.state {
            State::Resolved { .. } => DnsMethod::Resolved,
            State::ResolvConf(_) | State::Released => DnsMethod::ResolvConf,
        }
    }

    /// Puts back what was before.
    pub fn release(mut self) -> Result<(), DnsError> {
        self.put_back()
    }

    fn put_back(&mut self) -> Result<(), DnsError> {
        match std::mem::replace(&mut self.state, State::Released) {
            State::Resolved { .. } => resolvectl::revert(&self.settings.interface),
            State::ResolvConf(rewritten) => rewritten.put_back(),
            State::Released => Ok(()),
        }
    }
}

/// The servers that names are asked of at this moment.
pub fn name_servers() -> Vec<IpAddr> {
    if resolvectl::is_in_charge() {
        return resolvectl::name_servers();
    }
    resolv_conf::servers_in(&std::fs::read(RESOLV_CONF).unwrap_or_default())
}

impl Undo for Dns {
    fn what(&self) -> String {
        "the change of the name servers".to_owned()
    }

    fn undo(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.put_back()?)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        // The backup stays if this fails, and the next start tries again.
        let _ = self.put_back();
    }
}

fn is_label(label: &str) -> bool {
    let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    plain && (1..=63).contains(&label.len()) && !label.starts_with('-')
}

fn io_error(path: &Path, source: io::Error) -> DnsError {
    DnsError::Io { path: PathBuf::from(path), source }
}

const RESOLV_CONF: &str = "/etc/resolv.conf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_options_or_lines_are_refused() {
        assert_eq!(DomainName::new("Corp.example.").unwrap().as_str(), "Corp.example");
        for name in ["", ".", "a..b", "-x.example", "a b", "a\nb", "~.", "ä.example", "$(id)"] {
            assert_eq!(DomainName::new(name), None, "{name:?}");
        }
        assert_eq!(DomainName::new(&["a"; 128].join(".")), None);
    }
}
