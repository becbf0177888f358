//! What has to hold between `[[tls.listen]]` and `[[tls.server]]`, and beside the other doors.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use admin::transport::Transport;
use front::{
    CertificateSource, Clients, Listen, Mode, Protocol, ProxyProtocol, SiteName, VirtualServer,
};
use names::CertificateName;

use super::{Finding, refuse_at, services};
use crate::config::Config;

/// The first contradiction.
pub(super) fn consistent(config: &Config) -> Result<(), Finding> {
    if let Some((group, inner)) = config.groups.nested() {
        let message =
            format!("{group} has {inner} in it, and a group has users and devices; name them here");
        return refuse_at(&["groups"], 0, message);
    }
    for at in 0..config.tls.listen.len() {
        address(config, at)?;
    }
    let servers = &config.tls.server;
    for (at, server) in servers.iter().enumerate() {
        names(server, at)?;
        apart(server, &servers[..at], at)?;
        clients(server, at)?;
        groups(config, at)?;
        certificate(server, at)?;
        figures(server, at)?;
        services::consistent(server, at)?;
        greets(config, at)?;
    }
    match servers.is_empty() || config.tls.listen.iter().any(Listen::takes_tls) {
        true => Ok(()),
        false if config.tls.listen.is_empty() => usual_port(config),
        false => {
            let message = "nothing in tls.listen that takes TLS, so nobody reaches this server; add a [[tls.listen]] \
                           with address = \"[::]:443\"";
            refuse_at(&["tls", "server", "names"], 0, message.to_owned())
        }
    }
}

/// Where no address is named.
fn usual_port(config: &Config) -> Result<(), Finding> {
    let mut config = config.clone();
    config.tls = config.tls.with_usual_port();
    address(&config, 0).or_else(|finding| {
        let message =
            format!("no [[tls.listen]] says where this server is reached, and {}", finding.message);
        refuse_at(&["tls", "server", "names"], 0, message)
    })
}

fn address(config: &Config, at: usize) -> Result<(), Finding> {
    let path = &["tls", "listen", "address"];
    let listen = &config.tls.listen[at];
    let address = listen.address;
    let mut before = config.tls.listen[..at].iter().map(|one| one.address);
    if before.clone().any(|one| one == address) {
        return refuse_at(path, at, format!("tls.listen names {address} twice"));
    }
    if let Some(one) = before.find(|one| clash(*one, address)) {
        let message = format!("tls.listen has {one}, which takes {address} too; leave one out");
        return refuse_at(path, at, message);
    }
    let over_tcp = config.vpn.listen.iter().filter(|one| one.transport == Transport::Tcp);
    if over_tcp.into_iter().any(|one| clash(one.address, address)) {
        let port = address.port();
        let message = match listen.takes(Protocol::OpenVpn) {
            true => format!(
                "vpn.listen has TCP port {port} too, which is shared here; take it out there"
            ),
            false => format!(
                "vpn.listen has TCP port {port} already; choose another one, or have both on it: mode = \"shared\" \
                 here, and take it out there"
            ),
        };
        return refuse_at(path, at, message);
    }
    if config.publish.listen.iter().any(|one| clash(*one, address)) {
        let port = address.port();
        let message = match listen.takes(Protocol::Http) {
            true => format!(
                "publish.listen has TCP port {port} too, where all else is sent to HTTPS already; leave this out, or \
                 take it out there"
            ),
            false => format!("publish.listen has TCP port {port} already; choose another one"),
        };
        return refuse_at(path, at, message);
    }
    if listen.protocols.is_empty() {
        let message = "protocols is empty; choose from tls, openvpn, postgresql, http";
        return refuse_at(&["tls", "listen", "protocols"], at, message.to_owned());
    }
    if listen.mode != Mode::Shared && listen.protocols != Protocol::ALL {
        let message =
            "one protocol alone is taken here; set mode = \"shared\" too, or leave `protocols` out";
        return refuse_at(&["tls", "listen", "protocols"], at, message.to_owned());
    }
    if !(1..=MOST).contains(&listen.max_connections) {
        let message = format!("max_connections is {}; choose 1 to {MOST}", listen.max_connections);
        return refuse_at(&["tls", "listen", "max_connections"], at, message);
    }
    data_connections(listen, at)
}

/// They come from clients themselves, to ports of their own.
fn data_connections(listen: &Listen, at: usize) -> Result<(), Finding> {
    if listen.passive_ports.is_some() && !listen.has_data_connections() {
        let message = "passive_ports are for data connections, which FTP alone has; leave them out, or set mode = \
                       \"starttls:ftp\"";
        return refuse_at(&["tls", "listen", "passive_ports"], at, message.to_owned());
    }
    if listen.passive_address.is_some() && !listen.has_data_connections() {
        let message = "passive_address is for data connections, which FTP alone has; leave it out, or set mode = \
                       \"starttls:ftp\"";
        return refuse_at(&["tls", "listen", "passive_address"], at, message.to_owned());
    }
    let nowhere = |address: &Ipv4Addr| {
        address.is_unspecified() || address.is_multicast() || address.is_broadcast()
    };
    if let Some(address) = listen.passive_address.filter(nowhere) {
        let message = format!(
            "{address} is where nobody can connect to; name the address by which clients reach this machine, or leave \
             it out"
        );
        return refuse_at(&["tls", "listen", "passive_address"], at, message);
    }
    if listen.has_data_connections() && !listen.proxies.is_empty() {
        let message = "FTP's data connections don't come by a proxy; have clients connect here, and leave proxies out";
        return refuse_at(&["tls", "listen", "proxies"], at, message.to_owned());
    }
    Ok(())
}

/// One socket would take what is meant for the other. Port 0 is whichever is free.
pub(crate) fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let takes = |all: IpAddr, ip: IpAddr| {
        all == ip || (all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4()))
    };
    let either = takes(one.ip(), other.ip()) || takes(other.ip(), one.ip());
    one.port() == other.port() && one.port() != 0 && either
}

fn names(server: &VirtualServer, at: usize) -> Result<(), Finding> {
    let path = &["tls", "server", "names"];
    if server.names.is_empty() {
        let message = "a virtual server needs a name; write names = [\"wiki.example.org\"]";
        return refuse_at(path, at, message.to_owned());
    }
    let again = |(at, name): &(usize, &SiteName)| server.names[..*at].contains(name);
    if let Some((_, name)) = server.names.iter().enumerate().find(again) {
        return refuse_at(path, at, format!("{name} stands here twice; leave one out"));
    }
    if let Some(ours) = server.names.iter().find(|name| pki::is_reserved_name(name.as_str())) {
        let message = format!("{ours} is the VPN gateway's own name; choose another one");
        return refuse_at(path, at, message);
    }
    if let Err(error) = CertificateName::new(server.label()) {
        let message = format!(
            "{} can't be the first name, by which its certificate is recorded and revoked: {}; put a whole name first",
            server.label(),
            error.hint()
        );
        return refuse_at(path, at, message);
    }
    Ok(())
}

/// Beside those that stand before it.
fn apart(server: &VirtualServer, before: &[VirtualServer], at: usize) -> Result<(), Finding> {
    let path = &["tls", "server", "names"];
    let alike = |other: &&VirtualServer| {
        other.label() == server.label()
            && (other.names != server.names
                || other.key_types != server.key_types
                || other.certificate != server.certificate)
    };
    if before.iter().any(|other| alike(&other)) {
        let message = format!(
            "{} is the first name of two virtual servers, which have one certificate; give both the same `names`, \
             `key_types` and `certificate`",
            server.label()
        );
        return refuse_at(path, at, message);
    }
    let rivals = before.iter().filter(|other| same_protocols(server, other));
    let taken = rivals.flat_map(|other| &other.names).find(|name| server.names.contains(name));
    if let Some(name) = taken {
        let message = format!(
            "{name} belongs to two virtual servers, and nothing tells which is meant; give them protocols in `alpn` \
             that differ, or other names"
        );
        return refuse_at(path, at, message);
    }
    let path = &["tls", "server", "default"];
    match before.iter().find(|other| other.default && server.default) {
        Some(other) => {
            let message = format!("{} is the default already; only one can be", other.label());
            refuse_at(path, at, message)
        }
        None => Ok(()),
    }
}

fn same_protocols(one: &VirtualServer, other: &VirtualServer) -> bool {
    // As they are spoken: who names none may speak some all the same.
    let (one, other) = (one.protocols(), other.protocols());
    let none = one.is_empty() && other.is_empty();
    none || one.iter().any(|protocol| other.contains(protocol))
}

fn clients(server: &VirtualServer, at: usize) -> Result<(), Finding> {
    if server.passthrough && server.clients != Clients::None {
        let message = "TLS is not ended here, so that only the backend can ask for certificates; leave out \
                       `passthrough` or `clients`";
        return refuse_at(&["tls", "server", "clients"], at, message.to_owned());
    }
    if server.passthrough && server.is_http() {
        let message = "TLS is not ended here, so that no request is seen; write backend = \"tcp:HOST:PORT\", or leave \
                       out `passthrough`";
        return refuse_at(&["tls", "server", "backend"], at, message.to_owned());
    }
    if server.passthrough && server.reaches_by_tls() {
        let message = "TLS is not ended here, so that it can't begin anew; write backend = \"tcp:HOST:PORT\", or leave \
                       out `passthrough`";
        return refuse_at(&["tls", "server", "backend"], at, message.to_owned());
    }
    if server.proxy != ProxyProtocol::None && server.is_http() {
        let message = "an HTTP backend is told in X-Forwarded-For; leave `proxy` out";
        return refuse_at(&["tls", "server", "proxy"], at, message.to_owned());
    }
    if !server.users.is_empty() && server.clients == Clients::None {
        let message = "clients are not asked who they are; set clients = \"required\" too";
        return refuse_at(&["tls", "server", "users"], at, message.to_owned());
    }
    Ok(())
}

/// Its greeting is given before its client has come to TLS, so that TLS of its own has to come behind it.
fn greets(config: &Config, at: usize) -> Result<(), Finding> {
    let server = &config.tls.server[at];
    let mut spoken = config.tls.listen.iter().filter_map(|listen| listen.mode.starttls());
    let for_good = spoken.find(|by| {
        by.greets_for_good() && (server.default || server.alpn.iter().any(|one| one == by.name()))
    });
    let services = server.services();
    let mut backends = services.iter().flat_map(|service| &service.backends);
    let mute = |by: &_| backends.any(|one| one.to.is_over_tls() && !one.to.begins_by(*by));
    match for_good.filter(mute) {
        None => Ok(()),
        Some(by) => {
            let message = format!(
                "clients that come by starttls:{by} get the backend's own greeting, which is heard in the clear; write \
                 it as tcp:HOST:PORT, or where TLS follows as {by}://HOST"
            );
            refuse_at(&["tls", "server", "backend"], at, message)
        }
    }
}

fn groups(config: &Config, at: usize) -> Result<(), Finding> {
    match config.groups.missing(&config.tls.server[at].users) {
        None => Ok(()),
        Some(name) => {
            let message = format!("there is no group {name}; add {name} = [\"USER\"] to [groups]");
            refuse_at(&["tls", "server", "users"], at, message)
        }
    }
}

fn certificate(server: &VirtualServer, at: usize) -> Result<(), Finding> {
    let path = &["tls", "server", "certificate"];
    if server.passthrough && !server.certificate.is_own() {
        let message = "TLS is not ended here, so that the backend has the certificate; leave out `passthrough` or \
                       `certificate`";
        return refuse_at(path, at, message.to_owned());
    }
    match &server.certificate {
        CertificateSource::Own => Ok(()),
        CertificateSource::Acme => whole_names_only(server, at),
        CertificateSource::Files(files) => {
            let mut all = files.iter().flat_map(|files| [&files.chain, &files.key]);
            match all.find(|file| !file.is_absolute()) {
                Some(file) => {
                    let file = file.display();
                    refuse_at(path, at, format!("{file} is no whole path; write /FOLDER/{file}"))
                }
                None => Ok(()),
            }
        }
    }
}

/// By RFC 8555 section 8 a CA is shown a whole domain in its DNS alone.
fn whole_names_only(server: &VirtualServer, at: usize) -> Result<(), Finding> {
    match server.names.iter().find(|name| name.wildcard().is_some()) {
        Some(name) => {
            let message = format!(
                "{name} is every host of a domain, which ACME proves by DNS alone, and that is not done here; name \
                 each host, or take the certificate from files"
            );
            refuse_at(&["tls", "server", "names"], at, message)
        }
        None => Ok(()),
    }
}

fn figures(server: &VirtualServer, at: usize) -> Result<(), Finding> {
    let bad_protocol = |name: &&String| name.is_empty() || name.len() > 255;
    if server.alpn.iter().any(|name| bad_protocol(&name)) {
        let message = "a protocol has 1 to 255 bytes; write alpn = [\"h2\", \"http/1.1\"]";
        return refuse_at(&["tls", "server", "alpn"], at, message.to_owned());
    }
    if server.key_types.is_empty() {
        let message = "key_types is empty; choose from p256, rsa";
        return refuse_at(&["tls", "server", "key_types"], at, message.to_owned());
    }
    if !(1..=MOST).contains(&server.max_connections) {
        let message = format!("max_connections is {}; choose 1 to {MOST}", server.max_connections);
        return refuse_at(&["tls", "server", "max_connections"], at, message);
    }
    // RFC 8446 section 4.6.1: seven days at most.
    if server.ticket_seconds > 604_800 {
        let message =
            format!("ticket_seconds is {}; choose up to 604800, a week", server.ticket_seconds);
        return refuse_at(&["tls", "server", "ticket_seconds"], at, message);
    }
    Ok(())
}

const MOST: u32 = 1_000_000;
