//! An address whose clients begin in the clear, with the words of one protocol, and come to TLS by them.
//!
//! The door speaks for the backend until TLS is there: who the backend is, is known only by the name that the client
//! asks for then. Where a backend's greeting is part of what follows, as MySQL's, the address has one backend, and the
//! name chooses no more than the certificate. Invariant: what came before TLS is forgotten, but for the name that a
//! stream of XMPP is for.

use std::io;
use std::sync::Arc;

use starttls::{Greeting, Protocol, Upgrade};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use upgrade::{Failed, to_tls_after};

use crate::refused::Refused;
use crate::settings::Listen;
use crate::shared::Shared;
use crate::site::Site;
use crate::ways::Link;

/// As whom the door greets at this address; and the backend whose greeting that is, where it has to be.
///
/// # Errors
/// Where such a backend is not there.
pub(crate) async fn speaks_for(
    shared: &Shared,
    listen: &Listen,
) -> Result<(Greeting, Option<Link>), Refused> {
    let Some(protocol) = listen.mode.starttls() else { return Ok((Greeting::of(""), None)) };
    let site = shared.table.load().speaks(protocol.name()).cloned();
    let label = site.as_ref().map_or("localhost", |site| site.settings.label());
    let greeting = Greeting::of(label);
    if !protocol.greets_for_good() {
        return Ok((greeting, None));
    }
    let site = site.ok_or(Refused::UnknownName { asked: None })?;
    let (stream, service) = greeted(&site).await?;
    Ok((Greeting { service, ..greeting }, Some(stream)))
}

/// Greets, until the client begins TLS: what of that came already, and whom it asked for.
///
/// # Errors
/// Where it does not.
pub(crate) async fn begin(
    protocol: Protocol,
    greeting: &Greeting,
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<(Vec<u8>, Option<String>), Refused> {
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
) -> Result<(Vec<u8>, Option<String>), Refused> {
    let mut upgrade = Upgrade::server(protocol, greeting).map_err(Refused::Upgrade)?;
    match to_tls_after(socket, &mut upgrade, said).await {
        Ok(first) => Ok((first, upgrade.asked().map(str::to_owned))),
        Err(Failed::Fault(fault)) => Err(Refused::Upgrade(fault)),
        Err(Failed::Broken(error)) => Err(Refused::Broken(error)),
    }
}

/// A backend, and the message that it begins with.
async fn greeted(site: &Arc<Site>) -> Result<(Link, Vec<u8>), Refused> {
    let failed = |source| Refused::Backend { target: site.settings.backend_text(), source };
    let unfit = || failed(io::Error::other("it does not speak that"));
    let ways = site.ways.as_ref().filter(|_| !site.settings.reaches_by_tls()).ok_or_else(unfit)?;
    let mut stream = ways.reach(&[]).await?;
    let mut greeting = vec![0; 4];
    stream.read_exact(&mut greeting).await.map_err(failed)?;
    let length = u32::from_le_bytes([greeting[0], greeting[1], greeting[2], 0]) as usize;
    if length > LONGEST_GREETING {
        return Err(failed(io::Error::other("its greeting has no end")));
    }
    greeting.resize(4 + length, 0);
    stream.read_exact(&mut greeting[4..]).await.map_err(failed)?;
    Ok((stream, greeting))
}

/// Of a database.
const LONGEST_GREETING: usize = 1024;
