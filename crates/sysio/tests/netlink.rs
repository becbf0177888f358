//! Links, addresses and routes in throw-away namespaces. Needs root; says why if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use support::netns;
use sysio::netlink::{IpFamily, LinkChange, Netlink, NetlinkErrorKind, Route};
use sysio::{Netns, Network, Packet, Received, Transmit, Tun, TunOffload, UdpSocket};

#[tokio::test]
async fn what_is_set_on_a_link_is_read_back() {
    let Some(netns) = netns() else { return };
    let tun = netns.run(|| Tun::create("hf0", 1400, TunOffload::None)).unwrap().unwrap();
    let netlink = Netlink::open_in(&netns).unwrap();
    let index = netlink.link_index("hf0").await.unwrap();
    let change =
        LinkChange { up: Some(true), mtu: Some(1380), txqueuelen: Some(128), group: Some(7) };
    netlink.link_set(index, change).await.unwrap();
    let link = netlink.link(index).await.unwrap();
    assert_eq!((link.up, link.mtu, link.txqueuelen, link.group), (true, 1380, 128, 7));
    assert_eq!(netlink.link_list().await.unwrap().len(), 2);

    for (address, bits) in [("10.9.0.1", 24), ("fd09::1", 64)] {
        netlink.address_add(index, ip(address), bits).await.unwrap();
        let again = netlink.address_add(index, ip(address), bits).await.unwrap_err();
        assert_eq!(again.kind, NetlinkErrorKind::Exists);
        let found = netlink.address_list(Some(index)).await.unwrap();
        assert!(found.iter().any(|a| a.address == ip(address) && a.bits == bits && a.lasting));
        netlink.address_delete(index, ip(address), bits).await.unwrap();
        let gone = netlink.address_delete(index, ip(address), bits).await.unwrap_err();
        assert_eq!(gone.kind, NetlinkErrorKind::Missing);
    }
    netlink.address_add_with_peer(index, ip("10.9.1.6"), ip("10.9.1.5")).await.unwrap();
    assert!(support::ip(&netns, "addr show hf0").contains("10.9.1.6 peer 10.9.1.5/32"));

    netlink.link_delete(index).await.unwrap();
    assert!(tun.recv_batch(&mut [Packet::new(0, 100)]).is_err());
    let gone = netlink.link_index("hf0").await.unwrap_err();
    assert_eq!(gone.kind, NetlinkErrorKind::Missing);
}

#[tokio::test]
async fn routes_are_added_replaced_looked_up_and_removed() {
    let Some(netns) = netns() else { return };
    let _tun = netns.run(|| Tun::create("hf0", 1400, TunOffload::None)).unwrap().unwrap();
    let netlink = Netlink::open_in(&netns).unwrap();
    let index = netlink.link_index("hf0").await.unwrap();
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    netlink.link_set(index, up).await.unwrap();
    for (own, bits, gateway, far, family) in [
        ("10.9.0.1", 24, "10.9.0.254", "192.0.2.1", IpFamily::V4),
        ("fd09::1", 64, "fd09::fe", "2001:db8::1", IpFamily::V6),
    ] {
        let (own, gateway, far) = (ip(own), ip(gateway), ip(far));
        netlink.address_add(index, own, bits).await.unwrap();
        let unreachable = netlink.route_lookup(far).await.unwrap_err();
        assert_eq!(unreachable.kind, NetlinkErrorKind::Unreachable);
        assert_eq!(netlink.default_route(family).await.unwrap(), None);

        let all = Network::new(far, 0).unwrap();
        let route = Route { metric: Some(50), ..Route::by_gateway(all, gateway) };
        netlink.route_add(&route).await.unwrap();
        assert_eq!(netlink.route_add(&route).await.unwrap_err().kind, NetlinkErrorKind::Exists);
        let host = Route::on_link(Network::host(far), index);
        netlink.route_replace(&host).await.unwrap();
        netlink.route_replace(&host).await.unwrap();
        let way = netlink.route_lookup(far).await.unwrap();
        assert_eq!((way.source, way.gateway, way.ifindex), (Some(own), None, index));
        netlink.route_delete(&host).await.unwrap();
        assert_eq!(netlink.route_delete(&host).await.unwrap_err().kind, NetlinkErrorKind::Missing);
        let way = netlink.route_lookup(far).await.unwrap();
        assert_eq!((way.gateway, way.name.as_str()), (Some(gateway), "hf0"));
        // The kernel finishes a new IPv6 address a moment after it said yes.
        let end = Instant::now() + Duration::from_secs(5);
        while !netlink.route_lookup(own).await.unwrap().local {
            assert!(Instant::now() < end, "{own} is not local");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        let default = netlink.default_route(family).await.unwrap().unwrap();
        assert_eq!((default.gateway, default.metric), (Some(gateway), Some(50)));
        assert_eq!(default.addresses.iter().map(|a| a.address).collect::<Vec<_>>(), [own]);
    }
}

#[tokio::test]
async fn replies_leave_from_the_address_that_was_asked() {
    let (Some(server), Some(client)) = (netns(), netns()) else { return };
    join(&server, &client, ["10.8.0.1", "10.8.0.2", "fd08::1", "fd08::2"]).await;
    let socket = server.run(|| UdpSocket::bind("[::]:1194".parse().unwrap())).unwrap().unwrap();
    let v4 = client.run(|| UdpSocket::bind("0.0.0.0:0".parse().unwrap())).unwrap().unwrap();
    let v6 = client.run(|| UdpSocket::bind("[::]:0".parse().unwrap())).unwrap().unwrap();
    for asked in ["10.8.0.1", "10.8.0.2", "fd08::1", "fd08::2"].map(ip) {
        let socket_of_client = if asked.is_ipv4() { &v4 } else { &v6 };
        let remote = (asked, 1194).into();
        let hello = Transmit { payload: b"hello", remote, local: None, ifindex: 0, segment: 0 };
        socket_of_client.send(hello).unwrap();
        let hello = recv_one(&socket);
        assert_eq!(hello.local, Some(asked));
        let Received { remote, local, ifindex, .. } = hello;
        socket.send(Transmit { payload: b"hi", remote, local, ifindex, segment: 0 }).unwrap();
        assert_eq!(recv_one(socket_of_client).remote, (asked, 1194).into());
    }

    // Link-local addresses mean nothing without the interface.
    let scope = client.run(|| index_of("eth0")).unwrap();
    let link_local = support::ip(&server, "-6 -o addr show dev eth0 scope link");
    let link_local = link_local.split_whitespace().nth(3).unwrap().split('/').next().unwrap();
    let remote = std::net::SocketAddrV6::new(link_local.parse().unwrap(), 1194, 0, scope).into();
    v6.send(Transmit { payload: b"hello", remote, local: None, ifindex: 0, segment: 0 }).unwrap();
    let Received { remote: client_side, local, ifindex, .. } = recv_one(&socket);
    assert_eq!(local, Some(ip(link_local)));
    socket
        .send(Transmit { payload: b"hi", remote: client_side, local, ifindex, segment: 0 })
        .unwrap();
    assert_eq!(recv_one(&v6).remote, remote);
}

/// A cable between two namespaces; the server's end has the addresses.
async fn join(server: &Netns, client: &Netns, addresses: [&str; 4]) {
    let near = Netlink::open_in(server).unwrap();
    let far = Netlink::open_in(client).unwrap();
    near.veth_add("eth0", "moving").await.unwrap();
    near.link_move(near.link_index("moving").await.unwrap(), client).await.unwrap();
    support::ip(client, "link set moving name eth0");
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    let near_index = near.link_index("eth0").await.unwrap();
    let far_index = far.link_index("eth0").await.unwrap();
    for (netns, name) in
        [(server, "all"), (server, "default"), (client, "all"), (client, "default")]
    {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/accept_dad");
        netns.run(|| std::fs::write(path, "0")).unwrap().unwrap();
    }
    for netns in [server, client] {
        let path = "/proc/sys/net/ipv6/conf/eth0/accept_dad";
        netns.run(|| std::fs::write(path, "0")).unwrap().unwrap();
    }
    near.link_set(near_index, up).await.unwrap();
    far.link_set(far_index, up).await.unwrap();
    for address in addresses.map(ip) {
        let bits = if address.is_ipv4() { 24 } else { 64 };
        near.address_add(near_index, address, bits).await.unwrap();
    }
    far.address_add(far_index, ip("10.8.0.9"), 24).await.unwrap();
    far.address_add(far_index, ip("fd08::9"), 64).await.unwrap();
}

fn index_of(name: &str) -> u32 {
    let path = "/proc/thread-self/net/if_inet6";
    let table = std::fs::read_to_string(path).unwrap();
    let line = table.lines().find(|line| line.ends_with(name)).unwrap();
    u32::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
}

fn recv_one(socket: &UdpSocket) -> Received {
    let end = Instant::now() + Duration::from_secs(5);
    let mut slots = [Received::new(Packet::new(0, 2048))];
    while socket.recv_batch(&mut slots).unwrap() == 0 {
        assert!(Instant::now() < end, "nothing arrived");
        std::thread::sleep(Duration::from_millis(1));
    }
    let [slot] = slots;
    slot
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
