//! What has to hold between values that are each well-formed.

use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use toml::de::{DeTable, DeValue};
use wire::cipher::Cipher;

use super::schema::former_names;
use super::{Config, ConfigError, Life, Net, Net6, Place, Problem, Vpn};

mod acme;
mod ca_names;
mod client_ports;
mod services;
mod trust;
mod virtual_servers;

pub(crate) use virtual_servers::clash;

/// A value that can't be meant: its path in the file, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    path: &'static [&'static str],
    /// Which one it is, where there may be many: the place in the first list on the path.
    at: usize,
    message: String,
}

impl Finding {
    /// Whether that key's value is wrong.
    pub(super) fn is_of(&self, key: &str) -> bool {
        key.split('.').eq(self.path.iter().copied())
    }

    /// The error, at the value's own place in `text`.
    pub(super) fn place(self, file: &Path, text: &str) -> ConfigError {
        let table = DeTable::parse(text).ok();
        let span_at = |path: &[&str]| span_of(table.as_ref()?.get_ref(), path, self.at);
        let former = || {
            former_names(&self.path.join("."))
                .find_map(|former| span_at(&former.split('.').collect::<Vec<_>>()))
        };
        let span = span_at(self.path).or_else(former).unwrap_or(0..0);
        ConfigError::Wrong {
            place: Place::of(file, text, &span),
            problem: Box::new(Problem::Contradiction { message: self.message }),
        }
    }
}

fn span_of(table: &DeTable<'_>, path: &[&str], at: usize) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let (_, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    match (rest, value.get_ref()) {
        ([], _) => Some(value.span()),
        (rest, DeValue::Table(inner)) => span_of(inner, rest, at),
        (rest, DeValue::Array(many)) => span_of(many.get(at)?.get_ref().as_table()?, rest, at),
        _ => None,
    }
}

/// The first contradiction in `config`, pushes aside.
pub(super) fn together(config: &Config) -> Result<(), Finding> {
    sockets(config)?;
    names(config)?;
    networks(config)?;
    times(config)?;
    sizes(config)?;
    begins(config)?;
    virtual_servers::consistent(config)?;
    ca_names::consistent(config)?;
    acme::consistent(&config.acme)?;
    client_ports::consistent(config)?;
    lifetimes(config)
}

fn refuse(path: &'static [&'static str], message: String) -> Result<(), Finding> {
    refuse_at(path, 0, message)
}

fn refuse_at(path: &'static [&'static str], at: usize, message: String) -> Result<(), Finding> {
    Err(Finding { path, at, message })
}

fn sockets(config: &Config) -> Result<(), Finding> {
    let listen = &config.vpn.listen;
    if listen.is_empty() {
        let message = "vpn.listen is empty, nobody could connect; the default is \
                       [\"udp:[::]:1194\"]";
        return refuse(&["vpn", "listen"], message.to_owned());
    }
    if let Some((_, twice)) =
        listen.iter().enumerate().find(|(at, one)| listen[..*at].contains(one))
    {
        return refuse(&["vpn", "listen"], format!("vpn.listen names {twice} twice"));
    }
    let unheard = config.public.names.iter().find_map(|name| {
        let transport = name.transport()?;
        let heard = listen.iter().any(|listen| listen.transport == transport);
        (!heard).then(|| (name, transport.word()))
    });
    match unheard {
        Some((name, word)) => {
            let message = format!(
                "public.names has {name}, and nothing in vpn.listen is {word}: add a \"{word}:\" \
                 socket there, or leave out the \"{word}:\" here"
            );
            refuse(&["public", "names"], message)
        }
        None => Ok(()),
    }
}

fn names(config: &Config) -> Result<(), Finding> {
    let vpn = &config.vpn;
    if vpn.ciphers.is_empty() {
        let message = format!(
            "vpn.ciphers is empty; choose from {}",
            Cipher::DEFAULT.map(Cipher::name).join(", ")
        );
        return refuse(&["vpn", "ciphers"], message);
    }
    let name = vpn.interface.as_bytes();
    let fits = (1..=15).contains(&name.len());
    if !fits || !name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)) {
        let message = format!(
            "vpn.interface is `{}`; an interface has 1 to 15 letters, digits, - and _",
            vpn.interface
        );
        return refuse(&["vpn", "interface"], message);
    }
    Ok(())
}

fn networks(config: &Config) -> Result<(), Finding> {
    let vpn = &config.vpn;
    let devices = vpn.network.devices();
    if !(8..=29).contains(&vpn.network.bits()) {
        let message = format!("vpn.network is {}; choose a prefix from /8 to /29", vpn.network);
        return refuse(&["vpn", "network"], message);
    }
    // The default figure is an upper bound, not a promise, so a small network is fine with it.
    let default_figure = super::Vpn::default().max_sessions;
    if u64::from(vpn.max_sessions) > devices && vpn.max_sessions != default_figure {
        let message = format!(
            "vpn.network {} holds {devices} devices, fewer than vpn.max_sessions ({}); widen the \
             network or lower the figure",
            vpn.network, vpn.max_sessions
        );
        return refuse(&["vpn", "max_sessions"], message);
    }
    match vpn.network6 {
        Some(net) if !(32..=112).contains(&net.bits()) => refuse(
            &["vpn", "network6"],
            format!("vpn.network6 is {net}; choose a prefix from /32 to /112, usually /64"),
        ),
        _ => Ok(()),
    }
}

fn times(config: &Config) -> Result<(), Finding> {
    let vpn = &config.vpn;
    if vpn.ping == 0 || vpn.ping > 3600 {
        let message = format!("vpn.ping is {} s; choose 1 to 3600", vpn.ping);
        return refuse(&["vpn", "ping"], message);
    }
    if vpn.ping_restart < 2 * vpn.ping {
        let message = format!(
            "vpn.ping_restart is {} s, less than twice vpn.ping ({} s); one lost ping would end \
             sessions: set it to {} or more",
            vpn.ping_restart,
            vpn.ping,
            2 * vpn.ping
        );
        return refuse(&["vpn", "ping_restart"], message);
    }
    if vpn.reneg_sec != 0 && vpn.reneg_sec < 5 {
        let message =
            format!("vpn.reneg_sec is {} s; choose 5 or more, or 0 for never", vpn.reneg_sec);
        return refuse(&["vpn", "reneg_sec"], message);
    }
    if !(5..=3600).contains(&vpn.hand_window) {
        let message = format!("vpn.hand_window is {} s; choose 5 to 3600", vpn.hand_window);
        return refuse(&["vpn", "hand_window"], message);
    }
    Ok(())
}

fn sizes(config: &Config) -> Result<(), Finding> {
    let vpn = &config.vpn;
    if !(576..=9000).contains(&vpn.tun_mtu) {
        let message = format!("vpn.tun_mtu is {}; choose 576 to 9000", vpn.tun_mtu);
        return refuse(&["vpn", "tun_mtu"], message);
    }
    if vpn.network6.is_some() && vpn.tun_mtu < 1280 {
        let message = format!(
            "vpn.tun_mtu is {}, IPv6 needs 1280: raise it, or remove vpn.network6",
            vpn.tun_mtu
        );
        return refuse(&["vpn", "tun_mtu"], message);
    }
    if vpn.mssfix != 0 && !(576..=9000).contains(&vpn.mssfix) {
        let message = format!("vpn.mssfix is {}; choose 576 to 9000, or 0 for none", vpn.mssfix);
        return refuse(&["vpn", "mssfix"], message);
    }
    if vpn.mssfix_df != 0 && !(576..=9000).contains(&vpn.mssfix_df) {
        let message =
            format!("vpn.mssfix_df is {}; choose 576 to 9000, or 0 for vpn.mssfix", vpn.mssfix_df);
        return refuse(&["vpn", "mssfix_df"], message);
    }
    let most = super::Vpn::MOST_WORKERS;
    if vpn.workers > most {
        let message = format!("vpn.workers is {}; choose 1 to {most}, or 0", vpn.workers);
        return refuse(&["vpn", "workers"], message);
    }
    if !(-20..=19).contains(&vpn.nice) {
        let message = format!("vpn.nice is {}; choose -20 (goes first) to 19 (last)", vpn.nice);
        return refuse(&["vpn", "nice"], message);
    }
    if vpn.max_sessions == 0 || vpn.max_sessions > 1_000_000 {
        let message = format!("vpn.max_sessions is {}; choose 1 to 1000000", vpn.max_sessions);
        return refuse(&["vpn", "max_sessions"], message);
    }
    Ok(())
}

fn begins(config: &Config) -> Result<(), Finding> {
    let vpn = &config.vpn;
    if !vpn.nat && !vpn.allow_in.is_empty() {
        let message = "vpn.allow_in stands beside vpn.nat = false, which leaves the firewall to \
                       you; allow them there";
        return refuse(&["vpn", "allow_in"], message.to_owned());
    }
    Ok(())
}

/// Takes out of the pushes what clients can do nothing with, and says what that was.
pub(super) fn take_useless_pushes(config: &mut Config) -> Vec<Finding> {
    let vpn = config.vpn.clone();
    let push = &mut config.vpn.push;
    let mut found = Vec::new();
    let mut note = |path, message| found.push(Finding { path, at: 0, message });
    push.routes.retain(|route| {
        let why = useless_route(&vpn, *route);
        why.iter().for_each(|why| note(ROUTES, format!("vpn.push.routes has {route}, {why}")));
        why.is_none()
    });
    push.dns.retain(|server| {
        let why = useless_server(&vpn, *server);
        why.iter().for_each(|why| note(DNS, format!("vpn.push.dns has {server}, {why}")));
        why.is_none()
    });
    push.dns_search.retain(|domain| {
        let is_one = !domain.is_empty() && domain.bytes().all(|b| b.is_ascii_graphic());
        if !is_one {
            let mend = "is not a domain; write one like `example.org`";
            note(DNS_SEARCH, format!("vpn.push.dns_search: `{domain}` {mend}"));
        }
        is_one
    });
    found
}

const ROUTES: &[&str] = &["vpn", "push", "routes"];
const DNS: &[&str] = &["vpn", "push", "dns"];
const DNS_SEARCH: &[&str] = &["vpn", "push", "dns_search"];

/// Why clients can do nothing with a route.
fn useless_route(vpn: &Vpn, route: Net) -> Option<&'static str> {
    let (first, bits, inside) = match route {
        Net::V4(net) => (net.address().into(), net.bits(), vpn.network.contains(net.address())),
        Net::V6(net) => {
            let inside = vpn.network6.is_some_and(|inner| inner.contains(net.address()));
            (IpAddr::from(net.address()), net.bits(), inside)
        }
    };
    let inner = match first {
        IpAddr::V4(_) => Some(vpn.network.bits()),
        IpAddr::V6(_) => vpn.network6.map(Net6::bits),
    };
    match inner {
        _ if bits == 0 => Some(
            "which takes the way to the gateway itself into the tunnel; for all traffic set \
             vpn.push.redirect_gateway",
        ),
        None => {
            Some("and there is no IPv6 inside to go there with; set vpn.network6, or leave it out")
        }
        Some(inner) if inside && bits >= inner => {
            Some("which is inside the tunnel's own network; subscribers have that, leave it out")
        }
        _ if stays_on_the_machine(first) => Some("which never leaves a machine; leave it out"),
        _ => None,
    }
}

/// Why clients can ask nothing of a name server.
fn useless_server(vpn: &Vpn, server: IpAddr) -> Option<&'static str> {
    let cut_off = vpn.push.redirect_gateway && vpn.push.block_ipv6 && vpn.network6.is_none();
    if server.is_unspecified() || stays_on_the_machine(server) {
        return Some(
            "which each client takes for itself or for nobody; name one that it can reach",
        );
    }
    (server.is_ipv6() && cut_off).then_some(
        "and vpn.push.redirect_gateway without vpn.network6 leaves clients no IPv6; name an IPv4 one",
    )
}

fn stays_on_the_machine(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    address.is_loopback() || address.is_multicast() || link_local
}

fn lifetimes(config: &Config) -> Result<(), Finding> {
    let (ca, device, cert) = (&config.ca, &config.device, &config.cert);
    let limits: [(&'static [&'static str], u32, u32, u32); 8] = [
        (&["ca", "validity_days"], ca.validity_days, 30, 36_500),
        (&["ca", "crl_validity_days"], ca.crl_validity_days, 1, 365),
        (&["device", "validity_days"], device.validity_days, 1, 3650),
        (&["device", "supersede_days"], device.supersede_days, 1, 90),
        (&["device", "free_address_days"], device.free_address_days, 0, 3650),
        (&["sessions", "keep_days"], config.sessions.keep_days, 1, 3650),
        (&["cert", "validity_days"], cert.validity_days, 1, 3650),
        (&["cert", "supersede_days"], cert.supersede_days, 1, 90),
    ];
    for (path, days, least, most) in limits {
        if !(least..=most).contains(&days) {
            let name = path.join(".");
            return refuse(path, format!("{name} is {days}; choose {least} to {most}"));
        }
    }
    if !GATEWAY_LIVES.contains(&ca.gateway_validity) {
        let (least, most) = (GATEWAY_LIVES.start(), GATEWAY_LIVES.end());
        let message =
            format!("ca.gateway_validity is {}; choose {least} to {most}", ca.gateway_validity);
        return refuse(&["ca", "gateway_validity"], message);
    }
    if cert.key_types.is_empty() {
        let message = "cert.key_types is empty; choose from rsa, p256, p384, ed25519";
        return refuse(&["cert", "key_types"], message.to_owned());
    }
    if cert.profiles.is_empty() {
        let message = "cert.profiles is empty; choose from server, client, peer";
        return refuse(&["cert", "profiles"], message.to_owned());
    }
    if device.validity_days > ca.validity_days {
        let message = format!(
            "device.validity_days is {}, more than ca.validity_days ({}); no certificate outlives \
             its CA",
            device.validity_days, ca.validity_days
        );
        return refuse(&["device", "validity_days"], message);
    }
    Ok(())
}

/// Its end is at a third behind its renewal, which needs some seconds.
const GATEWAY_LIVES: RangeInclusive<Life> = Life::minutes(1)..=Life::days(825);
