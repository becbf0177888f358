//! Doors for the data connections that a control connection announces, and what goes through them.
//!
//! 1. [`doors`] gives what the relay opens doors with, and [`Transfers`];
//! 2. [`Transfers::run`] goes on beside the control connection, and with it ends all that went through.
//!
//! One door is open at a time and lets one connection in, of the host that has the control connection, within a minute.
//! Not here: TLS, and where a connection leads. Invariant: nothing is open once `run` was dropped.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use starttls::Doors;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

/// Opens doors at one address.
#[derive(Debug)]
pub struct SocketDoors {
    at: SocketAddr,
    ports: Option<RangeInclusive<u16>>,
    known_at: Option<Ipv4Addr>,
    announce: mpsc::Sender<Announced>,
}

/// What goes through the doors of a control connection.
#[derive(Debug)]
pub struct Transfers(mpsc::Receiver<Announced>);

#[derive(Debug)]
struct Announced {
    listener: std::net::TcpListener,
    service_port: u16,
}

struct Open {
    listener: TcpListener,
    service_port: u16,
    until: Instant,
}

/// Doors at the host of this address, with ports of these where some are named, and what goes through them.
pub fn doors(at: SocketAddr, ports: Option<RangeInclusive<u16>>) -> (SocketDoors, Transfers) {
    let (announce, announced) = mpsc::channel(MOST_ANNOUNCED);
    (SocketDoors { at, ports, known_at: None, announce }, Transfers(announced))
}

impl SocketDoors {
    /// The same, said to be at this address, where one is named and the host is reached by IPv4: somebody between
    /// translates it.
    #[must_use]
    pub fn known_at(self, address: Option<Ipv4Addr>) -> Self {
        Self { known_at: address, ..self }
    }

    fn listen(&self, service_port: u16) -> io::Result<std::net::TcpListener> {
        let Some(ports) = &self.ports else { return self.listen_at(0) };
        let (first, count) = (u32::from(*ports.start()), ports.len() as u32);
        // Services choose by chance, so that doors are spread.
        let nth = |n: u32| (first + (u32::from(service_port) + n) % count) as u16;
        let mut tried = (0..count.min(MOST_TRIED)).map(|n| self.listen_at(nth(n)));
        tried.find(Result::is_ok).unwrap_or_else(|| Err(io::ErrorKind::AddrInUse.into()))
    }

    fn listen_at(&self, port: u16) -> io::Result<std::net::TcpListener> {
        let mut at = self.at;
        at.set_port(port);
        let listener = std::net::TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

impl Doors for SocketDoors {
    fn open(&mut self, service_port: u16) -> Option<SocketAddr> {
        let listener = self.listen(service_port).ok()?;
        let at = listener.local_addr().ok()?;
        self.announce.try_send(Announced { listener, service_port }).ok()?;
        let known_at = match (at.ip().to_canonical(), self.known_at) {
            (IpAddr::V4(_), Some(address)) => address.into(),
            (own, _) => own,
        };
        Some(SocketAddr::new(known_at, at.port()))
    }
}

impl Transfers {
    /// Has each connection of `host` that comes through a door carried to the port of the service's that the door is
    /// for, and `refuse` told of others.
    pub async fn run<F: Future<Output = ()>>(
        mut self,
        host: IpAddr,
        carry: impl Fn(TcpStream, u16) -> F,
        refuse: impl Fn(SocketAddr),
    ) -> Infallible {
        let (mut door, mut under_way) = (None, Vec::<Pin<Box<F>>>::new());
        loop {
            tokio::select! {
                // Whoever asks for another door does not come through the one before.
                Some(announced) = self.0.recv() => door = Open::of(announced),
                passed = through(&mut door, host.to_canonical(), &refuse) => {
                    door = None;
                    if let Some((stream, service_port)) = passed {
                        if under_way.len() >= MOST_UNDER_WAY {
                            under_way.remove(0);
                        }
                        under_way.push(Box::pin(carry(stream, service_port)));
                    }
                }
                () = one_ends(&mut under_way) => {}
            }
        }
    }
}

impl Open {
    fn of(announced: Announced) -> Option<Self> {
        let listener = TcpListener::from_std(announced.listener).ok()?;
        let until = Instant::now() + PATIENCE;
        Some(Self { listener, service_port: announced.service_port, until })
    }
}

/// Waits for who is meant, and gives up after a while.
async fn through(
    door: &mut Option<Open>,
    host: IpAddr,
    refuse: impl Fn(SocketAddr),
) -> Option<(TcpStream, u16)> {
    let Some(open) = door else { return pending().await };
    loop {
        match timeout_at(open.until, open.listener.accept()).await.ok()? {
            Ok((stream, source)) if source.ip().to_canonical() == host => {
                return Some((stream, open.service_port));
            }
            Ok((_, source)) => refuse(source),
            // Most likely no descriptors are left; they may be, a moment later.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Goes on with all, until one of them ends.
async fn one_ends<F: Future<Output = ()>>(all: &mut Vec<Pin<Box<F>>>) {
    poll_fn(|cx| {
        let before = all.len();
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if all.len() < before { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// For a client to come through.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// Doors that are announced in one breath; all but the last are closed.
const MOST_ANNOUNCED: usize = 4;
/// The protocol has one transfer at a time; the end of one may overlap with the next.
const MOST_UNDER_WAY: usize = 4;
/// Ports that may be taken by others, one after the other.
const MOST_TRIED: u32 = 64;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::timeout;

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_door_lets_one_connection_through_and_the_next_door_closes_it() {
        let (mut opens, transfers) = doors(LOOPBACK, None);
        let passed = Arc::<Mutex<Vec<u16>>>::default();
        let seen = Arc::clone(&passed);
        let carry = move |stream: TcpStream, port| {
            seen.lock().unwrap().push(port);
            async move {
                let _stream = stream;
                pending::<()>().await;
            }
        };
        let talk = async {
            let first = opens.open(7).unwrap();
            let second = opens.open(8).unwrap();
            let _through = TcpStream::connect(second).await.unwrap();
            while passed.lock().unwrap().is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
            assert!(TcpStream::connect(first).await.is_err());
            assert!(TcpStream::connect(second).await.is_err(), "it is closed behind the first");
        };
        let run = transfers.run(LOOPBACK.ip(), carry, |_| {});
        tokio::select! { never = run => match never {}, done = timeout(SOON, talk) => done.unwrap() }
        assert_eq!(*passed.lock().unwrap(), [8]);
    }

    #[tokio::test]
    async fn another_host_is_told_of_and_the_door_stays_open_for_who_is_meant() {
        let (mut opens, transfers) = doors(LOOPBACK, None);
        let (passed, refused) = (Mutex::new(0), Mutex::new(0));
        let carry = |_, _| {
            *passed.lock().unwrap() += 1;
            std::future::ready(())
        };
        let talk = async {
            let door = opens.open(7).unwrap();
            let other = tokio::net::TcpSocket::new_v4().unwrap();
            other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            let _other = other.connect(door).await.unwrap();
            while *refused.lock().unwrap() == 0 {
                sleep(Duration::from_millis(5)).await;
            }
            let _meant = TcpStream::connect(door).await.unwrap();
            while *passed.lock().unwrap() == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let run = transfers.run(LOOPBACK.ip(), carry, |_| *refused.lock().unwrap() += 1);
        tokio::select! { never = run => match never {}, done = timeout(SOON, talk) => done.unwrap() }
    }

    #[tokio::test]
    async fn doors_are_where_they_may_be_and_there_is_none_where_all_are_taken() {
        let free = std::net::TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap().port();
        let (mut opens, _transfers) = doors(LOOPBACK, Some(free..=free));
        assert_eq!(opens.open(1).unwrap().port(), free);
        assert_eq!(opens.open(2), None);
    }
}
