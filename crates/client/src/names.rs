//! From a server's name to its addresses, also while the name servers in force lie in a broken tunnel.
//!
//! Then those that were asked before are asked past the tunnel, by the interface that leads to them.
//! Answers are not to be trusted, and need not be: who answers at an address has to prove the server's
//! name by its certificate.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::profile::{Family, Remote};
use crate::system::System;

mod query;

use query::{Kind, Query};

/// Addresses that were found before.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Vec<IpAddr>>);

/// How hard to look for a server's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Those that are known will do.
    Known,
    /// Asks name servers.
    Ask,
}

impl Names {
    /// The addresses of a server, and why name servers know none, where they were asked.
    pub(crate) async fn addresses(
        &mut self,
        remote: &Remote,
        system: &System,
        effort: Effort,
    ) -> (Vec<IpAddr>, Option<String>) {
        if let Ok(ip) = remote.host.parse::<IpAddr>() {
            return (vec![ip], None);
        }
        let known = self.0.get(&remote.host).cloned().unwrap_or_default();
        if effort == Effort::Known && !known.is_empty() {
            return (known, None);
        }
        let found = if system.is_set_up() {
            either_way(remote, system).await
        } else {
            by_system(remote, LOOKUP).await
        };
        match found {
            Ok(found) => {
                self.0.insert(remote.host.clone(), found.clone());
                (found, None)
            }
            Err(why) => (known, Some(why)),
        }
    }
}

/// The addresses of a server, while no tunnel stands in the way.
pub(crate) async fn outside(remote: &Remote) -> Result<Vec<IpAddr>, String> {
    match remote.host.parse() {
        Ok(ip) => Ok(vec![ip]),
        Err(_) => by_system(remote, LOOKUP).await,
    }
}

/// The system may know the name from a file; else its name servers lie behind the broken tunnel.
async fn either_way(remote: &Remote, system: &System) -> Result<Vec<IpAddr>, String> {
    tokio::select! {
        Ok(found) = by_system(remote, LOOKUP_BESIDE) => Ok(found),
        Some(found) = past_tunnel(remote, system) => Ok(found),
        else => Err("no name server answered, neither past the tunnel".to_owned()),
    }
}

async fn by_system(remote: &Remote, limit: Duration) -> Result<Vec<IpAddr>, String> {
    let found = tokio::net::lookup_host((remote.host.as_str(), remote.port));
    match timeout(limit, found).await {
        Ok(Ok(found)) => {
            let found = found.map(|found| found.ip()).filter(|ip| remote.family.has(*ip));
            let mut addresses: Vec<IpAddr> = found.collect();
            addresses.dedup();
            match addresses.is_empty() {
                true => Err("it has no address of the wanted kind".to_owned()),
                false => Ok(addresses),
            }
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no name server answered".to_owned()),
    }
}

async fn past_tunnel(remote: &Remote, system: &System) -> Option<Vec<IpAddr>> {
    for _ in 0..TRIES {
        for server in system.outer_name_servers() {
            let device = match system.way_to(server).await {
                _ if server.is_loopback() => None,
                Some(way) if way.local => None,
                Some(way) => system.interface_of(way).await,
                None => continue,
            };
            let found = ask(server, device.as_deref(), remote).await;
            if let Some(found) = found.filter(|found| !found.is_empty()) {
                return Some(found);
            }
        }
    }
    None
}

/// Asks one server for addresses of the wanted kinds; `None` if it does not answer.
async fn ask(server: IpAddr, device: Option<&str>, remote: &Remote) -> Option<Vec<IpAddr>> {
    let kinds: &[Kind] = match remote.family {
        Family::Any => &[Kind::A, Kind::Aaaa],
        Family::V4 => &[Kind::A],
        Family::V6 => &[Kind::Aaaa],
    };
    let any: IpAddr = match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes())).ok()?;
    }
    socket.connect((server, PORT)).await.ok()?;
    let mut open = Vec::new();
    for kind in kinds {
        let query = Query::new(&remote.host, *kind, unguessed(*kind as u64))?;
        socket.send(&query.encode()).await.ok()?;
        open.push(query);
    }
    let mut found = Vec::new();
    let answers = async {
        let mut message = [0; LARGEST];
        while !open.is_empty() {
            let Ok(length) = socket.recv(&mut message).await else { return };
            let message = message.get(..length).unwrap_or_default();
            let answered = |query: &Query| Some((query.clone(), query.answer(message)?));
            if let Some((query, addresses)) = open.iter().find_map(answered) {
                open.retain(|other| *other != query);
                found.extend(addresses);
            }
        }
    };
    // What came until then counts.
    let complete = timeout(ANSWER, answers).await.is_ok();
    (complete || !found.is_empty()).then_some(found)
}

/// A number that somebody who does not see the question has to guess.
fn unguessed(salt: u64) -> u16 {
    RandomState::new().hash_one(salt) as u16
}

const PORT: u16 = 53;
const LARGEST: usize = 1500;
/// The longest wait for the resolver.
const LOOKUP: Duration = Duration::from_secs(10);
/// The same while its name servers may lie behind a broken tunnel.
const LOOKUP_BESIDE: Duration = Duration::from_secs(3);
/// The wait for one name server.
const ANSWER: Duration = Duration::from_secs(1);
const TRIES: usize = 2;
