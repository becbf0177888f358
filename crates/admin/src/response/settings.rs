//! Settings, as their file has them.
//!
//! Not here: what a key means (`gateway`).

use serde::{Deserialize, Serialize};

/// Settings, as their file has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The file.
    pub file: String,
    /// Its keys.
    pub settings: Vec<Setting>,
    /// What a change would do that is hardly wanted; nothing where nothing was changed.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A key of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// With its sections: `vpn.push.routes`.
    pub key: String,
    /// As TOML writes it; nothing, where it is left out.
    pub value: Option<String>,
    /// Whether it is what an empty file would mean.
    pub is_default: bool,
    /// What brings it into force; nothing, where it is.
    pub waits_for: Option<TakesEffect>,
}

/// What brings a setting into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakesEffect {
    /// Reading the file again.
    Reload,
    /// The next start of the gateway.
    Start,
}

/// The settings were read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Keys whose values wait for the next start.
    pub waiting: Vec<String>,
    /// Whether clients are pushed something else from here on: those that are connected hear of it when they come again.
    #[serde(default)]
    pub pushes_changed: bool,
    /// What they will do that is hardly wanted, and what could not be put in force.
    #[serde(default)]
    pub warnings: Vec<String>,
}
