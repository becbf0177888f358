//! Connections that came in elsewhere, faster than a worker takes them.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow::Continue;

use super::*;
use crate::data::newcomers::MOST;
use crate::data::streams::ForeignStream;
use crate::data::worker::LET_IN_AT_ONCE;

#[test]
fn a_worker_lets_in_a_share_each_turn_and_whoever_finds_no_room_in_the_queue_is_closed() {
    let tun = TunQueues::share(&[Backlog::of([])], 0, 1).unwrap();
    let handoffs = HandoffQueues::new([Poller::new().expect("epoll").waker()]);
    let udp = Arc::new(MemoryUdp::new(&[0]));
    let mut rig = Rig::new(Shard::WHOLE, Handoff::new(handoffs, 0), tun, udp);
    let door = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut clients: Vec<_> = (0..MOST + 3).map(|_| passed_on(&door, &rig.orders)).collect();
    for turned_away in &mut clients[MOST..] {
        turned_away.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        assert_eq!(turned_away.read(&mut [0]).expect("its end"), 0);
    }
    for turn in 1..=MOST / LET_IN_AT_ONCE {
        let begun = Instant::now();
        assert!(matches!(rig.worker.turn(None), Continue(_)));
        assert!(begun.elapsed() < Duration::from_secs(5), "nothing says that some wait still");
        let figures = rig.worker.figures().streams;
        assert_eq!(figures.begun, (turn * LET_IN_AT_ONCE) as u64);
        assert_eq!(figures.ended.get("tcp_evicted"), Some(&3), "{figures:?}");
    }
}

/// A client whose connection was taken elsewhere, and handed over.
fn passed_on(door: &TcpListener, to: &DataHandle) -> TcpStream {
    let client = TcpStream::connect(door.local_addr().expect("bound")).expect("connected");
    let (stream, source) = door.accept().expect("accepted");
    let local = stream.local_addr().expect("connected");
    let stream = sysio::TcpStream::taken(stream, source, local).expect("a socket");
    to.take_in(ForeignStream { stream, received: b"\0\x0e\x38".to_vec() });
    client
}
