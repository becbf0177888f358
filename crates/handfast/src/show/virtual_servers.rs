//! The TLS door's virtual servers in words.

use admin::response::{TlsCertificate, TlsServer, TlsServers};
use clock::Timestamp;

use super::table::{Table, Width, visible};
use super::time;
use super::words::{list, total};

pub(crate) fn listing(all: &TlsServers, now: Timestamp, width: Width) -> String {
    if all.listen.is_empty() && all.servers.is_empty() {
        return "no virtual server is reached; docs/tls.md has a first one\n".into();
    }
    let text = match width {
        Width::Whole => whole(all, now),
        Width::Terminal => narrow(all),
    };
    let listens = list(&all.listen);
    let total = total(all.servers.len(), "virtual server", None);
    format!("listens at {listens}\n\n{text}{total}{}", problems(all))
}

/// What is wrong, below the table: each is a sentence.
fn problems(all: &TlsServers) -> String {
    let problems = all.servers.iter().flat_map(|server| &server.problems);
    problems.map(|problem| format!("problem: {}\n", visible(problem))).collect()
}

/// What is looked at first.
fn narrow(all: &TlsServers) -> String {
    let mut table = Table::new(&["NAME", "CLIENTS", "NOW", "CERTIFICATE", "BACKEND"]);
    for server in &all.servers {
        table.row([
            server.name.clone(),
            server.clients.clone(),
            server.connections.to_string(),
            first_end(server),
            backend(server),
        ]);
    }
    table.text_in(Width::Terminal)
}

fn whole(all: &TlsServers, now: Timestamp) -> String {
    let mut table = Table::new(&[
        "NAMES",
        "ALPN",
        "CLIENTS",
        "USERS",
        "NOW",
        "KNOWN",
        "CERTIFICATES",
        "TICKET KEY",
        "BACKEND",
    ]);
    for server in &all.servers {
        let until = |one: &TlsCertificate| {
            let from = match server.certificate_source.as_str() {
                "own" => String::new(),
                elsewhere => format!(" from {elsewhere}"),
            };
            format!("{} {}{from} until {}", one.key, one.serial, time::day(one.expires_at, now))
        };
        table.row([
            list(&server.names),
            list(&server.alpn),
            server.clients.clone(),
            list(&server.users),
            server.connections.to_string(),
            server.with_certificate.to_string(),
            list(&server.certificates.iter().map(until).collect::<Vec<_>>()),
            age(server.ticket_key_seconds),
            backend(server),
        ]);
    }
    table.text()
}

/// When the first of its certificates ends.
fn first_end(server: &TlsServer) -> String {
    let first = server.certificates.iter().map(|one| one.expires_at).min();
    first.map_or_else(|| "-".into(), |end| end.date())
}

fn backend(server: &TlsServer) -> String {
    match server.passthrough {
        true => format!("{} (passthrough)", server.backend),
        false => server.backend.clone(),
    }
}

fn age(seconds: Option<u64>) -> String {
    let length = |seconds| time::length(std::time::Duration::from_secs(seconds));
    seconds.map_or_else(|| "-".into(), length)
}
