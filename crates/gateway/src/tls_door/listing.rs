//! The door's virtual servers as administration shows them.

use admin::response::{
    TlsAddress, TlsBackend, TlsCertificate, TlsEncryption, TlsFigures, TlsServer, TlsServers,
};
use front::{
    BackendState, Clients, Encryption, Failed, Front, OwnCertificate, ServerState, Settings, Sum,
};

/// All that is reached now, by the settings that are in force.
pub(super) fn of(front: &Front, settings: &Settings) -> TlsServers {
    let sums = front.sums().servers;
    let sum = |state: &ServerState| sums.get(state.settings.label()).copied().unwrap_or_default();
    let shown = |state: ServerState| TlsServer {
        reached_at: addresses(front, settings, &state),
        ..server(&state, sum(&state))
    };
    let servers = front.servers().into_iter().map(shown).collect();
    TlsServers { listen: front.addresses(), servers, clients: Vec::new() }
}

/// Those that could be had.
fn addresses(front: &Front, settings: &Settings, state: &ServerState) -> Vec<TlsAddress> {
    let open = settings.reached_at(&state.settings).filter_map(|listen| {
        let address = front.address_of(listen)?;
        Some(TlsAddress { address, mode: listen.mode.to_string() })
    });
    open.collect()
}

fn server(state: &ServerState, sum: Sum) -> TlsServer {
    let (settings, present) = (&state.settings, &state.present);
    TlsServer {
        name: settings.label().to_owned(),
        names: settings.names.iter().map(ToString::to_string).collect(),
        alpn: settings.alpn.clone(),
        reached_at: Vec::new(),
        backend: settings.backend_text(),
        passthrough: settings.passthrough,
        clients: clients(settings.clients).to_owned(),
        users: settings.users.iter().map(ToString::to_string).collect(),
        certificate_source: settings.certificate.word().to_owned(),
        certificates: state.certificates.iter().map(certificate).collect(),
        problems: Vec::new(),
        ticket_key_seconds: state.ticket_key_age.map(|age| age.as_secs()),
        connections: small(present.connections),
        with_certificate: small(present.with_certificate),
        encryption: present.encryption.iter().map(encryption).collect(),
        oldest_keys_seconds: present.oldest_keys.map(|age| age.as_secs()),
        backends: state.backends.iter().map(backend).collect(),
        figures: figures(&state.failed, sum),
    }
}

fn encryption((how, count): (&Encryption, &usize)) -> TlsEncryption {
    TlsEncryption {
        tls: how.version.to_owned(),
        cipher: how.cipher.clone(),
        group: how.group.clone(),
        connections: small(*count),
    }
}

fn backend(state: &BackendState) -> TlsBackend {
    TlsBackend { to: state.to.clone(), ailment: state.ailment.clone() }
}

fn figures(failed: &Failed, sum: Sum) -> TlsFigures {
    let refused = failed.refused.iter().filter(|(_, count)| **count > 0);
    TlsFigures {
        connections: sum.connections,
        requests: sum.requests,
        bytes_in: sum.incoming,
        bytes_out: sum.outgoing,
        refused_requests: refused.map(|(code, count)| ((*code).to_owned(), *count)).collect(),
        broken_answers: failed.broke,
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
