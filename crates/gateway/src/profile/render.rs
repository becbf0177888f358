//! Profiles as text: from the common part and, in the unified form, a device's identity.
//!
//! No IO. Invariant: a split profile is made without looking at any device, so it is byte-identical
//! for every user of its system.

use std::fmt::Write as _;
use std::net::IpAddr;

use admin::names::DeviceName;
use admin::response::ProfileCommon;
use admin::secret::SecretText;
use wire::peer_info::PeerInfo;

use super::settings_mark::settings_mark;
use super::{SPLIT_CERTIFICATE, SPLIT_KEY, System};
use crate::config::Transport;

/// What of a device goes into a unified profile.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Its name, for people to tell profiles apart.
    pub name: &'a DeviceName,
    /// Its certificate.
    pub certificate_pem: &'a str,
    /// Its private key.
    pub key_pem: &'a SecretText,
}

/// The one `.ovpn` with everything inline.
pub fn unified(
    system: System,
    common: &ProfileCommon,
    identity: Identity<'_>,
) -> Result<SecretText, RenderError> {
    let mut text = String::with_capacity(16 * 1024);
    let _ = writeln!(text, "# Handfast profile of {} for {}", identity.name, system.word());
    write_common(&mut text, system, common)?;
    if system.is_mobile() {
        // The version 3 core shows this name in its list instead of the remote's address.
        let _ = writeln!(text, "setenv FRIENDLY_NAME \"{}\"", identity.name);
    }
    write_shared_blocks(&mut text, common)?;
    write_block(&mut text, "cert", identity.certificate_pem)?;
    write_block(&mut text, "key", identity.key_pem.expose())?;
    Ok(SecretText::new(text))
}

/// `handfast-OS.ovpn` of the split set.
pub fn split(system: System, common: &ProfileCommon) -> Result<SecretText, RenderError> {
    if system.is_mobile() {
        return Err(RenderError::MobileNeedsOneFile);
    }
    let mut text = String::with_capacity(8 * 1024);
    let _ = writeln!(
        text,
        "# Handfast profile for {}, the same for every user.\n\
         # Put the device's {SPLIT_CERTIFICATE} and {SPLIT_KEY} beside it.",
        system.word()
    );
    write_common(&mut text, system, common)?;
    let _ = writeln!(text, "cert {SPLIT_CERTIFICATE}\nkey {SPLIT_KEY}");
    write_shared_blocks(&mut text, common)?;
    Ok(SecretText::new(text))
}

fn write_common(
    text: &mut String,
    system: System,
    common: &ProfileCommon,
) -> Result<(), RenderError> {
    text.push_str("client\ndev tun\n");
    write_remotes(text, system, common)?;
    text.push_str("nobind\npersist-tun\n");
    let name = plain_word("server name", &common.server_name)?;
    let _ = writeln!(text, "remote-cert-tls server\nverify-x509-name {name} name");
    let _ = writeln!(text, "auth {}", plain_word("auth digest", &common.auth)?);
    let ciphers = common.ciphers.join(":");
    let _ = writeln!(text, "data-ciphers {}", plain_word("cipher list", &ciphers)?);
    text.push_str("tls-version-min 1.2\nverb 3\n");
    write_system(text, system, common);
    Ok(())
}

/// The servers in the order in which they are tried. What carries the packets is said once where it
/// is the same for all, as older clients have it.
fn write_remotes(
    text: &mut String,
    system: System,
    common: &ProfileCommon,
) -> Result<(), RenderError> {
    let first = common.remotes.first().ok_or(RenderError::NoRemote)?;
    let mixed = common.remotes.iter().any(|remote| remote.transport != first.transport);
    let _ = writeln!(text, "proto {}", proto(first.transport));
    for remote in &common.remotes {
        let (host, port) = (plain_word("remote", &remote.host)?, remote.port);
        let _ = match mixed {
            true => writeln!(text, "remote {host} {port} {}", proto(remote.transport)),
            false => writeln!(text, "remote {host} {port}"),
        };
    }
    // A name may stand for several addresses.
    let is_name = first.host.parse::<IpAddr>().is_err();
    // Our client tells the gateway what it was written with; others where they push what is theirs.
    let _ = writeln!(text, "setenv {} {}", PeerInfo::PROFILE, settings_mark(common));
    if (common.remotes.len() > 1 || is_name) && !system.is_mobile() {
        // By itself the version 2 core waits two minutes for a server that does not answer; the
        // version 3 core waits for ten seconds.
        text.push_str("server-poll-timeout 10\n");
    }
    Ok(())
}

fn proto(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp-client",
    }
}

/// What is special to a system's usual client.
fn write_system(text: &mut String, system: System, common: &ProfileCommon) {
    if !system.is_mobile() {
        // The version 3 core ignores these three with a warning for each.
        text.push_str("persist-key\nresolv-retry infinite\n");
        // Clients before 2.6 refuse it beside TCP. The gateway pushes it over UDP then.
        if common.remotes.iter().all(|remote| remote.transport == Transport::Udp) {
            text.push_str("explicit-exit-notify 1\n");
        }
    }
    match system {
        // Names that were asked before must not stay as they were. Against DNS beside the tunnel the
        // gateway pushes its guard, where it pushes DNS. `setenv opt`: other clients don't know it.
        System::Windows => text.push_str("setenv opt register-dns\n"),
        System::Linux => text.push_str(LINUX_DNS),
        System::Macos | System::Android | System::Ios => {}
    }
}

/// A script that is not there is a fatal error, hence comments only.
const LINUX_DNS: &str = "\
# NetworkManager and OpenVPN 2.7 apply pushed DNS servers themselves. For 2.6, started by hand on
# Debian or Ubuntu, uncomment:
;script-security 2
;up /etc/openvpn/update-resolv-conf
;down /etc/openvpn/update-resolv-conf
";

fn write_shared_blocks(text: &mut String, common: &ProfileCommon) -> Result<(), RenderError> {
    write_block(text, "ca", &common.ca_pem)?;
    text.push_str("key-direction 1\n");
    write_block(text, "tls-auth", common.tls_auth_key.expose())
}

fn write_block(text: &mut String, name: &'static str, body: &str) -> Result<(), RenderError> {
    if body.trim().is_empty() || body.lines().any(|line| line.trim_start().starts_with("</")) {
        return Err(RenderError::BadBlock { name });
    }
    let _ = writeln!(text, "<{name}>\n{}\n</{name}>", body.trim());
    Ok(())
}

/// A word that needs no quoting, so that no value can bring a directive of its own.
fn plain_word<'a>(what: &'static str, word: &'a str) -> Result<&'a str, RenderError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:-_%+".contains(c);
    if word.is_empty() || !word.chars().all(plain) || word.len() > MAX_WORD {
        return Err(RenderError::NotAWord { what, word: word.to_owned() });
    }
    Ok(word)
}

/// What the strictest reader of profiles takes for a parameter.
const MAX_WORD: usize = 255;

/// Why a profile can't be written: in every case the gateway's settings are at fault, or a form
/// was asked for that the system's clients can't read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderError {
    /// Mobile clients import one file; they can't read files beside it.
    MobileNeedsOneFile,
    /// The gateway knows no address that it can be reached at.
    NoRemote,
    /// A setting has characters that have no place in a profile.
    NotAWord {
        /// Which setting.
        what: &'static str,
        /// Its value.
        word: String,
    },
    /// An inline block is empty or would end early.
    BadBlock {
        /// Which block.
        name: &'static str,
    },
}

impl std::fmt::Display for RenderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MobileNeedsOneFile => {
                write!(f, "mobile clients import one file and can't read others beside it")
            }
            Self::NoRemote => write!(f, "the gateway knows no address that it can be reached at"),
            Self::NotAWord { what, word } => {
                write!(f, "the {what} {word:?} can't be written into a profile")
            }
            Self::BadBlock { name } => write!(f, "the <{name}> block is empty or ends early"),
        }
    }
}

impl std::error::Error for RenderError {}

#[cfg(test)]
mod tests {
    use super::*;
    use admin::response::Remote;

    #[test]
    fn every_profile_checks_the_server_and_carries_the_key_direction() {
        for system in System::ALL {
            let text = unified_text(system, &common());
            for line in [
                "client",
                "dev tun",
                "proto udp",
                "remote vpn.example.net 1194",
                "remote 2001:db8::1 1194",
                "nobind",
                "remote-cert-tls server",
                "verify-x509-name gateway.handfast.internal name",
                "key-direction 1",
                "auth SHA256",
                "data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305",
                "tls-version-min 1.2",
                "persist-tun",
                "verb 3",
                "<ca>",
                "<cert>",
                "<key>",
                "<tls-auth>",
            ] {
                assert!(text.lines().any(|l| l == line), "{line} is missing for {system:?}");
            }
        }
    }

    #[test]
    fn no_profile_has_the_dns_guard_that_the_gateway_pushes() {
        for system in System::ALL {
            assert!(!unified_text(system, &common()).contains("block-outside-dns"), "{system:?}");
        }
        assert!(unified_text(System::Windows, &common()).contains("\nsetenv opt register-dns\n"));
    }

    #[test]
    fn mobile_profiles_have_nothing_that_the_version_3_core_complains_of() {
        for system in [System::Android, System::Ios] {
            let text = unified_text(system, &common());
            for word in ["explicit-exit-notify", "resolv-retry", "persist-key", "script-security"] {
                assert!(!text.contains(word), "{word} for {system:?}");
            }
            assert!(text.contains("setenv FRIENDLY_NAME \"alice/phone\"\n"));
            assert_eq!(split(system, &common()), Err(RenderError::MobileNeedsOneFile));
        }
    }

    #[test]
    fn a_split_profile_has_nothing_of_the_device() {
        for system in [System::Linux, System::Windows, System::Macos] {
            let text = split(system, &common()).unwrap();
            assert!(text.expose().contains("\ncert vpn.crt\nkey vpn.key\n"));
            assert!(!text.expose().contains("<cert>") && !text.expose().contains("<key>"));
        }
    }

    #[test]
    fn a_setting_cannot_bring_a_directive_of_its_own() {
        let mut bad = common();
        bad.remotes[0].host = "x 1194\nup /bin/sh".into();
        assert!(matches!(split(System::Linux, &bad), Err(RenderError::NotAWord { .. })));
        let bad = ProfileCommon { ca_pem: "x\n</ca>\nup /bin/sh\n<ca>\n".into(), ..common() };
        assert_eq!(split(System::Linux, &bad), Err(RenderError::BadBlock { name: "ca" }));
        let bad = ProfileCommon { remotes: vec![], ..common() };
        assert_eq!(split(System::Linux, &bad), Err(RenderError::NoRemote));
    }

    #[test]
    fn no_line_is_longer_than_the_strictest_reader_takes() {
        for system in System::ALL {
            assert!(unified_text(system, &common()).lines().all(|line| line.len() < 256));
        }
    }

    #[test]
    fn servers_of_both_transports_are_named_in_their_order_and_no_client_waits_long_for_one() {
        let both = [Transport::Udp, Transport::Tcp].map(|t| remote("vpn.example.net", t));
        let mixed = ProfileCommon { remotes: both.to_vec(), ..common() };
        for system in System::ALL {
            let text = unified_text(system, &mixed);
            let remotes = "\nproto udp\nremote vpn.example.net 1194 udp\n\
                           remote vpn.example.net 1194 tcp-client\n";
            assert!(text.contains(remotes), "{text}");
            assert_eq!(text.contains("\nserver-poll-timeout 10\n"), !system.is_mobile());
            assert!(!text.contains("explicit-exit-notify"));
        }
        let tcp = ProfileCommon { remotes: both[1..].to_vec(), ..common() };
        let text = unified_text(System::Linux, &tcp);
        assert!(text.contains("\nproto tcp-client\nremote vpn.example.net 1194\n"), "{text}");
        assert!(!text.contains("explicit-exit-notify"));
    }

    #[test]
    fn wherever_a_second_address_may_be_tried_the_first_is_left_after_ten_seconds() {
        let [name, other, v4, v6] =
            ["vpn.example.net", "gate.example.net", "192.0.2.1", "2001:db8::1"]
                .map(|host| remote(host, Transport::Udp));
        let polls = |remotes: &[&Remote]| {
            let remotes = remotes.iter().map(|remote| (*remote).clone()).collect();
            let text = unified_text(System::Linux, &ProfileCommon { remotes, ..common() });
            text.contains("\nserver-poll-timeout 10\n")
        };
        assert!(polls(&[&name]) && polls(&[&name, &other]) && polls(&[&v4, &v6]));
        assert!(!polls(&[&v4]) && !polls(&[&v6]));
    }

    fn remote(host: &str, transport: Transport) -> Remote {
        Remote { host: host.into(), port: 1194, transport }
    }

    fn unified_text(system: System, common: &ProfileCommon) -> String {
        let name = DeviceName::parse("alice/phone").unwrap();
        let key_pem = SecretText::new("KEY".into());
        let identity = Identity { name: &name, certificate_pem: "CERT", key_pem: &key_pem };
        unified(system, common, identity).unwrap().expose().to_owned()
    }

    fn common() -> ProfileCommon {
        ProfileCommon {
            ca_pem: "CA\n".into(),
            tls_auth_key: SecretText::new("STATIC\n".into()),
            auth: "SHA256".into(),
            server_name: "gateway.handfast.internal".into(),
            remotes: vec![
                remote("vpn.example.net", Transport::Udp),
                remote("2001:db8::1", Transport::Udp),
            ],
            ciphers: ["AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"].map(Into::into).into(),
        }
    }
}
