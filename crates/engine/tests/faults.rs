//! A panic in the data worker while a packet of one peer is opened, cut, sealed or joined, or while a
//! command about it is obeyed: that peer's session ends with a reason of its own, and every other one goes
//! on without losing a packet.
//!
//! Server, sockets and data worker are the real ones, over loopback and a TUN made of a socket pair.
//! The panics are injected, which only a build for tests can do.

mod lab;

use std::time::Duration;

use datapath::PeerRef;
use datapath::fault::{self, Place};
use engine::{ClientEvent, Kick};
use lab::{Lab, Subscriber, Way};
use tokio::sync::Mutex;
use wire::PeerId;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_over_one_peers_packet_ends_that_peer_and_no_other() {
    let _alone = ONE_BY_ONE.lock().await;
    let places = [Place::Open, Place::Coalesce, Place::Split, Place::Seal];
    for (place, tcp) in places.into_iter().flat_map(|place| [(place, false), (place, true)]) {
        println!("{place:?}, TCP: {tcp}");
        let lab = Lab::start(None);
        let way = if tcp { Way::tcp(&lab).await } else { Way::udp(&lab).await };
        let mut ill = connected(&lab, Subscriber::with_certificate(way, 0)).await;
        let mut well = connect(&lab, 1).await;
        let peer = peer_of(&lab, &ill).await;
        fault::inject(place, peer, 2);
        for _ in 0..5 {
            ill.say(&lab).await;
            lab.packet_in(ill.address);
            talks(&lab, &mut well).await;
        }
        assert!(!fault::waits(place, peer), "it was met");
        only_the_other_is_left(&lab, &mut ill, &mut well).await;
        comes_back(&lab).await;
        lab.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_over_the_last_packet_of_a_batch_ends_its_sender_whoever_was_served_since() {
    let _alone = ONE_BY_ONE.lock().await;
    let lab = Lab::start(None);
    let _first = connect(&lab, 0).await;
    let _second = connect(&lab, 1).await;
    let mut ill = connect(&lab, 2).await;
    let mut well = connect(&lab, 3).await;
    fault::inject(Place::Coalesce, peer_of(&lab, &ill).await, 0);
    // Close behind each other, so that they may be in one batch.
    tokio::join!(ill.say(&lab), well.say(&lab));
    // The panic's message takes its time on a busy machine.
    ended_once(&lab, 3).await;
    settle(&lab).await;
    talks(&lab, &mut well).await;
    lab.server.stop().await;
}

/// As the command about a new key begins, once it is done, and at the next ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_over_a_command_of_a_renewal_ends_that_peer_and_no_other() {
    let _alone = ONE_BY_ONE.lock().await;
    for before in 0..4 {
        println!("{before} before");
        let lab = Lab::start(None);
        let mut ill = connect(&lab, 0).await;
        let mut well = connect(&lab, 1).await;
        let peer = peer_of(&lab, &ill).await;
        fault::inject(Place::Command, peer, before);
        ill.renegotiate();
        let renewing = ill.until(&lab, |_| !fault::waits(Place::Command, peer));
        tokio::time::timeout(Duration::from_secs(10), renewing).await.expect("it was met");
        only_the_other_is_left(&lab, &mut ill, &mut well).await;
        comes_back(&lab).await;
        lab.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_while_a_peer_is_added_ends_that_peer_and_no_other() {
    let _alone = ONE_BY_ONE.lock().await;
    for before in 0..4 {
        println!("{before} before");
        let lab = Lab::start(None);
        let mut well = connect(&lab, 0).await;
        let peer = PeerRef { id: PeerId::new(1).expect("small"), generation: 1 };
        fault::inject(Place::Command, peer, before);
        let mut ill = Subscriber::with_certificate(Way::udp(&lab).await, 1);
        let connecting = ill.until(&lab, |_| !fault::waits(Place::Command, peer));
        tokio::time::timeout(Duration::from_secs(10), connecting).await.expect("it was met");
        ended_once(&lab, 1).await;
        talks(&lab, &mut well).await;
        let again = connect(&lab, 1).await;
        assert_eq!(lab.server.sessions().await.len(), 2);
        drop(again);
        lab.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_while_a_peer_is_taken_away_keeps_nobody_and_nothing() {
    let _alone = ONE_BY_ONE.lock().await;
    for before in [0, 1] {
        println!("{before} before");
        let lab = Lab::start(None);
        let mut ill = connect(&lab, 0).await;
        let mut well = connect(&lab, 1).await;
        let peer = peer_of(&lab, &ill).await;
        fault::inject(Place::Command, peer, before);
        let sessions = lab.server.sessions().await;
        let own = [std::net::IpAddr::from(ill.address)];
        let session = sessions.iter().find(|session| session.addresses == own);
        let number = session.expect("its session").number;
        assert_eq!(lab.server.kick(Kick::Number(number)).await.len(), 1);
        met(peer).await;
        talks(&lab, &mut well).await;
        is_cut_off(&lab, &mut ill).await;
        comes_back(&lab).await;
        lab.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_data_thread_stumbled_over_its_server_is_not_left_connected_to_nobody() {
    let _alone = ONE_BY_ONE.lock().await;
    let lab = Lab::start(None);
    // Has the number at the server that the server has at the client, and is silent.
    let _silent = connect(&lab, 0).await;
    let (mut client, _tun) = lab.client(1);
    let ended = async {
        while !matches!(client.event().await.expect("a client"), ClientEvent::Established(_)) {}
        let server = PeerRef { id: PeerId::new(0).expect("small"), generation: 1 };
        fault::inject(Place::Open, server, 0);
        loop {
            lab.packet_in([10, 71, 0, 3]);
            let event = tokio::time::timeout(Duration::from_millis(50), client.event()).await;
            if let Ok(Some(ClientEvent::Ended(ending))) = event {
                return ending;
            }
        }
    };
    let ending = tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it ends");
    assert_eq!(ending.code(), "internal_error");
    lab.server.stop().await;
}

async fn connect(lab: &Lab, device: usize) -> Subscriber {
    let way = Way::udp(lab).await;
    connected(lab, Subscriber::with_certificate(way, device)).await
}

async fn connected(lab: &Lab, mut subscriber: Subscriber) -> Subscriber {
    subscriber.until(lab, |subscriber| subscriber.established).await;
    // The server seals from a moment later on.
    while subscriber.opened == 0 {
        lab.packet_in(subscriber.address);
        subscriber.until_opened(lab, 1, Duration::from_millis(200)).await;
    }
    settle(lab).await;
    talks(lab, &mut subscriber).await;
    subscriber
}

/// Waits until nothing comes any more.
async fn settle(lab: &Lab) {
    tokio::time::sleep(Duration::from_millis(50)).await;
    lab.sources_out();
}

/// Data passes both ways, and none of it is lost.
async fn talks(lab: &Lab, subscriber: &mut Subscriber) {
    lab.sources_out();
    let before = subscriber.opened;
    for _ in 0..PACKETS {
        subscriber.say(lab).await;
        lab.packet_in(subscriber.address);
    }
    subscriber.until_opened(lab, before + PACKETS, Duration::from_secs(10)).await;
    let mut came = 0;
    for _ in 0..1000 {
        came += lab.sources_out().iter().filter(|source| **source == subscriber.address).count();
        if came >= PACKETS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let data = lab.server.figures().await.data;
    assert_eq!((came, subscriber.opened - before), (PACKETS, PACKETS), "{data:?}");
}

async fn peer_of(lab: &Lab, subscriber: &Subscriber) -> PeerRef {
    let peers = lab.server.figures().await.data.peers;
    let found = peers.iter().find(|(peer, _)| peer.id == subscriber.peer_id);
    found.expect("the peer is known").0
}

async fn only_the_other_is_left(lab: &Lab, ill: &mut Subscriber, well: &mut Subscriber) {
    ended_once(lab, 1).await;
    let left = lab.server.sessions().await;
    assert_eq!(left[0].addresses, [std::net::IpAddr::from(well.address)]);
    talks(lab, well).await;
    is_cut_off(lab, ill).await;
    talks(lab, well).await;
}

async fn is_cut_off(lab: &Lab, ill: &mut Subscriber) {
    // What was sent to it before waits in its socket.
    ill.insist(lab).await;
    lab.sources_out();
    let opened = ill.opened;
    ill.insist(lab).await;
    assert!(!lab.sources_out().contains(&ill.address), "nothing of it passes");
    assert_eq!(ill.opened, opened, "and nothing for it");
}

/// Waits until the data worker has stumbled over a command about this peer.
async fn met(peer: PeerRef) {
    let met = async {
        while fault::waits(Place::Command, peer) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), met).await.expect("it was met");
}

/// One session ended for our fault, and this many are left.
async fn ended_once(lab: &Lab, left: usize) {
    for _ in 0..500 {
        let figures = lab.server.figures().await;
        if figures.control.endings.get("internal_error") == Some(&1) {
            assert_eq!(lab.server.sessions().await.len(), left);
            let all: u64 = figures.control.endings.values().sum();
            assert_eq!(all, 1, "{:?}", figures.control.endings);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no session ended");
}

/// The device whose session ended may connect anew.
async fn comes_back(lab: &Lab) {
    let again = connect(lab, 0).await;
    assert_eq!(lab.server.sessions().await.len(), 2);
    drop(again);
}

/// Packets of a talk, each way.
const PACKETS: usize = 3;
/// Faults wait in one place for the whole program, and servers number alike.
static ONE_BY_ONE: Mutex<()> = Mutex::const_new(());
