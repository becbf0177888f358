//! TUN and UDP between throw-away namespaces. Needs root; says why if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use support::netns;
use sysio::{Interest, Packet, Poller, Ready, Tun, TunError, TunIoError, TunOffload};

#[test]
fn programs_and_closures_run_inside_and_die_with_the_namespace() {
    let Some(netns) = netns() else { return };
    let mut list = Command::new("ip");
    list.args(["-o", "link"]);
    let links = String::from_utf8(netns.output(list).unwrap().stdout).unwrap();
    assert_eq!(links.lines().count(), 1, "{links}");
    assert!(links.contains("LOOPBACK,UP"), "{links}");

    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    let mut child = netns.spawn(sleep).unwrap();
    drop(netns);
    assert!(!child.wait().unwrap().success());
}

#[test]
fn children_see_the_private_resolv_conf_and_nobody_else_does() {
    let Some(mut netns) = netns() else { return };
    let file = std::env::temp_dir().join(format!("sysio-resolv-{}", std::process::id()));
    std::fs::write(&file, "nameserver 192.0.2.53\n").unwrap();
    netns.private_resolv_conf(&file).unwrap();
    let mut cat = Command::new("cat");
    cat.arg("/etc/resolv.conf");
    assert_eq!(netns.output(cat).unwrap().stdout, b"nameserver 192.0.2.53\n");
    let inside = netns.run(|| std::fs::read_to_string("/etc/resolv.conf").unwrap()).unwrap();
    assert_eq!(inside, "nameserver 192.0.2.53\n");
    assert_ne!(std::fs::read_to_string("/etc/resolv.conf").unwrap(), inside);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_tun_interface_carries_pings_both_ways() {
    let Some(netns) = netns() else { return };
    let tun = netns.run(|| Tun::create("hf%d", 1400, TunOffload::None)).unwrap().unwrap();
    assert_eq!(tun.name(), "hf0");
    assert!(matches!(tun.send(&[0x45; 40]), Err(TunIoError::Down)));
    support::ip(&netns, "addr add 10.9.0.1/24 dev hf0");
    support::ip(&netns, "link set hf0 up");
    assert!(support::ip(&netns, "link show hf0").contains("mtu 1400"));

    let mut ping = Command::new("ping");
    ping.args(["-c", "1", "-W", "5", "10.9.0.2"]).stdout(std::process::Stdio::null());
    let mut ping = netns.spawn(ping).unwrap();
    answer_one_ping(&tun, "10.9.0.2".parse().unwrap());
    assert!(ping.wait().unwrap().success());
}

#[test]
fn a_second_user_of_a_tun_name_is_told_that_it_is_busy() {
    let Some(netns) = netns() else { return };
    let first = netns.run(|| Tun::create("hf0", 1500, TunOffload::None)).unwrap().unwrap();
    let second = netns.run(|| Tun::create("hf0", 1500, TunOffload::None)).unwrap();
    assert!(matches!(second, Err(TunError::Busy { .. })), "{second:?}");
    drop(first);
    // A program that another test is starting holds all descriptors until it runs.
    let end = Instant::now() + Duration::from_secs(5);
    while netns.run(|| Tun::create("hf0", 1500, TunOffload::None)).unwrap().is_err() {
        assert!(Instant::now() < end, "the name stays busy");
    }
}

#[test]
fn nobody_joins_the_queues_of_an_interface_that_another_has_and_who_has_it_is_said() {
    let Some(netns) = netns() else { return };
    let queues = || Tun::create_queues("hf0", 1500, TunOffload::TcpAndUdp, 4);
    let _first = netns.run(queues).unwrap().unwrap();
    // Whether it is up makes no difference.
    for state in ["down", "up"] {
        support::ip(&netns, &format!("link set hf0 {state}"));
        match netns.run(queues).unwrap() {
            Err(TunError::Busy { by: Some(holder), .. }) => assert_ne!(holder.pid, 0),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_interface_that_was_made_to_stay_is_taken_and_one_of_another_kind_is_not() {
    let Some(netns) = netns() else { return };
    support::ip(&netns, "tuntap add hf0 mode tun multi_queue");
    support::ip(&netns, "link add hf1 type veth peer name hf2");
    let queues = |name| netns.run(|| Tun::create_queues(name, 1400, TunOffload::None, 2)).unwrap();
    let taken = queues("hf0").unwrap();
    assert_eq!((taken[0].name(), taken[0].was_there()), ("hf0", true));
    drop(taken);
    assert!(queues("hf0").unwrap()[0].was_there(), "it is there still");
    assert!(!queues("hf3").unwrap()[0].was_there());
    assert!(matches!(queues("hf1"), Err(TunError::OtherKind { .. })));
}

/// Turns the first echo request for `address` into its reply.
fn answer_one_ping(tun: &Tun, address: IpAddr) {
    let IpAddr::V4(address) = address else { unreachable!("the tests ping IPv4") };
    let mut poller = Poller::new().unwrap();
    poller.add(tun, 1, Interest::Readable).unwrap();
    let mut packets: Vec<Packet> = (0..8).map(|_| Packet::new(0, 2000)).collect();
    loop {
        let mut ready = Vec::new();
        poller.wait(&mut ready, Some(Duration::from_secs(5))).unwrap();
        assert!(matches!(ready[..], [Ready::Fd { token: 1, readable: true, .. }]), "{ready:?}");
        let count = tun.recv_batch(&mut packets).unwrap();
        for packet in &mut packets[..count] {
            let bytes = packet.content_mut();
            if bytes[0] == 0x45 && bytes[9] == 1 && bytes[16..20] == address.octets() {
                // Swapped addresses and another type: the sums stay as they are but for the type.
                for i in 12..16 {
                    bytes.swap(i, i + 4);
                }
                bytes[20] = 0;
                let sum = u16::from_be_bytes([bytes[22], bytes[23]]);
                let (sum, carry) = sum.overflowing_add(0x0800);
                bytes[22..24].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
                return tun.send(bytes).unwrap();
            }
        }
    }
}
