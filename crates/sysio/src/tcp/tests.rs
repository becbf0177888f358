//! Loopback alone.

use std::time::Instant;

use super::*;

#[test]
fn a_second_gateway_finds_the_port_taken_while_a_second_worker_shares_it() {
    let first = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
    let port = first.local_addr().unwrap().port();
    let shared = first.share().unwrap();
    for address in [(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()] {
        let error = TcpListener::bind(address).unwrap_err();
        assert_eq!(Errno::from_io_error(&error.source), Some(Errno::ADDRINUSE));
        assert!(error.to_string().contains("in use"), "{error}");
    }
    let clients: Vec<_> = (0..64).map(|_| dial((Ipv4Addr::LOCALHOST, port).into())).collect();
    let mut taken = [0; 2];
    let deadline = Instant::now() + Duration::from_secs(5);
    while taken.iter().sum::<usize>() < clients.len() {
        for (taken, listener) in taken.iter_mut().zip([&first, &shared]) {
            *taken += std::iter::from_fn(|| listener.accept().unwrap()).count();
        }
        assert!(Instant::now() < deadline, "{taken:?}");
    }
    assert!(taken.iter().all(|taken| *taken > 0), "{taken:?}");
}

#[test]
fn a_connection_knows_both_its_ends_as_plain_addresses_and_is_set_up() {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(listener.accept().unwrap().is_none());
    let asked = Ipv4Addr::new(127, 9, 8, 7);
    let client = dial((asked, port).into());
    let stream = accepted(&listener);
    assert_eq!(stream.local(), (asked, port).into());
    assert_eq!(stream.remote(), client.local_addr().unwrap());
    assert!(stream.socket.tcp_nodelay().unwrap());
    assert_eq!(stream.socket.tcp_notsent_lowat().unwrap(), UNSENT);
    assert_eq!(stream.socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    assert!(stream.socket.nonblocking().unwrap());
}

#[test]
fn a_connection_says_nothing_end_and_broken_apart_and_takes_what_fits() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let client = dial(listener.local_addr().unwrap());
    let stream = accepted(&listener);
    let mut room = [0; 16];
    assert_eq!(stream.recv(&mut room).unwrap(), StreamRead::Nothing);
    let block = vec![7; 1 << 20];
    let mut sent = 0;
    loop {
        match stream.send(&block).unwrap() {
            0 => break,
            count => sent += count,
        }
        assert!(sent < 64 << 20, "the kernel takes no more than a little that nobody reads");
    }
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(when_there(&stream, &mut room), StreamRead::End);
    // Closed with unread data: a reset.
    drop(client);
    let deadline = Instant::now() + Duration::from_secs(5);
    while stream.send(b"x").is_ok() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn dial(to: SocketAddr) -> std::net::TcpStream {
    std::net::TcpStream::connect(to).unwrap()
}

fn accepted(listener: &TcpListener) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(stream) = listener.accept().unwrap() {
            return stream;
        }
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn when_there(stream: &TcpStream, room: &mut [u8]) -> StreamRead {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match stream.recv(room).unwrap() {
            StreamRead::Nothing => std::thread::sleep(Duration::from_millis(1)),
            other => return other,
        }
        assert!(Instant::now() < deadline);
    }
}
