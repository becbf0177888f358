//! A client that finds something out about its server first: the session comes up, and no packet passes, either way,
//! until it says so.
//!
//! Server, client, sockets and data workers are the real ones, over loopback.

mod lab;

use std::time::Duration;

use engine::{Client, ClientEvent};
use lab::{Lab, packet};
use sysio::{Packet, Tun};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_are_held_pass_once_they_are_let() {
    let lab = Lab::start(None);
    let (mut client, far) = lab.client_that_holds(0);
    tokio::time::timeout(SOON, established(&mut client)).await.expect("it comes up");
    for _ in 0..10 {
        far.send(&packet(CLIENT, GATEWAY)).expect("room");
        lab.packet_in(CLIENT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((lab.packets_out(), received(&far)), (0, 0));

    client.pass_data();
    let both = async {
        let (mut out, mut back) = (0, 0);
        while out == 0 || back == 0 {
            far.send(&packet(CLIENT, GATEWAY)).expect("room");
            lab.packet_in(CLIENT);
            tokio::time::sleep(Duration::from_millis(20)).await;
            (out, back) = (lab.packets_out(), back + received(&far));
        }
    };
    tokio::time::timeout(SOON, both).await.expect("packets pass");
    lab.server.stop().await;
}

async fn established(client: &mut Client) {
    while !matches!(client.event().await.expect("it runs"), ClientEvent::Established(_)) {}
}

/// How many packets came out of the client's tunnel.
fn received(far: &Tun) -> usize {
    let mut packets: Vec<_> = (0..16).map(|_| Packet::new(0, 2048)).collect();
    far.recv_batch(&mut packets).unwrap_or(0)
}

const CLIENT: [u8; 4] = [10, 71, 0, 2];
const GATEWAY: [u8; 4] = [10, 71, 0, 1];
const SOON: Duration = Duration::from_secs(10);
