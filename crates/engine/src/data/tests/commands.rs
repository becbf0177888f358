//! A panic while a worker applies a command: the peer that it is about is gone, whatever had been done of
//! the command, and the worker goes on.

use datapath::fault::{self, Place};
use datapath::{IpNet, RouteChange};

use super::*;
use crate::data::can_wait;
use crate::figures::DataFigures;

#[test]
fn a_panic_over_any_command_ends_the_peer_that_it_is_about_and_no_other() {
    let script = |ill: PeerRef| {
        let peer = ill;
        let (cipher, role, next) = (Cipher::Aes256Gcm, Role::TlsServer, KeyId::FIRST.next());
        let material = material(7);
        let renewal = [
            Command::KeyNew { peer, key_id: next, cipher, material, role, fresh: true },
            Command::KeySwap { peer, key_id: next },
            Command::KeyDel { peer, key_id: KeyId::FIRST },
            Command::PeerDel { peer },
        ];
        set_up(ill).into_iter().chain(renewal)
    };
    let steps = 2 * script(peer(0, 0)).count() as u32;
    for before in 0..steps {
        let [ill, well] = [0, 1].map(|slot| peer(slot, 5000 + before));
        fault::inject(Place::Command, ill, before);
        let gone = |notice: &Notice| matches!(notice, Notice::Deleted { peer, .. } if *peer == ill);
        let commands = set_up(well).into_iter().chain(script(ill));
        let figures = applied(Shard::WHOLE, |to| commands.for_each(|one| to.apply(one)), gone);
        assert!(!fault::waits(Place::Command, ill), "it was met");
        let left: Vec<_> = figures.peers.iter().map(|(peer, _)| *peer).collect();
        assert_eq!(left, [well], "{before} before");
    }
}

#[test]
fn a_panic_over_a_route_to_anothers_peer_is_told_since_its_owner_still_has_it() {
    let shard = Shard::new(0, 2).expect("two workers");
    for before in [0, 1] {
        let ill = peer(1, 6000 + before);
        fault::inject(Place::Command, ill, before);
        let networks = vec![IpNet::host(address(1).into())];
        let change = RouteChange::New { peer: ill, networks, sender: None };
        let told = |notice: &Notice| *notice == Notice::WorkerPanicked { peer: ill };
        applied(shard, |to| to.apply_route(change), told);
    }
}

#[test]
fn what_is_read_after_a_key_was_handed_over_finds_it_in_place_from_the_network_and_from_the_tunnel()
{
    for token in [FIRST_SOCKET, FIRST_TUN] {
        let handoffs = HandoffQueues::new([Poller::new().expect("epoll").waker()]);
        let tun = TunQueues::one(Arc::new(MemoryTun::new(&[0])));
        let udp = Arc::new(MemoryUdp::new(&[0]));
        let Rig { mut worker, orders, .. } =
            Rig::new(Shard::WHOLE, Handoff::new(handoffs, 0), tun, udp);
        set_up(peer(0, 1)).into_iter().for_each(|command| orders.apply(command));
        // In the midst of a turn: it looked for commands before these came.
        worker.serve(&[Ready::Fd { token, readable: true, writable: false }]);
        let figures = worker.figures();
        let moved = figures.total.rx_packets + figures.total.tx_packets;
        assert_eq!((moved, figures.drops.total()), (SEGMENTS as u64, 0), "{token}");
    }
}

#[test]
fn a_packet_for_anothers_peer_is_handed_on_though_the_way_to_it_is_learned_in_the_midst_of_a_turn()
{
    let wakers = [Poller::new().expect("epoll").waker(), Poller::new().expect("epoll").waker()];
    let handoffs = HandoffQueues::new(wakers);
    let shard = Shard::new(0, 2).expect("two workers");
    let tun = TunQueues::one(Arc::new(MemoryTun::new(&[1])));
    let udp = Arc::new(MemoryUdp::new(&[]));
    let (own, other) = (Handoff::new(Arc::clone(&handoffs), 0), Handoff::new(handoffs, 1));
    let Rig { mut worker, orders, .. } = Rig::new(shard, own, tun, udp);
    let networks = vec![IpNet::host(address(1).into())];
    orders.apply_route(RouteChange::New { peer: peer(1, 1), networks, sender: None });
    worker.serve(&[Ready::Fd { token: FIRST_TUN, readable: true, writable: false }]);
    assert_eq!(worker.figures().drops.total(), 0);
    assert!(other.take().is_some(), "it was handed on");
}

#[test]
fn a_command_that_can_wait_is_applied_before_long_though_no_packet_comes() {
    let stranger = peer(3, 1);
    let command = Command::KeySwap { peer: stranger, key_id: KeyId::FIRST };
    assert!(can_wait(&command));
    let refused =
        |notice: &Notice| matches!(notice, Notice::Refused { peer, .. } if *peer == stranger);
    applied(Shard::WHOLE, |to| to.apply(command), refused);
}

/// Lets a worker apply what it is given, and waits for a notice. What it counted afterwards.
fn applied(
    shard: Shard,
    give: impl FnOnce(&DataHandle),
    awaited: impl Fn(&Notice) -> bool,
) -> DataFigures {
    let handoffs = HandoffQueues::new([Poller::new().expect("epoll").waker()]);
    let tun = TunQueues::one(Arc::new(MemoryTun::new(&[])));
    let udp = Arc::new(MemoryUdp::new(&[]));
    let Rig { worker, orders, mut notices, .. } =
        Rig::new(shard, Handoff::new(handoffs, 0), tun, udp);
    let running = std::thread::spawn(move || worker.run());
    give(&orders);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let figures = runtime.expect("a runtime").block_on(async {
        let notice = async { while !awaited(&notices.recv().await.expect("the worker runs")) {} };
        tokio::time::timeout(Duration::from_secs(10), notice).await.expect("the notice comes");
        orders.figures().await
    });
    orders.stop();
    running.join().expect("the worker ends when it is told to");
    figures
}

fn peer(slot: u32, generation: u32) -> PeerRef {
    PeerRef { id: id(slot), generation }
}
