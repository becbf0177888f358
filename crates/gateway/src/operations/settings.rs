//! The settings file over the control socket: shown, and one key set.
//!
//! What is in force comes from elsewhere: a reload, or a start. Invariant: nothing is written that would put
//! another mistake into the file; with those that a start goes without it can be shown and mended, key by key.

use std::path::Path;
use std::sync::PoisonError;

use admin::response::{Setting, Settings, TakesEffect};

use super::lost_doors::lost_doors;
use crate::config::{Changed, Config, ConfigError, set};
use crate::context::Context;
use crate::error::GatewayError;
use crate::gateway::push_policy;

/// The settings file of what these handles are of.
pub(super) struct SettingsFile<'a> {
    pub(super) at: &'a Context,
}

impl SettingsFile<'_> {
    /// What it says, and what of that is not in force.
    pub(super) fn show(&self) -> Result<Settings, GatewayError> {
        let file = Config::load_for_start(&self.at.data.config())?.config;
        Ok(self.described(&file, |_| true))
    }

    /// Writes another value for a key into it.
    pub(super) fn set(&self, key: &str, values: &[String]) -> Result<Settings, GatewayError> {
        let _one = self.at.settings_file.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.at.data.config();
        let Changed { text, config } = set(&path, &read(&path)?, key, values)?;
        push_policy(&config)?;
        self.at.data.write_whole(&path, text.as_bytes())?;
        let warnings = lost_doors(self.at, &config).into_iter().collect();
        Ok(Settings { warnings, ..self.described(&config, |name| name == key) })
    }

    fn described(&self, file: &Config, is_wanted: impl Fn(&str) -> bool) -> Settings {
        let (present, defaults) = (self.at.config().settings(), Config::default().settings());
        let described = file.settings().into_iter().zip(present).zip(defaults);
        let wanted = described.filter(|((setting, _), _)| is_wanted(&setting.key));
        let settings = wanted.map(|((setting, before), default)| Setting {
            is_default: setting.value == default.value,
            waits_for: self.waits_for(file, &setting.key, setting.value != before.value),
            key: setting.key,
            value: setting.value,
        });
        let file = self.at.data.config().display().to_string();
        Settings { file, settings: settings.collect(), warnings: Vec::new() }
    }

    fn waits_for(&self, file: &Config, key: &str, is_unread: bool) -> Option<TakesEffect> {
        let is_running = self.at.doors.is_any_open();
        let at_start = self.at.only_at_start(file).contains(&key);
        match (is_running, at_start, is_unread) {
            (true, true, _) | (false, _, true) => Some(TakesEffect::Start),
            (true, false, true) => Some(TakesEffect::Reload),
            (_, _, false) => None,
        }
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { file: path.to_owned(), source })
}
