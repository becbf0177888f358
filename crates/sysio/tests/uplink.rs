//! A machine that changes its network: what is heard of it, and sockets that move with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sysio::lab::{Host, Lab, LabError};
use sysio::netlink::{LinkChange, Netlink, NetworkWatch, Route};
use sysio::{Netns, NetnsError, Network, Packet, Received, Transmit, UdpSocket};
use tokio::time::timeout;

#[test]
fn every_change_of_link_address_or_route_is_heard_and_silence_is_none() {
    let Some(mut lab) = lab("every_change_of_link_address_or_route_is_heard") else { return };
    let host = lab.host(1).unwrap();
    in_netns(&host.netns, async {
        let mut watch = NetworkWatch::open().unwrap();
        let netlink = Netlink::open().unwrap();
        let index = netlink.link_index("eth0").await.unwrap();
        // What the lab itself set up may still be under way, IPv6 addresses above all.
        settle(&mut watch).await;
        assert!(timeout(QUIET, watch.changed()).await.is_err(), "nothing changed");
        let extra: IpAddr = "203.0.113.14".parse().unwrap();
        netlink.address_add(index, extra, 28).await.unwrap();
        timeout(SOON, watch.changed()).await.expect("an address is heard of");
        settle(&mut watch).await;
        let far = Network::new("198.51.100.0".parse().unwrap(), 24).unwrap();
        netlink.route_add(&Route::on_link(far, index)).await.unwrap();
        timeout(SOON, watch.changed()).await.expect("a route is heard of");
        settle(&mut watch).await;
        let down = LinkChange { up: Some(false), ..LinkChange::default() };
        netlink.link_set(index, down).await.unwrap();
        timeout(SOON, watch.changed()).await.expect("a link is heard of");
    });
}

#[test]
fn a_socket_that_is_connected_anew_leaves_from_the_address_of_the_moment() {
    let Some(mut lab) = lab("a_socket_that_is_connected_anew") else { return };
    let (server, host) = (lab.host(1).unwrap(), lab.host(2).unwrap());
    for (to, bits) in [(IpAddr::from(server.v4[0]), 28), (server.v6[0].into(), 64)] {
        let peer = SocketAddr::new(to, 5000);
        let listening = server.netns.run(|| UdpSocket::bind(peer)).unwrap().unwrap();
        in_netns(&host.netns, async {
            let socket = UdpSocket::connect(peer).unwrap();
            let before = socket.local_addr().unwrap();
            let netlink = Netlink::open().unwrap();
            let index = netlink.link_index("eth0").await.unwrap();
            netlink.address_delete(index, before.ip(), bits).await.unwrap();
            // The route went with the first address of its network.
            let gateway = if to.is_ipv4() { "203.0.113.17" } else { "2001:db8:0:2::1" };
            let all = if to.is_ipv4() { Network::ALL_V4 } else { Network::ALL_V6 };
            let default = Route::by_gateway(all, gateway.parse().unwrap());
            if let Some(second) = other_address(&host, before.ip()) {
                let _ = netlink.address_add(index, second, bits).await;
            }
            let _ = netlink.route_add(&default).await;
            socket.reconnect(peer).unwrap();
            let after = socket.local_addr().unwrap();
            assert!(after.ip() != before.ip() && !after.ip().is_unspecified(), "{after}");
            socket.send(transmit(peer, b"moved")).unwrap();
            let heard = receive(&listening).await;
            assert_eq!(heard, after);
            // Nothing leads there: it says so, and the next call mends it.
            netlink.route_delete(&default).await.unwrap();
            let _ = netlink.address_delete(index, after.ip(), bits).await;
            assert!(socket.reconnect(peer).is_err());
            netlink.address_add(index, after.ip(), bits).await.unwrap();
            netlink.route_add(&default).await.unwrap();
            socket.reconnect(peer).unwrap();
            socket.send(transmit(peer, b"again")).unwrap();
            assert_eq!(receive(&listening).await.ip(), after.ip());
        });
    }
}

fn other_address(host: &Host, than: IpAddr) -> Option<IpAddr> {
    let v4 = host.v4.iter().map(|address| IpAddr::from(*address));
    let mut all = v4.chain(host.v6.iter().map(|address| (*address).into()));
    all.find(|address| *address != than && address.is_ipv4() == than.is_ipv4())
}

fn transmit(remote: SocketAddr, payload: &[u8]) -> Transmit<'_> {
    Transmit { payload, remote, local: None, ifindex: 0, segment: 0 }
}

async fn receive(socket: &UdpSocket) -> SocketAddr {
    let mut slots = [Received::new(Packet::new(0, 2048))];
    for _ in 0..100 {
        if socket.recv_batch(&mut slots).unwrap() > 0 {
            return slots[0].remote;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing came");
}

async fn settle(watch: &mut NetworkWatch) {
    while timeout(QUIET, watch.changed()).await.is_ok() {}
}

fn in_netns(netns: &Netns, work: impl Future<Output = ()> + Send) {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work);
    };
    netns.run(run).unwrap();
}

fn lab(test: &str) -> Option<Lab> {
    match Lab::new() {
        Ok(lab) => Some(lab),
        Err(LabError::Netns(NetnsError::Denied(_))) => {
            println!("SKIP {test}: needs root");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

const SOON: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_millis(300);
