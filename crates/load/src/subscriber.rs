//! Who connects: profiles as the client reads them, one session each.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::{Profile, Remote};
use clock::Clock;
use tunnel::ClientConfig;
use wire::mtu::Transport;

use crate::LoadError;

/// Somebody with a profile.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// What a session is made with.
    pub tunnel: Arc<ClientConfig>,
    /// The server.
    pub server: SocketAddr,
}

/// Reads one profile, or every `.ovpn` file of a folder in the order of their names, but no more
/// than `limit`. The first server over UDP of each is taken, or `server` in place of all.
///
/// # Errors
/// When a profile is wrong, or its server has no address.
pub fn read_profiles(
    path: &Path,
    limit: Option<usize>,
    server: Option<SocketAddr>,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Subscriber>, LoadError> {
    let mut files = profile_files(path)?;
    files.truncate(limit.unwrap_or(usize::MAX).max(1));
    let mut resolved = Resolver::default();
    files
        .iter()
        .map(|file| {
            let profile = Profile::load(file, &**clock).map_err(LoadError::Profile)?;
            let tunnel = client::tunnel_config(&profile, clock).map_err(LoadError::Profile)?;
            let by_udp = |remote: &&Remote| remote.transport == Transport::Udp;
            let server = match (server, profile.remotes.iter().find(by_udp)) {
                (Some(server), _) => server,
                (None, Some(remote)) => resolved.address(remote)?,
                (None, None) => return Err(LoadError::NoUdp(file.clone())),
            };
            Ok(Subscriber { tunnel: Arc::new(tunnel), server })
        })
        .collect()
}

fn profile_files(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let unreadable = |error| LoadError::Unreadable(path.to_owned(), error);
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "ovpn") {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(LoadError::NoProfiles(path.to_owned()));
    }
    files.sort();
    Ok(files)
}

/// Profiles of one gateway name the same server; it is looked up once.
#[derive(Default)]
struct Resolver {
    last: Option<(Remote, SocketAddr)>,
}

impl Resolver {
    fn address(&mut self, remote: &Remote) -> Result<SocketAddr, LoadError> {
        if let Some((known, address)) = &self.last
            && known == remote
        {
            return Ok(*address);
        }
        let mut found = (remote.host.as_str(), remote.port)
            .to_socket_addrs()
            .map_err(|_| LoadError::NoAddress(remote.host.clone()))?;
        let address = found
            .find(|address| remote.family.has(address.ip()))
            .ok_or_else(|| LoadError::NoAddress(remote.host.clone()))?;
        self.last = Some((remote.clone(), address));
        Ok(address)
    }
}
