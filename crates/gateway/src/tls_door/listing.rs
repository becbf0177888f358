//! The door's virtual servers as administration shows them.

use admin::response::{TlsCertificate, TlsServer, TlsServers};
use front::{Clients, Front, OwnCertificate, ServerState};

/// All that is reached now.
pub(super) fn of(front: &Front) -> TlsServers {
    let servers = front.servers().into_iter().map(server).collect();
    TlsServers { listen: front.addresses(), servers }
}

fn server(state: ServerState) -> TlsServer {
    let (settings, present) = (&state.settings, state.present);
    TlsServer {
        name: settings.label().to_owned(),
        names: settings.names.iter().map(ToString::to_string).collect(),
        alpn: settings.alpn.clone(),
        backend: settings.backend.to_string(),
        passthrough: settings.passthrough,
        clients: clients(settings.clients).to_owned(),
        users: settings.users.iter().map(ToString::to_string).collect(),
        certificate_source: settings.certificate.word().to_owned(),
        certificates: state.certificates.iter().map(certificate).collect(),
        problems: Vec::new(),
        ticket_key_seconds: state.ticket_key_age.map(|age| age.as_secs()),
        connections: small(present.connections),
        with_certificate: small(present.with_certificate),
    }
}

fn certificate(own: &OwnCertificate) -> TlsCertificate {
    TlsCertificate { serial: own.id.to_string(), key: own.key.to_owned(), expires_at: own.until }
}

/// As the settings have it.
fn clients(policy: Clients) -> &'static str {
    match policy {
        Clients::None => "none",
        Clients::Optional => "optional",
        Clients::Required => "required",
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
