//! A full gateway refuses others, not the device whose former session helps to fill it.
//!
//! Server, sockets and data worker are the real ones, over loopback, with room for four sessions.

mod lab;

use lab::{Lab, Subscriber, Way};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_comes_back_to_a_full_gateway_gets_in_and_another_does_not() {
    let lab = Lab::start(None);
    // Those that were replaced have not noticed, and linger.
    let mut former = Vec::new();
    for device in [0, 1, 2, 3, 3, 3, 0, 3] {
        let subscriber = connect(&lab, device).await;
        assert!(subscriber.established, "device {device} was refused");
        former.push(subscriber);
    }
    assert!(!connect(&lab, 4).await.established, "there is no room for a fifth");
    assert_eq!(lab.server.sessions().await.len(), 4);
    lab.server.stop().await;
}

async fn connect(lab: &Lab, device: usize) -> Subscriber {
    let mut subscriber = Subscriber::with_certificate(Way::udp(lab).await, device);
    subscriber.until(lab, |subscriber| subscriber.established).await;
    subscriber
}
