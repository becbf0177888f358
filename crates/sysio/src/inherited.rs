//! Sockets that a service manager opened for this process and passed on with its start (sd_listen_fds(3)).
//!
//! Which is for what, each says itself, by its kind and its address. They are kept for as long as the process runs, and
//! other descriptors of them given out, so that one that was closed here can be had again: nobody could bind its address
//! meanwhile. Invariant: no descriptor is taken for ours that was not passed.

use std::io;
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Socket, Type};

use crate::normalise;

/// The sockets that were passed. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Inherited(Arc<Vec<Passed>>);

#[derive(Debug)]
struct Passed {
    socket: Socket,
    /// Nothing where it can't be reached by an address, or takes no connections.
    is_for: Option<(Kind, SocketAddr)>,
    taken: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
}

impl Inherited {
    /// Those that the environment tells of, at the first call; later ones give none.
    ///
    /// # Errors
    /// Where what it tells makes no sense.
    pub fn from_environment() -> io::Result<Self> {
        static ASKED: AtomicBool = AtomicBool::new(false);
        if ASKED.swap(true, Ordering::SeqCst) {
            return Ok(Self::default());
        }
        let passed = sd_notify::listen_fds()?.map(|number| {
            // SAFETY: whoever started this process says that it opened these descriptors for it; they were told to be
            // closed by `exec` a moment ago, so that they are open. Nothing else of this process owns one: `ASKED`
            // lets us through once, and who opens a descriptor gets none that is open.
            let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
            Socket::from(descriptor)
        });
        Ok(Self::of(passed.collect()))
    }

    /// Of these sockets.
    fn of(sockets: Vec<Socket>) -> Self {
        let passed = |socket: Socket| Passed {
            is_for: told_by(&socket).ok().flatten(),
            socket,
            taken: AtomicBool::new(false),
        };
        Self(Arc::new(sockets.into_iter().map(passed).collect()))
    }

    /// The one that listens for TCP at this address.
    pub fn tcp(&self, address: SocketAddr) -> Option<net::TcpListener> {
        self.take(Kind::Tcp, address).map(Into::into)
    }

    /// The one that is bound for UDP to this address.
    pub fn udp(&self, address: SocketAddr) -> Option<net::UdpSocket> {
        self.take(Kind::Udp, address).map(Into::into)
    }

    /// Those that nobody asked for, in words.
    pub fn left(&self) -> Vec<String> {
        let left = self.0.iter().filter(|passed| !passed.taken.load(Ordering::Relaxed));
        left.map(|passed| match passed.is_for {
            Some((Kind::Tcp, address)) => format!("TCP {address}"),
            Some((Kind::Udp, address)) => format!("UDP {address}"),
            None => {
                "a socket that takes neither connections nor datagrams of the network".to_owned()
            }
        })
        .collect()
    }

    fn take(&self, kind: Kind, address: SocketAddr) -> Option<Socket> {
        let wanted = normalise(address);
        let exact = self.0.iter().find(|passed| passed.is_for == Some((kind, wanted)));
        // On a machine without IPv6 "everywhere" is bound so.
        let narrow = || {
            let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, wanted.port()));
            let is_wide = wanted.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            self.0.iter().find(|passed| is_wide && passed.is_for == Some((kind, everywhere)))
        };
        let passed = exact.or_else(narrow)?;
        let socket = passed.socket.try_clone().ok()?;
        passed.taken.store(true, Ordering::Relaxed);
        Some(socket)
    }
}

fn told_by(socket: &Socket) -> io::Result<Option<(Kind, SocketAddr)>> {
    let Some(address) = socket.local_addr()?.as_socket() else { return Ok(None) };
    let kind = match socket.r#type()? {
        Type::DGRAM => Kind::Udp,
        Type::STREAM if socket.is_listener()? => Kind::Tcp,
        _ => return Ok(None),
    };
    Ok(Some((kind, normalise(address))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passed_socket_is_for_the_address_and_the_kind_that_it_has_and_for_nothing_else() {
        let tcp = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (at_tcp, at_udp) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
        let inherited = Inherited::of(vec![tcp.into(), udp.into()]);
        assert_eq!(inherited.left(), [format!("TCP {at_tcp}"), format!("UDP {at_udp}")]);
        assert!(inherited.tcp(at_udp).is_none() && inherited.udp(at_tcp).is_none());
        assert!(inherited.tcp((Ipv4Addr::UNSPECIFIED, at_tcp.port()).into()).is_none());
        assert_eq!(inherited.tcp(at_tcp).unwrap().local_addr().unwrap(), at_tcp);
        assert_eq!(inherited.left(), [format!("UDP {at_udp}")]);
        assert_eq!(inherited.udp(at_udp).unwrap().local_addr().unwrap(), at_udp);
        assert!(inherited.left().is_empty());
    }

    #[test]
    fn what_was_closed_here_is_had_again_and_takes_connections() {
        let socket = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let inherited = Inherited::of(vec![socket.into()]);
        drop(inherited.tcp(address));
        let _waits = net::TcpStream::connect(address).unwrap();
        assert!(inherited.tcp(address).unwrap().accept().is_ok());
    }

    #[test]
    fn a_socket_for_ipv4_everywhere_is_for_everywhere_where_there_is_none_for_both() {
        let narrow = net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = narrow.local_addr().unwrap().port();
        let inherited = Inherited::of(vec![narrow.into()]);
        assert!(inherited.tcp((Ipv6Addr::UNSPECIFIED, port).into()).is_some());
        assert!(inherited.tcp((Ipv6Addr::LOCALHOST, port).into()).is_none());
    }

    #[test]
    fn what_takes_no_connections_is_for_nothing() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connected = net::TcpStream::connect(address).unwrap();
        let at = connected.local_addr().unwrap();
        let (local, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let inherited = Inherited::of(vec![connected.into(), OwnedFd::from(local).into()]);
        assert!(inherited.tcp(at).is_none());
        assert_eq!(inherited.left().len(), 2);
    }
}
