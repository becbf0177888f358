//! The TLS door's virtual servers in words.

use std::collections::BTreeMap;

use admin::response::{
    TlsAddress, TlsCertificate, TlsClientPort, TlsEncryption, TlsServer, TlsServers,
};
use clock::Timestamp;

use super::table::{Table, Width, fields, visible};
use super::time;
use super::words::{list, total};

pub(crate) fn listing(all: &TlsServers, now: Timestamp, width: Width) -> String {
    if all.listen.is_empty() && all.servers.is_empty() && all.clients.is_empty() {
        return "no virtual server is reached; docs/tls.md has a first one\n".into();
    }
    let text = match width {
        Width::Whole => whole(all, now),
        Width::Terminal | Width::Pipe => narrow(all, width),
    };
    let listens = list(&all.listen);
    let total = total(all.servers.len(), "virtual server", None);
    let (problems, ports) = (problems(all), local_ports(&all.clients));
    format!("listens at {listens}\n\n{text}{total}{problems}{ports}")
}

/// What is wrong, below the table: each is a sentence.
fn problems(all: &TlsServers) -> String {
    let problems = all.servers.iter().flat_map(|server| &server.problems);
    problems.map(|problem| said(problem)).collect()
}

fn said(problem: &str) -> String {
    format!("problem: {}\n", visible(problem))
}

/// Local ports, where there are some.
fn local_ports(all: &[TlsClientPort]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["LOCAL PORT", "LEADS TO", "STATE"]);
    for one in all {
        let state = one.fault.as_deref().map_or_else(|| "open".into(), visible);
        table.row([one.listen.to_string(), one.target.clone(), state]);
    }
    format!("\n{}", table.text())
}

/// What is looked at first.
fn narrow(all: &TlsServers, width: Width) -> String {
    let mut table = Table::new(&["NAME", "PORTS", "CLIENTS", "NOW", "CERTIFICATE", "BACKEND"]);
    for server in &all.servers {
        table.row([
            server.name.clone(),
            ports(server),
            server.clients.clone(),
            server.connections.to_string(),
            first_end(server),
            backend(server),
        ]);
    }
    table.text_in(width)
}

fn whole(all: &TlsServers, now: Timestamp) -> String {
    let mut table = Table::new(&[
        "NAMES",
        "REACHED AT",
        "ALPN",
        "CLIENTS",
        "USERS",
        "NOW",
        "KNOWN",
        "GROUPS",
        "OLDEST KEYS",
        "CERTIFICATES",
        "TICKET KEY",
        "REQUESTS",
        "IN",
        "OUT",
        "BACKEND",
    ]);
    for server in &all.servers {
        let until = |one: &TlsCertificate| certificate(server, one, now);
        table.row([
            list(&server.names),
            addresses(server),
            list(&server.alpn),
            server.clients.clone(),
            list(&server.users),
            server.connections.to_string(),
            server.with_certificate.to_string(),
            groups(server),
            age(server.oldest_keys_seconds),
            list(&server.certificates.iter().map(until).collect::<Vec<_>>()),
            age(server.ticket_key_seconds),
            server.figures.requests.to_string(),
            time::bytes(server.figures.bytes_in),
            time::bytes(server.figures.bytes_out),
            backend(server),
        ]);
    }
    table.text()
}

/// By which it is told where a server answers that should not.
fn ports(server: &TlsServer) -> String {
    let mut ports: Vec<_> = server.reached_at.iter().map(|one| one.address.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    list(&ports)
}

fn addresses(server: &TlsServer) -> String {
    let said = |one: &TlsAddress| match one.mode.as_str() {
        "implicit" => one.address.to_string(),
        mode => format!("{} {mode}", one.address),
    };
    list(&server.reached_at.iter().map(said).collect::<Vec<_>>())
}

/// When the first of its certificates ends.
fn first_end(server: &TlsServer) -> String {
    let first = server.certificates.iter().map(|one| one.expires_at).min();
    first.map_or_else(|| "-".into(), |end| end.date())
}

fn backend(server: &TlsServer) -> String {
    let down = server.backends.iter().filter(|one| one.ailment.is_some()).count();
    match (server.passthrough, down) {
        (true, _) => format!("{} (passthrough)", server.backend),
        (false, 0) => server.backend.clone(),
        (false, down) => {
            format!("{} ({down} of {} left out)", server.backend, server.backends.len())
        }
    }
}

fn certificate(server: &TlsServer, one: &TlsCertificate, now: Timestamp) -> String {
    let from = match server.certificate_source.as_str() {
        "own" => String::new(),
        elsewhere => format!(" from {elsewhere}"),
    };
    format!("{} {}{from} until {}", one.key, one.serial, time::day(one.expires_at, now))
}

pub(crate) fn detail(server: &TlsServer, now: Timestamp) -> String {
    let certificates: Vec<_> =
        server.certificates.iter().map(|one| certificate(server, one, now)).collect();
    let (present, figures) = (server.connections, &server.figures);
    let head = fields(&[
        ("names", list(&server.names)),
        ("reached at", addresses(server)),
        ("protocols", list(&server.alpn)),
        ("clients", clients(server)),
        ("certificates", list(&certificates)),
        ("ticket key", age(server.ticket_key_seconds)),
        ("connections", format!("{present} now, {} since the start", figures.connections)),
        ("known", format!("{} of them by a certificate", server.with_certificate)),
        ("encryption", encryption(server)),
        ("oldest keys", age(server.oldest_keys_seconds)),
        ("requests", figures.requests.to_string()),
        ("refused", refused(server)),
        ("broken off", figures.broken_answers.to_string()),
        ("bytes in", time::bytes(figures.bytes_in)),
        ("bytes out", time::bytes(figures.bytes_out)),
        ("backend", backend(server)),
    ]);
    let problems: String = server.problems.iter().map(|problem| said(problem)).collect();
    format!("{head}{problems}{}", backends(server))
}

/// Groups of the key exchange, and how many connections have each.
fn groups(server: &TlsServer) -> String {
    let mut groups = BTreeMap::<&str, u32>::new();
    for one in &server.encryption {
        *groups.entry(&one.group).or_default() += one.connections;
    }
    list(&groups.iter().map(|(group, count)| format!("{count} {group}")).collect::<Vec<_>>())
}

fn encryption(server: &TlsServer) -> String {
    let said = |one: &TlsEncryption| {
        format!("{} {} {} {}", one.connections, one.tls, one.cipher, one.group)
    };
    list(&server.encryption.iter().map(said).collect::<Vec<_>>())
}

fn clients(server: &TlsServer) -> String {
    match server.users.is_empty() {
        true => server.clients.clone(),
        false => format!("{}: {}", server.clients, list(&server.users)),
    }
}

fn refused(server: &TlsServer) -> String {
    let all = &server.figures.refused_requests;
    let of: Vec<_> = all.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    list(&of)
}

fn backends(server: &TlsServer) -> String {
    if server.backends.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["BACKEND", "STATE"]);
    for backend in &server.backends {
        let state = match &backend.ailment {
            Some(ailment) => format!("left out: {ailment}"),
            None => "has its turns".to_owned(),
        };
        table.row([backend.to.clone(), state]);
    }
    format!("\n{}", table.text())
}

fn age(seconds: Option<u64>) -> String {
    let length = |seconds| time::length(std::time::Duration::from_secs(seconds));
    seconds.map_or_else(|| "-".into(), length)
}
