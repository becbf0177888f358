//! Which settings a profile has: a hash of all that is the same in every device's profile.
//!
//! For comparison with the settings of today. It tells nothing of them.

use std::fmt::Write as _;

use admin::response::ProfileCommon;
use pki::Fingerprint;
use store::SettingsMark;
use zeroize::Zeroizing;

/// Of these settings.
pub fn settings_mark(common: &ProfileCommon) -> SettingsMark {
    // Sized at once, so that no key stays behind in an outgrown buffer.
    let mut text = Zeroizing::new(String::with_capacity(ROOM + common.ca_pem.len()));
    for remote in &common.remotes {
        let _ = writeln!(text, "{} {} {}", remote.transport.word(), remote.host, remote.port);
    }
    let _ = writeln!(text, "{}\n{}\n{}", common.ciphers.join(":"), common.auth, common.server_name);
    text.push_str(&common.ca_pem);
    text.push_str(common.tls_auth_key.expose());
    let [a, b, c, d, e, f, g, h, ..] = *Fingerprint::of(text.as_bytes()).as_bytes();
    SettingsMark::from_bytes([a, b, c, d, e, f, g, h])
}

/// More than names, addresses and the static key take.
const ROOM: usize = 64 * 1024;
