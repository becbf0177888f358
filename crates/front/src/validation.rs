//! The handshake in which a CA is shown that a name is ours: TLS, and not a byte inside it (RFC 8737 section 3).
//!
//! Not here: which proof. Invariant: whoever asks for one reaches no virtual server over that connection.

use std::pin::pin;
use std::sync::Arc;

use clock::Clock;
use pki::{ClockTime, resolver_of_one};
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::StartHandshake;

use crate::hello::Hello;
use crate::proofs::PROTOCOL;
use crate::refused::Refused;
use crate::terms;

/// Shows the proof, and closes.
pub(crate) async fn show(
    key: Arc<CertifiedKey>,
    clock: Arc<dyn Clock>,
    hello: Hello,
    socket: TcpStream,
) -> Result<(), Refused> {
    let config = terms_for(key, clock).map_err(Refused::Tls)?;
    let rest = hello.rest;
    let start = StartHandshake::from_parts(hello.accepted, socket);
    let accept = pin!(start.into_stream_with(Arc::new(config), |connection| {
        // To read nothing would mean the end.
        if !rest.is_empty() {
            let _ = connection.read_tls(&mut &rest[..]);
        }
    }));
    let mut stream = accept.await.map_err(Refused::Broken)?;
    tracing::debug!(name = hello.name, "a CA was shown that a name is ours");
    let _ = stream.shutdown().await;
    Ok(())
}

fn terms_for(key: Arc<CertifiedKey>, clock: Arc<dyn Clock>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_details(
        Arc::clone(&terms::PROVIDER),
        Arc::new(ClockTime(clock)),
    )
    .with_protocol_versions(&[&TLS13, &TLS12])?
    .with_no_client_auth()
    .with_cert_resolver(resolver_of_one(key));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}
