//! What a gateway's administrator writes: the settings file and the lines of the control socket.

use std::path::Path;

use ::gateway::config::Config;
use admin::names::DeviceName;
use admin::protocol::{Call, Reply};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::fuzzing::Target;

pub(crate) const TARGETS: [(&str, Target); 2] =
    [("config", config), ("control_line", control_line)];

/// `handfast.toml`; an error has a place and a sentence.
fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Config::parse(Path::new("handfast.toml"), &text) {
        Ok(config) => {
            let written = toml::to_string(&config).expect("settings are written");
            let again = Config::parse(Path::new("handfast.toml"), &written);
            assert_eq!(again.map_err(|error| error.to_string()), Ok(config));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Calls and replies.
fn control_line(bytes: &[u8]) {
    survives::<Call>(bytes);
    survives::<Reply>(bytes);
    if let Ok(name) = DeviceName::parse(&String::from_utf8_lossy(bytes)) {
        assert_eq!(DeviceName::parse(&name.to_string()).ok(), Some(name));
    }
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&value).expect("a value is written");
    assert_eq!(serde_json::from_slice::<T>(&written).ok(), Some(value));
}
