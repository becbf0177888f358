//! Which settings a profile has: a hash of all that is the same in every device's profile.
//!
//! For comparison with the settings of today. It tells nothing of them.

use std::fmt::Write as _;

use admin::response::ProfileCommon;
use pki::Fingerprint;
use store::SettingsMark;
use zeroize::Zeroizing;

/// Of these settings. A former CA, which stands behind the one that signs while it is trusted too, does not count: who
/// has it in a profile beside the present one lacks nothing when it has gone.
pub fn settings_mark(common: &ProfileCommon) -> SettingsMark {
    // Sized at once, so that no key stays behind in an outgrown buffer.
    let mut text = Zeroizing::new(String::with_capacity(ROOM + common.ca_pem.len()));
    for remote in &common.remotes {
        let _ = writeln!(text, "{} {} {}", remote.transport.word(), remote.host, remote.port);
    }
    let _ = writeln!(text, "{}\n{}\n{}", common.ciphers.join(":"), common.auth, common.server_name);
    text.push_str(first(&common.ca_pem));
    text.push_str(common.tls_auth_key.expose());
    let [a, b, c, d, e, f, g, h, ..] = *Fingerprint::of(text.as_bytes()).as_bytes();
    SettingsMark::from_bytes([a, b, c, d, e, f, g, h])
}

fn first(pem: &str) -> &str {
    pem.find(END).map_or(pem, |at| &pem[..at + END.len()])
}

const END: &str = "-----END CERTIFICATE-----\n";
/// More than names, addresses and the static key take.
const ROOM: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use admin::secret::SecretText;

    #[test]
    fn a_former_ca_beside_the_present_one_makes_no_difference_and_one_in_its_place_does() {
        let ca = |name: &str| format!("-----BEGIN CERTIFICATE-----\n{name}\n{END}");
        let (new, former) = (ca("bmV3"), ca("Zm9ybWVy"));
        let mark = |ca_pem: &str| {
            settings_mark(&ProfileCommon {
                remotes: Vec::new(),
                ca_pem: ca_pem.to_owned(),
                tls_auth_key: SecretText::new("key".to_owned()),
                server_name: "gateway.handfast.internal".to_owned(),
                ciphers: vec!["AES-256-GCM".to_owned()],
                auth: "SHA256".to_owned(),
            })
        };
        assert_eq!(mark(&format!("{new}{former}")), mark(&new));
        assert_ne!(mark(&former), mark(&new));
        assert_ne!(mark(&format!("{former}{new}")), mark(&new));
    }
}
