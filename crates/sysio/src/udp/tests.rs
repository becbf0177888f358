//! Loopback alone: several addresses per family are tried in namespaces (tests/).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_dual_stack_socket_names_plain_ipv4_addresses_and_answers_from_the_asked_one() {
    let server = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
    let port = server.local_addr().unwrap().port();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let asked = Ipv4Addr::new(127, 9, 8, 7);
    client.send(transmit(b"hello", (asked, port).into())).unwrap();

    let hello = recv_one(&server);
    assert_eq!(hello.packet.content(), b"hello");
    assert_eq!(hello.remote, client.local_addr().unwrap());
    assert_eq!(hello.local, Some(IpAddr::V4(asked)));
    assert_ne!(hello.ifindex, 0);

    let answer = Transmit {
        payload: b"hi",
        remote: hello.remote,
        local: hello.local,
        ifindex: hello.ifindex,
        segment: 0,
    };
    server.send(answer).unwrap();
    assert_eq!(recv_one(&client).remote, (asked, port).into());
}

#[test]
fn batches_larger_than_one_system_call_arrive_in_order() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let client = UdpSocket::connect(server.local_addr().unwrap()).unwrap();
    let payloads: Vec<[u8; 1]> = (0..40).map(|i| [i]).collect();
    let remote = server.local_addr().unwrap();
    let batch: Vec<_> = payloads.iter().map(|payload| transmit(payload, remote)).collect();
    assert_eq!(client.send_batch(&batch).sent, 40);
    let mut slots: Vec<_> = (0..64).map(|_| Received::new(Packet::new(0, 16))).collect();
    assert_eq!(server.recv_batch(&mut slots).unwrap(), 40);
    for (slot, payload) in slots.iter().zip(&payloads) {
        assert_eq!(slot.packet.content(), payload);
    }
    assert_eq!(server.recv_batch(&mut slots).unwrap(), 0);
}

#[test]
fn joined_datagrams_arrive_joined_or_apart_as_the_receiver_wants() {
    let [plain, joining] =
        [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap());
    assert!(joining.join_received());
    let client = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
    let payload: Vec<u8> = (0..2500u32).map(|i| i as u8).collect();
    for (server, strides) in [(&plain, vec![0, 0, 0]), (&joining, vec![1000])] {
        let run = transmit(&payload, server.local_addr().unwrap());
        client.send(Transmit { segment: 1000, local: local_v4(), ..run }).unwrap();
        assert_eq!(received(server), (strides, payload.clone()));
    }
    assert!(client.joins_sent());
}

#[test]
fn without_joining_every_datagram_is_sent_on_its_own() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let client = UdpSocket::connect(server.local_addr().unwrap()).unwrap();
    client.never_join_sent();
    let payload = [7; 250];
    let run = transmit(&payload, server.local_addr().unwrap());
    let outcome = client.send_batch(&[run, Transmit { segment: 100, ..run }, run]);
    assert!(outcome.sent == 3 && outcome.stopped.is_none());
    let lengths: Vec<_> = slots(&server).iter().map(|slot| slot.packet.len()).collect();
    assert_eq!(lengths, [250, 100, 100, 50, 250]);
}

#[test]
fn what_the_kernel_refuses_joined_is_sent_one_by_one_and_remembered() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let client = UdpSocket::connect(server.local_addr().unwrap()).unwrap();
    // More segments than any kernel takes.
    let payload = [7; 300];
    let run = transmit(&payload, server.local_addr().unwrap());
    client.send(Transmit { segment: 1, ..run }).unwrap();
    assert_eq!(received(&server).1, payload);
    assert!(!client.joins_sent());
}

#[test]
fn a_truncated_datagram_says_so() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let client = UdpSocket::connect(server.local_addr().unwrap()).unwrap();
    client.send(transmit(&[1; 100], server.local_addr().unwrap())).unwrap();
    let mut slots = [Received::new(Packet::new(0, 10))];
    assert_eq!(server.recv_batch(&mut slots).unwrap(), 1);
    assert!(slots[0].truncated);
    assert_eq!(slots[0].packet.len(), 10);
}

#[test]
fn a_refused_connected_socket_recovers_when_the_peer_is_back() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = server.local_addr().unwrap();
    let client = UdpSocket::connect(address).unwrap();
    drop(server);
    client.send(transmit(b"lost", address)).unwrap();
    let mut slots = [Received::new(Packet::new(0, 10))];
    assert!(client.recv_batch(&mut slots).is_err_and(|error| error.is_transient()));

    client.send(transmit(b"lost", address)).unwrap();
    let server = UdpSocket::bind(address).unwrap();
    // The answer to the second loss waits in the socket and must not cost this datagram.
    client.send(transmit(b"back", address)).unwrap();
    assert_eq!(recv_one(&server).packet.content(), b"back");
}

#[test]
fn an_ipv4_socket_refuses_ipv6_destinations_without_harm() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let error = socket.send(transmit(b"x", (Ipv6Addr::LOCALHOST, 9).into())).unwrap_err();
    assert!(matches!(error, SendError::WrongFamily));
    assert!(error.is_transient());
}

#[test]
fn a_local_address_that_is_not_ours_is_refused_for_this_datagram_alone() {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
    let v4 = transmit(b"x", (Ipv4Addr::LOCALHOST, 9).into());
    let v4 = Transmit { local: Some(Ipv4Addr::new(192, 0, 2, 55).into()), ..v4 };
    let error = socket.send(v4).unwrap_err();
    let told = matches!(error, SendError::LocalAddressGone(_) | SendError::Unreachable(_));
    assert!(told, "{error:?}");
    let v6 = transmit(b"x", (Ipv6Addr::LOCALHOST, 9).into());
    let v6 = Transmit { local: Some("2001:db8::1".parse().unwrap()), ..v6 };
    assert!(socket.send(v6).unwrap_err().is_transient());
}

#[test]
fn an_address_in_use_names_the_mend() {
    let first = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let error = UdpSocket::bind(first.local_addr().unwrap()).unwrap_err();
    assert!(error.to_string().contains("ss -lunp"), "{error}");
}

fn local_v4() -> Option<IpAddr> {
    Some(Ipv4Addr::LOCALHOST.into())
}

fn received(server: &UdpSocket) -> (Vec<usize>, Vec<u8>) {
    let slots = slots(server);
    let bytes = slots.iter().flat_map(|slot| slot.packet.content()).copied().collect();
    (slots.iter().map(|slot| slot.stride).collect(), bytes)
}

fn slots(server: &UdpSocket) -> Vec<Received> {
    let mut slots: Vec<_> = (0..400).map(|_| Received::new(Packet::new(0, 4000))).collect();
    let count = server.recv_batch(&mut slots).unwrap();
    slots.truncate(count);
    slots
}

fn transmit(payload: &[u8], remote: SocketAddr) -> Transmit<'_> {
    Transmit { payload, remote, local: None, ifindex: 0, segment: 0 }
}

fn recv_one(socket: &UdpSocket) -> Received {
    let end = Instant::now() + Duration::from_secs(5);
    let mut slots = [Received::new(Packet::new(0, 2048))];
    while socket.recv_batch(&mut slots).unwrap() == 0 {
        assert!(Instant::now() < end, "nothing arrived");
        sleep(Duration::from_millis(1));
    }
    let [slot] = slots;
    slot
}
