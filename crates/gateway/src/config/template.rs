//! The text of `handfast.toml` on the first start: every key, its default, and what it is for.

use std::fmt::Write;
use std::net::Ipv6Addr;

use super::{Config, KeyType, Listen, Net6, PublicName, PublicUrl, Push};

/// What the first start knows and the file should say.
#[derive(Clone, Debug, Default)]
pub struct FirstConfig {
    /// Names that profiles point to.
    pub names: Vec<PublicName>,
    /// Where CRL and OCSP will be found.
    pub public_url: Option<PublicUrl>,
    /// The random IPv6 network.
    pub network6: Option<Net6>,
    /// Sockets; without any, the usual one.
    pub listen: Vec<Listen>,
    /// What clients are told.
    pub push: Push,
}

/// A unique local /64 from random bytes (RFC 4193 section 3.2: fd, 40 random bits, a subnet).
pub fn random_ula(random: [u8; 8]) -> Net6 {
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..8].copy_from_slice(&random[..7]);
    Net6::around(Ipv6Addr::from(octets), 64).unwrap_or_else(|| unreachable!("64 bits fit"))
}

impl FirstConfig {
    /// The file's text.
    pub fn text(&self) -> String {
        let config = self.config();
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text, &config);
        text
    }

    /// What the text says, as values.
    pub fn config(&self) -> Config {
        let mut config = Config::default();
        config.public.names.clone_from(&self.names);
        config.ca.public_url.clone_from(&self.public_url);
        config.vpn.network6 = self.network6;
        config.vpn.push = self.push.clone();
        if !self.listen.is_empty() {
            config.vpn.listen.clone_from(&self.listen);
        }
        config
    }

    fn write(&self, out: &mut String, config: &Config) -> std::fmt::Result {
        let (vpn, push) = (&config.vpn, &config.vpn.push);
        let (ca, device) = (&config.ca, &config.device);
        writeln!(out, "{HEAD}")?;
        writeln!(out, "[public]")?;
        writeln!(
            out,
            "# Host names or addresses that profiles point to, tried in this order. Where clients need another"
        )?;
        writeln!(
            out,
            "# port than the listening one: \"vpn.example.org:443\"; for TCP alone: \"tcp:vpn.example.org:443\"."
        )?;
        writeln!(out, "names = {}", list(&config.public.names))?;
        writeln!(out, "\n[vpn]")?;
        writeln!(
            out,
            "# Sockets. [::] takes IPv4 as well. For networks that let no UDP through, add \"tcp:[::]:1194\"."
        )?;
        writeln!(out, "listen = {}", list(&vpn.listen))?;
        writeln!(out, "# The tunnel's interface.")?;
        writeln!(out, "interface = \"{}\"", vpn.interface)?;
        writeln!(
            out,
            "# Addresses inside the tunnel; the first is the gateway's. A device keeps its own."
        )?;
        writeln!(out, "network = \"{}\"", vpn.network)?;
        writeln!(
            out,
            "# The same for IPv6, a random private /64. Without the line: no IPv6 inside."
        )?;
        match vpn.network6 {
            Some(net) => writeln!(out, "network6 = \"{net}\"")?,
            None => writeln!(out, "# network6 = \"fd12:3456:789a:1::/64\"")?,
        }
        writeln!(
            out,
            "# Switch forwarding on and translate addresses; undone at stop. With false, both are yours."
        )?;
        writeln!(out, "nat = {}", vpn.nat)?;
        writeln!(out, "# Whether subscribers reach each other.")?;
        writeln!(out, "client_to_client = {}", vpn.client_to_client)?;
        writeln!(
            out,
            "# Networks outside whose hosts may reach subscribers without being asked first."
        )?;
        writeln!(out, "allow_in = {}", list(&vpn.allow_in))?;
        writeln!(
            out,
            "# Seconds of silence before a ping, and before the other side is held for gone."
        )?;
        writeln!(out, "ping = {}\nping_restart = {}", vpn.ping, vpn.ping_restart)?;
        writeln!(out, "# Seconds between renegotiations of keys.")?;
        writeln!(out, "reneg_sec = {}", vpn.reneg_sec)?;
        writeln!(out, "# Seconds a handshake may take.")?;
        writeln!(out, "hand_window = {}", vpn.hand_window)?;
        writeln!(
            out,
            "# Largest packet inside, and the outer size TCP is trimmed for (0: not at all)."
        )?;
        writeln!(out, "tun_mtu = {}\nmssfix = {}", vpn.tun_mtu, vpn.mssfix)?;
        writeln!(
            out,
            "# That size where no router may cut packets: from stock clients, and over IPv6."
        )?;
        writeln!(out, "mssfix_df = {}", vpn.mssfix_df)?;
        writeln!(out, "# Data channel ciphers, best first.")?;
        writeln!(out, "ciphers = {}", list(&vpn.ciphers))?;
        writeln!(
            out,
            "# Digest of the tls-auth key: SHA1, SHA256, SHA384 or SHA512. Profiles carry it."
        )?;
        writeln!(out, "auth = \"{}\"", vpn.auth)?;
        writeln!(out, "# Sessions at once.")?;
        writeln!(out, "max_sessions = {}", vpn.max_sessions)?;
        writeln!(out, "# Threads that carry packets (0: one per core).")?;
        writeln!(out, "workers = {}", vpn.workers)?;
        writeln!(
            out,
            "# Their nice value, where the system allows it (0: as all other programs)."
        )?;
        writeln!(out, "nice = {}", vpn.nice)?;
        writeln!(
            out,
            "# Speed-ups to do without, where a driver has a bug: {}.",
            engine::Offloads::PARTS.join(", ")
        )?;
        writeln!(out, "without = {}", list(&vpn.without))?;
        writeln!(out, "\n[vpn.push]")?;
        writeln!(out, "# Networks behind the gateway, IPv4 or IPv6: [\"192.168.10.0/24\"].")?;
        writeln!(out, "routes = {}", list(&push.routes))?;
        writeln!(out, "# Name servers, and domains to look up there.")?;
        writeln!(out, "dns = {}\ndns_search = {}", list(&push.dns), list(&push.dns_search))?;
        writeln!(out, "# Send all traffic of subscribers through the tunnel.")?;
        writeln!(out, "redirect_gateway = {}", push.redirect_gateway)?;
        writeln!(out, "# Without IPv6 inside: keep theirs from going beside such a tunnel.")?;
        writeln!(out, "block_ipv6 = {}", push.block_ipv6)?;
        writeln!(out, "\n[ca]")?;
        writeln!(
            out,
            "# \"rsa\" (every client reads it) or \"p256\". Key type and validity were fixed when the CA was made."
        )?;
        writeln!(out, "key_type = {}", key_type(ca.key_type))?;
        writeln!(out, "validity_days = {}", ca.validity_days)?;
        writeln!(
            out,
            "# Where CRL and OCSP are to be found; stands in every certificate. Plain http: they are signed."
        )?;
        match &ca.public_url {
            Some(url) => writeln!(out, "public_url = \"{url}\"")?,
            None => writeln!(out, "# public_url = \"http://vpn.example.org\"")?,
        }
        writeln!(
            out,
            "# A CRL's life; a new one is signed at half of it and at every revocation."
        )?;
        writeln!(out, "crl_validity_days = {}", ca.crl_validity_days)?;
        writeln!(out, "# Life of the gateway's own certificates; renewed by themselves.")?;
        writeln!(out, "gateway_validity_days = {}", ca.gateway_validity_days)?;
        writeln!(out, "\n[device]")?;
        writeln!(out, "key_type = {}", key_type(device.key_type))?;
        writeln!(out, "validity_days = {}", device.validity_days)?;
        writeln!(
            out,
            "# After a renewal the former certificate is revoked once the new one connected, or after this."
        )?;
        writeln!(out, "supersede_days = {}", device.supersede_days)
    }
}

fn key_type(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Rsa => "\"rsa\"",
        KeyType::P256 => "\"p256\"",
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    let quoted: Vec<_> = items.iter().map(|i| format!("\"{}\"", i.to_string())).collect();
    format!("[{}]", quoted.join(", "))
}

const HEAD: &str = "\
# Handfast's settings. Every key has a default, those below are it.
# `handfast check` tells what is wrong here; a running gateway reads the file again on SIGHUP.
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_first_file_says_what_its_values_say() {
        let name: PublicName = "vpn.example.org".parse().expect("a name");
        let first = FirstConfig {
            public_url: Some(PublicUrl::of(&name)),
            names: vec![name],
            network6: Some(random_ula([1, 2, 3, 4, 5, 6, 7, 8])),
            listen: vec!["udp:[::]:443".parse().expect("a socket")],
            push: Push {
                routes: vec!["10.99.0.0/24".to_owned().try_into().expect("a network")],
                dns: vec![[10, 71, 0, 1].into()],
                redirect_gateway: true,
                ..Push::default()
            },
        };
        let parsed = Config::parse(Path::new("x"), &first.text()).expect("our own file is valid");
        assert_eq!(parsed, first.config());
        assert_eq!(parsed.vpn.network6.expect("set").to_string(), "fd01:203:405:607::/64");
    }

    #[test]
    fn every_key_stands_in_the_first_file() {
        let text = FirstConfig::default().text();
        let table = toml::Table::try_from(Config::default()).expect("serialises");
        for (section, keys) in &table {
            assert!(text.contains(&format!("[{section}]")), "{section}");
            for key in keys.as_table().expect("a section").keys() {
                assert!(text.contains(key), "{section}.{key}");
            }
        }
    }
}
