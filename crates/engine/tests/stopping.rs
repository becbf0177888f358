//! What a client is told when the server stops.
//!
//! Server, sockets and data worker are the real ones, over loopback.

mod lab;

use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use lab::{Lab, Subscriber, Way};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_connected_is_told_and_the_stop_waits_no_longer_than_for_that() {
    for way in ways() {
        let lab = Lab::start(None);
        let mut subscriber = Subscriber::new(way.to(&lab).await);
        subscriber.until(&lab, |subscriber| subscriber.established).await;
        let stopped = stop(&lab, &mut subscriber).await;
        assert!(subscriber.told_to_restart, "{way:?}");
        assert!(stopped < Duration::from_millis(1500), "{way:?}: {stopped:?}");
    }
}

/// Its first acknowledgement of the push comes when the server is stopping already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_up_a_moment_before_the_server_knows_it_is_told_as_well() {
    for way in ways() {
        let lab = Lab::start(None);
        let mut subscriber = Subscriber::new(way.to(&lab).await);
        subscriber.until_pushed_unheard(&lab).await;
        stop(&lab, &mut subscriber).await;
        assert!(subscriber.told_to_restart, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_addresses_are_free_once_it_has_stopped_whoever_holds_it_still() {
    let lab = Lab::start(None);
    lab.server.stop().await;
    UdpSocket::bind(lab.udp).expect("free again");
    TcpListener::bind(lab.tcp).expect("free again");
}

/// How long the server takes to stop, while the client goes on a moment later.
async fn stop(lab: &Lab, subscriber: &mut Subscriber) -> Duration {
    let begun = Instant::now();
    let server = async {
        lab.server.stop().await;
        begun.elapsed()
    };
    let client = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let end = subscriber.until(lab, |_| false);
        let _ = tokio::time::timeout(Duration::from_secs(4), end).await;
    };
    tokio::join!(server, client).0
}

fn ways() -> [Kind; 2] {
    [Kind::Udp, Kind::Tcp]
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Udp,
    Tcp,
}

impl Kind {
    async fn to(self, lab: &Lab) -> Way {
        match self {
            Kind::Udp => Way::udp(lab).await,
            Kind::Tcp => Way::tcp(lab).await,
        }
    }
}
