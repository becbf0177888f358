//! TCP connections of strangers: each misdeed ends its own connection, is counted, and costs nobody
//! else anything.

mod lab;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::{Clock, SystemClock, VirtualClock};
use engine::{ForeignStream, StreamFigures};
use lab::{Lab, Subscriber, Way};
use wire::stream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_misdeed_ends_its_connection_under_a_name_of_its_own() {
    let lab = Lab::start(None);
    let mut subscriber = up(&lab).await;
    let reset = lab::first_packet();
    let mut forged = reset.clone();
    *forged.last_mut().expect("not empty") ^= 1;
    let data = [&[9 << 3][..], &[0; 60]].concat();
    let misdeeds: [(&str, Vec<u8>); 8] = [
        ("tcp_empty_frame", vec![0, 0]),
        ("tcp_long_frame", vec![0x24, 1, 7]),
        ("tcp_long_frame", b"\x16\x03\x01\x02\x00\x01 a TLS client".to_vec()),
        ("tcp_long_frame", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("tcp_forged_control", framed(&forged)),
        ("tcp_forged_control", framed(&[0x38; 200])),
        ("tcp_early_data", framed(&data)),
        ("tcp_too_much_without_session", framed(&reset).repeat(400)),
    ];
    for (code, bytes) in misdeeds {
        let before = counted(&lab, code).await;
        let mut stranger = TcpStream::connect(lab.tcp).expect("connected");
        // It may be gone before all is sent.
        let _ = stranger.write_all(&bytes);
        assert!(is_ended(&mut stranger), "{code}");
        assert_eq!(counted(&lab, code).await, before + 1, "{code}");
    }
    // Behind the good packets of a session, too.
    subscriber.way.send_raw(&[0, 0]).await;
    let gone = async { while !lab.server.sessions().await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the session ends at once");
    assert_eq!(lab.server.figures().await.control.endings.get("tcp_empty_frame"), Some(&1));
    assert_eq!(figures(&lab).await.open, 0);
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_another_listener_took_becomes_a_session_whatever_of_it_was_read_there() {
    let lab = Lab::start(None);
    for (count, read) in [0, 1, 3, 20, 1000].into_iter().enumerate() {
        let other = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = other.local_addr().expect("bound");
        let claimed = SocketAddr::from(([198, 51, 100, 7], 4000 + count as u16));
        let mut subscriber = Subscriber::new(Way::tcp_at(address).await);
        let taken = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = other.accept().expect("accepted");
            // The first packet has fewer bytes than the most that is asked for.
            let mut received = vec![0; read];
            let count = if read > 0 { stream.read(&mut received).expect("read") } else { 0 };
            received.truncate(count);
            let stream = sysio::TcpStream::taken(stream, claimed, address).expect("a socket");
            ForeignStream { stream, received }
        });
        let (taken, ()) = tokio::join!(taken, subscriber.turn(&lab, Duration::from_millis(100)));
        lab.server.take_in(taken.expect("taken"));
        subscriber.until(&lab, |subscriber| subscriber.established).await;
        assert!(subscriber.established, "{read}");
        let sessions = lab.server.sessions().await;
        assert!(sessions.iter().any(|session| session.source == claimed), "{sessions:?}");
    }
    assert_eq!(figures(&lab).await.begun, 5);
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_elsewhere_is_a_stranger_like_any_other() {
    let lab = Lab::start(None);
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("bound");
    let too_much = framed(&lab::first_packet()).repeat(400);
    for (received, code) in [
        (b"GET / HTTP/1.1".to_vec(), "tcp_long_frame"),
        (framed(&[0x38; 200]), "tcp_forged_control"),
        (too_much, "tcp_too_much_without_session"),
    ] {
        let mut stranger = TcpStream::connect(address).expect("connected");
        let (stream, source) = other.accept().expect("accepted");
        let stream = sysio::TcpStream::taken(stream, source, address).expect("a socket");
        lab.server.take_in(ForeignStream { stream, received });
        assert!(is_ended(&mut stranger), "{code}");
        assert_eq!(counted(&lab, code).await, 1, "{code}");
    }
    assert_eq!(figures(&lab).await.open, 0);
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_packet_is_looked_at_once_for_each_connection() {
    let lab = Lab::start(None);
    let mut stranger = TcpStream::connect(lab.tcp).expect("connected");
    stranger.write_all(&framed(&[0x38; 54]).repeat(100)).expect("sent");
    assert!(is_ended(&mut stranger));
    let forged = lab.server.figures().await.data.forged_control;
    assert_eq!(forged.values().sum::<u64>(), 1, "{forged:?}");
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_begins_no_session_is_gone_after_ten_seconds_and_a_session_stays() {
    let clock = VirtualClock::new(SystemClock.now());
    let lab = Lab::start_at(None, Arc::new(clock.clone()));
    let subscriber = up(&lab).await;
    let (mut silent, mut slow, mut answered) = (dial(&lab), dial(&lab), dial(&lab));
    slow.write_all(&[0, 54, 0x38]).expect("sent");
    answered.write_all(&framed(&lab::first_packet())).expect("sent");
    assert!(answered.read(&mut [0; 256]).expect("an answer") > 2);
    while figures(&lab).await.strangers < 3 {}
    clock.advance(Duration::from_millis(9_900));
    assert_eq!(figures(&lab).await.open, 4);
    slow.write_all(&[1]).expect("sent");
    clock.advance(Duration::from_millis(200));
    // Whoever asks wakes the thread, which then sees what time it is.
    while figures(&lab).await.open > 1 {}
    for stranger in [&mut silent, &mut slow, &mut answered] {
        assert!(is_ended(stranger));
    }
    assert_eq!(counted(&lab, "tcp_no_session_in_time").await, 3);
    assert_eq!(lab.server.sessions().await.len(), 1);
    drop(subscriber);
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_of_one_source_push_each_other_out_and_no_session() {
    let lab = Lab::start(None);
    let subscriber = up(&lab).await;
    let mut strangers: Vec<_> = (0..300).map(|_| dial(&lab)).collect();
    while figures(&lab).await.begun < 301 {}
    let now = figures(&lab).await;
    assert_eq!((now.open, now.strangers), (129, 128));
    assert_eq!(now.ended.get("tcp_evicted"), Some(&172));
    assert!(is_ended(&mut strangers[0]));
    let newest = strangers.last_mut().expect("many");
    newest.write_all(&framed(&lab::first_packet())).expect("sent");
    assert!(newest.read(&mut [0; 256]).expect("an answer") > 2);
    assert_eq!(lab.server.sessions().await.len(), 1);
    drop(subscriber);
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_nothing_costs_its_own_packets_only() {
    let lab = Lab::start(None);
    let mut subscriber = up(&lab).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while figures(&lab).await.queue_full < 100 {
        lab.packets_in(200);
        assert!(Instant::now() < deadline, "{:?}", figures(&lab).await);
    }
    // Another one is served meanwhile.
    let mut stranger = dial(&lab);
    stranger.write_all(&framed(&lab::first_packet())).expect("sent");
    assert!(stranger.read(&mut [0; 256]).expect("an answer") > 2);
    // And what it reads at last are whole packets.
    let opened = subscriber.opened;
    subscriber.read_all().await;
    assert!(subscriber.opened > opened + 300, "{opened} {}", subscriber.opened);
    assert_eq!(subscriber.unopened, 0);
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_connection_at_once() {
    let lab = Lab::start(None);
    let subscriber = up(&lab).await;
    drop(subscriber);
    let gone = async { while !lab.server.sessions().await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the session ends at once");
    let endings = lab.server.figures().await.control.endings;
    let closed = ["tcp_closed_by_peer", "tcp_broken"].map(|code| endings.get(code).unwrap_or(&0));
    assert_eq!(closed[0] + closed[1], 1, "{endings:?}");
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_closes_behind_our_certificate_has_turned_it_away() {
    let lab = Lab::start(None);
    let mut subscriber = Subscriber::new(Way::tcp(&lab).await);
    subscriber.until_shown_a_certificate(&lab).await;
    drop(subscriber);
    let told = async {
        loop {
            let endings = lab.server.figures().await.control.endings;
            if endings.get("closed_after_our_certificate") == Some(&1) {
                return endings;
            }
        }
    };
    let endings = tokio::time::timeout(Duration::from_secs(5), told).await.expect("it is counted");
    assert_eq!(endings.get("tcp_closed_by_peer"), Some(&0), "{endings:?}");
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_counts_though_the_connection_ends_right_behind_it() {
    let lab = Lab::start(None);
    for _ in 0..GOODBYES {
        up(&lab).await.leave().await;
        let gone = async { while !lab.server.sessions().await.is_empty() {} };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the session ends at once");
    }
    let endings = lab.server.figures().await.control.endings;
    assert_eq!(endings.get("peer_exit"), Some(&GOODBYES), "{endings:?}");
    lab.server.stop().await;
}

async fn up(lab: &Lab) -> Subscriber {
    let mut subscriber = Subscriber::new(Way::tcp(lab).await);
    subscriber.until(lab, |subscriber| subscriber.established).await;
    assert!(subscriber.established);
    subscriber
}

fn dial(lab: &Lab) -> TcpStream {
    TcpStream::connect(lab.tcp).expect("connected")
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&stream::length(packet.len()).expect("short")[..], packet].concat()
}

/// The server closes it, after whatever it had to say.
fn is_ended(stranger: &mut TcpStream) -> bool {
    stranger.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    let mut buffer = [0; 4096];
    loop {
        match stranger.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

async fn figures(lab: &Lab) -> StreamFigures {
    lab.server.figures().await.data.streams
}

async fn counted(lab: &Lab, code: &str) -> u64 {
    figures(lab).await.ended.get(code).copied().unwrap_or(0)
}

const GOODBYES: u64 = 40;
