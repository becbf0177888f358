//! A full gateway refuses others, not the device whose former session fills it.
//!
//! Server, sockets and data thread are the real ones, over loopback, with room for one session.

mod lab;

use lab::{Lab, Subscriber, Way};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_comes_back_to_a_full_gateway_gets_in() {
    let lab = Lab::with_sessions(1);
    let mut former = Vec::new();
    for round in 1..=5 {
        let mut subscriber = Subscriber::new(Way::udp(&lab).await);
        subscriber.until(&lab, |subscriber| subscriber.established).await;
        assert!(subscriber.established, "refused in round {round}");
        // It has not noticed that it was replaced, and lingers.
        former.push(subscriber);
    }
    assert_eq!(lab.server.sessions().await.len(), 1);
    lab.server.stop().await;
}
