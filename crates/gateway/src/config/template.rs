//! The text of `handfast.toml` on the first start: every key, its default, and what it is for.

use std::net::Ipv6Addr;

use uplink::Revocation;

use super::{
    Acme, Ca, Cert, Config, Device, Explain, Hooks, KeyType, Listen, Metrics, Net6, Public,
    PublicName, PublicUrl, Publish, Push, Sessions, Vpn,
};

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
        let sections = [
            HEAD.to_owned(),
            public(&config.public),
            vpn(&config.vpn),
            push(&config.vpn.push),
            publish(&config.publish),
            ca(&config.ca),
            device(&config.device),
            history(&config.sessions),
            cert(&config.cert),
            metrics(config.metrics),
            hooks(&config.hooks),
            explain(config.explain),
            TLS.to_owned(),
            GROUPS.to_owned(),
            acme(&config.acme),
        ];
        sections.join("\n")
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
}

fn public(public: &Public) -> String {
    format!(
        "[public]
# Host names or addresses that profiles point to, tried in this order. Where clients need another
# port than the listening one: \"vpn.example.org:443\"; for TCP alone: \"tcp:vpn.example.org:443\".
names = {}
",
        list(&public.names)
    )
}

fn vpn(vpn: &Vpn) -> String {
    [networks(vpn), sessions(vpn), workers(vpn)].concat()
}

/// Where it listens, and what lies inside.
fn networks(vpn: &Vpn) -> String {
    let network6 = match vpn.network6 {
        Some(net) => format!("network6 = \"{net}\""),
        None => "# network6 = \"fd12:3456:789a:1::/64\"".to_owned(),
    };
    format!(
        "[vpn]
# Sockets. [::] takes IPv4 as well. For networks that let no UDP through, add \"tcp:[::]:1194\".
listen = {}
# The tunnel's interface.
interface = \"{}\"
# Addresses inside the tunnel; the first is the gateway's. A device keeps its own.
network = \"{}\"
# The same for IPv6, a random private /64. Without the line: no IPv6 inside.
{network6}
# Switch forwarding on and translate addresses; undone at stop. With false, both are yours.
nat = {}
# Whether subscribers reach each other.
client_to_client = {}
# Networks outside whose hosts may reach subscribers without being asked first.
allow_in = {}
",
        list(&vpn.listen),
        vpn.interface,
        vpn.network,
        vpn.nat,
        vpn.client_to_client,
        list(&vpn.allow_in)
    )
}

/// Timers, sizes, ciphers, places.
fn sessions(vpn: &Vpn) -> String {
    format!(
        "# Seconds of silence before a ping, and before the other side is held for gone.
ping = {}
ping_restart = {}
# Seconds between renegotiations of keys.
reneg_sec = {}
# Seconds a handshake may take.
hand_window = {}
# Largest packet inside, and the outer size TCP is trimmed for (0: not at all).
tun_mtu = {}
mssfix = {}
# That size where no router may cut packets: from stock clients, and over IPv6.
mssfix_df = {}
# Data channel ciphers, best first.
ciphers = {}
# Digest of the tls-auth key: SHA1, SHA256, SHA384 or SHA512. Profiles carry it.
auth = \"{}\"
# Sessions at once.
max_sessions = {}
",
        vpn.ping,
        vpn.ping_restart,
        vpn.reneg_sec,
        vpn.hand_window,
        vpn.tun_mtu,
        vpn.mssfix,
        vpn.mssfix_df,
        list(&vpn.ciphers),
        vpn.auth,
        vpn.max_sessions
    )
}

fn workers(vpn: &Vpn) -> String {
    format!(
        "# Threads that carry packets (0: one per core).
workers = {}
# Their nice value, where the system allows it (0: as all other programs).
nice = {}
# Speed-ups to do without, where a driver has a bug: {}.
without = {}
",
        vpn.workers,
        vpn.nice,
        engine::Offloads::PARTS.join(", "),
        list(&vpn.without)
    )
}

fn push(push: &Push) -> String {
    format!(
        "[vpn.push]
# Networks behind the gateway, IPv4 or IPv6: [\"192.168.10.0/24\"].
routes = {}
# Name servers, and domains to look up there.
dns = {}
dns_search = {}
# Send all traffic of subscribers through the tunnel.
redirect_gateway = {}
# Without IPv6 inside: keep theirs from going beside such a tunnel.
block_ipv6 = {}
",
        list(&push.routes),
        list(&push.dns),
        list(&push.dns_search),
        push.redirect_gateway,
        push.block_ipv6
    )
}

/// The default stands as a comment, so that `listen` is `vpn.listen` to who edits the file by a pattern.
fn publish(publish: &Publish) -> String {
    let comment = if *publish == Publish::default() { "# " } else { "" };
    format!(
        "[publish]
# Where CRL, OCSP answers and CA certificate are handed out. Plain http: they are signed.
{comment}listen = {}
",
        list(&publish.listen)
    )
}

fn ca(ca: &Ca) -> String {
    let public_url = match &ca.public_url {
        Some(url) => format!("public_url = \"{url}\""),
        None => "# public_url = \"http://vpn.example.org\"".to_owned(),
    };
    format!(
        "[ca]
# \"rsa\" (every client reads it) or \"p256\". Key type and validity were fixed when the CA was made.
key_type = {}
validity_days = {}
# Domains and networks whose names it may certify, by its own certificate, and what of them it may not; fixed in the
# same way. Empty: any.
permitted_names = {}
excluded_names = {}
# Where CRL and OCSP are to be found; stands in every certificate.
{public_url}
# A CRL's life; a new one is signed at half of it and at every revocation.
crl_validity_days = {}
# Life of the gateway's own certificates (`90d`, `12h`); renewed by themselves at two thirds of it.
gateway_validity = \"{}\"
",
        key_type(ca.key_type),
        ca.validity_days,
        list(&ca.permitted_names),
        list(&ca.excluded_names),
        ca.crl_validity_days,
        ca.gateway_validity
    )
}

fn device(device: &Device) -> String {
    format!(
        "[device]
key_type = {}
validity_days = {}
# After a renewal the former certificate is revoked once the new one connected, or after this.
supersede_days = {}
# The addresses of a device that was revoked come free after so many days (0: never).
free_address_days = {}
",
        key_type(device.key_type),
        device.validity_days,
        device.supersede_days,
        device.free_address_days
    )
}

fn acme(acme: &Acme) -> String {
    format!(
        "[acme]
# Another CA, for virtual servers with certificate = \"acme\": its directory, and whether you have agreed to its terms,
# before which nothing is asked of it.
directory = \"{}\"
terms_agreed = {}
# How names are proved, the preferred way first.
challenges = {}
# Whether its own web server's certificate was revoked: \"require\" asks nothing of it where that can't be found out,
# \"prefer\" passes that over, \"off\" does not look.
revocation = \"{}\"
# Whom it writes to.
# email = \"admin@example.org\"
",
        acme.directory.as_str(),
        acme.terms_agreed,
        list(&acme.challenges),
        revocation(acme.revocation)
    )
}

fn history(sessions: &Sessions) -> String {
    format!(
        "[sessions]
# How many days the record of a session is kept.
keep_days = {}
",
        sessions.keep_days
    )
}

fn cert(cert: &Cert) -> String {
    format!(
        "[cert]
# Servers, and clients that are no devices (`handfast cert`): how long their certificates live at most.
validity_days = {}
# After a renewal the former certificate is revoked after this.
supersede_days = {}
# Kinds of key that are certified.
key_types = {}
# Domains and addresses that servers' names have to be in. Empty: any.
domains = {}
# What they may be for: \"server\" to be reached, \"client\" to reach others, \"peer\" for both.
profiles = {}
",
        cert.validity_days,
        cert.supersede_days,
        list(&cert.key_types),
        list(&cert.domains),
        list(&cert.profiles)
    )
}

fn metrics(metrics: Metrics) -> String {
    format!(
        "[metrics]
# Bytes and sessions of each device in `status --prometheus`, with their names.
per_device = {}
",
        metrics.per_device
    )
}

fn hooks(hooks: &Hooks) -> String {
    let revocation = revocation(hooks.revocation);
    let url = match &hooks.url {
        Some(url) => format!("url = \"{url}\""),
        None => "# url = \"https://ops.example.org/handfast\"".to_owned(),
    };
    format!(
        "[hooks]
# Every event is posted there as JSON, sessions and refusals too.
{url}
# Over https: \"require\" posts nothing where it can't be found out whether the certificate there was revoked, \"prefer\"
# passes that over, \"off\" does not look.
revocation = \"{revocation}\"
"
    )
}

fn revocation(revocation: Revocation) -> &'static str {
    match revocation {
        Revocation::Require => "require",
        Revocation::Prefer => "prefer",
        Revocation::Off => "off",
    }
}

fn explain(explain: Explain) -> String {
    format!(
        "[explain]
# Of which handshakes facts are kept in memory, and no secrets: \"off\", \"failures\" or \"all\". Asked by `explain`.
keep = \"{}\"
",
        explain.keep.word()
    )
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

/// Nothing is served there unless it is written.
const TLS: &str = "\
[tls]
# Sockets for TLS and what may share them, [[tls.listen]], and what is reached there by name, [[tls.server]];
# ports on this machine that lead to services elsewhere, [[tls.client]].
";

const GROUPS: &str = "\
[groups]
# Users and devices under one name, for `users = [\"@ops\"]`: ops = [\"alice\", \"bob/phone\"]
";

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
