//! Where the command runs: who runs it and what the environment says. Read once, at start.

use std::ffi::OsString;
use std::path::PathBuf;

/// What an order may depend on besides what was typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// Whether root runs it.
    pub(crate) root: bool,
    /// HANDFAST_DATA.
    pub(crate) data: Option<OsString>,
    /// XDG_STATE_HOME.
    pub(crate) state_home: Option<OsString>,
    /// HOME.
    pub(crate) home: Option<OsString>,
}

impl Place {
    /// As this process sees it.
    pub(crate) fn of_this_process() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            root: rustix::process::geteuid().is_root(),
            data: variable("HANDFAST_DATA"),
            state_home: variable("XDG_STATE_HOME"),
            home: variable("HOME"),
        }
    }

    /// The data folder where none was typed. Nothing only where a user has neither of the three
    /// variables.
    pub(crate) fn data_folder(&self) -> Option<PathBuf> {
        if let Some(data) = &self.data {
            return Some(data.into());
        }
        if self.root {
            return Some(SYSTEM_FOLDER.into());
        }
        match (&self.state_home, &self.home) {
            (Some(state), _) => Some(PathBuf::from(state).join("handfast")),
            (None, Some(home)) => Some(PathBuf::from(home).join(".local/state/handfast")),
            (None, None) => None,
        }
    }
}

/// Where root's gateway keeps its data.
pub(crate) const SYSTEM_FOLDER: &str = "/var/lib/handfast";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_comes_before_the_systems_state_folder() {
        let mut place = Place { root: true, ..Place::default() };
        assert_eq!(place.data_folder(), Some("/var/lib/handfast".into()));
        place.root = false;
        assert_eq!(place.data_folder(), None);
        place.home = Some("/home/a".into());
        assert_eq!(place.data_folder(), Some("/home/a/.local/state/handfast".into()));
        place.state_home = Some("/state".into());
        assert_eq!(place.data_folder(), Some("/state/handfast".into()));
        place.data = Some("/data".into());
        assert_eq!(place.data_folder(), Some("/data".into()));
    }
}
