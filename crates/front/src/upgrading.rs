//! An address whose clients begin in the clear, with the words of one protocol, and come to TLS by them.
//!
//! The door speaks for the backend until TLS is there: who the backend is, is known only by the name that the client
//! asks for then. Where a backend's greeting is part of what follows, as MySQL's, the address is one server's, and who
//! asks for another one is refused. Invariant: what came before TLS is forgotten, but for the name that a stream of XMPP
//! is for.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use starttls::{Greeting, Protocol, Upgrade};
use tokio::io::{AsyncRead, AsyncWrite};
use upgrade::{Failed, to_tls_after};

use crate::begun::Begun;
use crate::doorstep::Place;
use crate::greeted::Greeted;
use crate::port::Stranger;
use crate::refused::Refused;
use crate::settings::Listen;
use crate::shared::Shared;

/// As whom the door greets.
pub(crate) struct Speaker {
    pub(crate) greeting: Greeting,
    /// The backend whose greeting that is, where it has to be its own.
    pub(crate) backend: Option<(Greeted, Place)>,
}

/// As whom the door greets this stranger at this address.
///
/// # Errors
/// Where a backend has to greet, and is not there or has enough strangers.
pub(crate) async fn speaks_for(
    shared: &Shared,
    listen: &Listen,
    (from, stranger): (IpAddr, &Stranger),
) -> Result<Speaker, Refused> {
    let own = |greeting| Ok(Speaker { greeting, backend: None });
    let Some(protocol) = listen.mode.starttls() else { return own(Greeting::of("")) };
    let site = shared.table.load().speaks(protocol.name()).cloned();
    let label = site.as_ref().map_or("localhost", |site| site.settings.label());
    let greeting = Greeting::of(label);
    if !protocol.greets_for_good() {
        return own(greeting);
    }
    let site = site.ok_or(Refused::UnknownName { asked: None })?;
    let unfit = || Refused::Backend {
        target: site.settings.backend_text(),
        source: io::Error::other("it does not speak that"),
    };
    let ways = site.ways.as_ref().ok_or_else(unfit)?;
    let place = site.doorstep.place(stranger, from).await;
    let place =
        place.ok_or_else(|| Refused::Crowded { server: site.settings.label().to_owned() })?;
    let backend = Greeted::by(Arc::clone(&site), ways, protocol).await?;
    let service = backend.greeting().to_vec();
    Ok(Speaker { greeting: Greeting { service, ..greeting }, backend: Some((backend, place)) })
}

/// Greets, until the client begins TLS.
///
/// # Errors
/// Where it does not.
pub(crate) async fn begin(
    protocol: Protocol,
    greeting: &Greeting,
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Begun, Refused> {
    begin_after(Vec::new(), protocol, greeting, socket).await
}

/// The same where the client has said this already.
///
/// # Errors
/// Where it does not.
pub(crate) async fn begin_after(
    said: Vec<u8>,
    protocol: Protocol,
    greeting: &Greeting,
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Begun, Refused> {
    let mut upgrade = Upgrade::server(protocol, greeting).map_err(Refused::Upgrade)?;
    match to_tls_after(socket, &mut upgrade, said).await {
        Ok(first) => Ok(Begun {
            first,
            inside: Some(protocol.name()),
            asked: upgrade.asked().map(str::to_owned),
            request: upgrade.request().to_vec(),
        }),
        Err(Failed::Fault(fault)) => Err(Refused::Upgrade(fault)),
        Err(Failed::Broken(error)) => Err(Refused::Broken(error)),
    }
}
