//! The files a device needs, written for what each system's usual client imports.
//!
//! [`render`] makes texts from values, [`write`] decides which files a call gives, [`folder`] puts
//! them on disk. Invariant: no file of another device is ever replaced.
//!
//! Every difference between the systems' profiles is a real one; docs/profiles.md gives the reason
//! for each.

pub mod folder;
pub mod former;
pub mod render;
mod settings_mark;
pub mod write;

use serde::{Deserialize, Serialize};

pub use settings_mark::settings_mark;

/// The system a profile is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// `openvpn` 2.5 or later, or NetworkManager.
    Linux,
    /// OpenVPN GUI, or OpenVPN Connect.
    Windows,
    /// Tunnelblick, or OpenVPN Connect.
    Macos,
    /// OpenVPN Connect, or OpenVPN for Android.
    Android,
    /// OpenVPN Connect.
    Ios,
}

impl System {
    /// All of them, in the order they are written.
    pub const ALL: [Self; 5] = [Self::Linux, Self::Windows, Self::Macos, Self::Android, Self::Ios];

    /// The word on the command line and in file names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
            Self::Macos => "macos",
            Self::Android => "android",
            Self::Ios => "ios",
        }
    }

    /// Mobile clients import one file only and run OpenVPN's version 3 core.
    pub fn is_mobile(self) -> bool {
        matches!(self, Self::Android | Self::Ios)
    }
}

/// How a profile is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One `.ovpn` with everything inline.
    Unified,
    /// `handfast-OS.ovpn`, the same for everybody, with `vpn.crt` and `vpn.key` beside it.
    Split,
}

/// The certificate's file in the split form.
pub const SPLIT_CERTIFICATE: &str = "vpn.crt";
/// The key's file in the split form.
pub const SPLIT_KEY: &str = "vpn.key";
