//! Admissions that are answered later: nothing waits for them but their own sessions, and a right that is
//! gone by then lets nobody in.
//!
//! Server, sockets and data worker are the real ones, over loopback.

mod lab;

use std::time::Duration;

use engine::{AdmissionRequest, Admitted};
use lab::{Lab, Subscriber, Way};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_lets_its_peer_in_and_others_do_not_wait_for_it() {
    let lab = Lab::start(None);
    let well = connect(&lab, 0).await;
    lab.hold_admissions();
    let mut waiting = Subscriber::with_certificate(Way::udp(&lab).await, 1);
    let (request, _) = asked(&lab, &mut waiting).await;
    assert_eq!(lab.server.sessions().await.len(), 1, "it is not in yet");
    let admitted = lab.decide(&request).expect("it may");
    // From another thread, as a database or a person would answer.
    std::thread::spawn(move || request.admit(admitted)).join().expect("answered");
    waiting.until(&lab, |waiting| waiting.established).await;
    assert!(waiting.established && well.established);
    assert_eq!(lab.server.sessions().await.len(), 2);
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_that_was_true_when_it_was_found_and_is_not_when_it_comes_lets_nobody_in() {
    let lab = Lab::start(None);
    lab.hold_admissions();
    let mut late = Subscriber::new(Way::udp(&lab).await);
    let (request, admitted) = asked(&lab, &mut late).await;
    lab.revoke();
    // The revocation is complete while the answer is on its way.
    lab.swept().await;
    request.admit(admitted);
    late.insist(&lab).await;
    assert!(!late.established);
    assert_eq!(lab.server.sessions().await.len(), 0);
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_nobody_answers_is_refused() {
    let lab = Lab::start(None);
    lab.hold_admissions();
    let mut refused = Subscriber::new(Way::udp(&lab).await);
    drop(asked(&lab, &mut refused).await);
    let ending = refused.until(&lab, |refused| refused.ended);
    tokio::time::timeout(Duration::from_secs(10), ending).await.expect("it is told");
    let figures = lab.server.figures().await;
    assert_eq!(figures.control.endings["admission_undecided"], 1);
    lab.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_for_an_end_is_counted_from_zero() {
    let lab = Lab::start(None);
    let endings = lab.server.figures().await.control.endings;
    for code in ["replaced", "ping_timeout", "kicked", "revoked", "handshake_timeout", "tls_failed"]
    {
        assert_eq!(endings.get(code), Some(&0), "{code}");
    }
    let _older = connect(&lab, 0).await;
    let _newer = connect(&lab, 0).await;
    let counted = lab.server.figures().await.control.endings;
    assert_eq!((counted["replaced"], counted.len()), (1, endings.len()));
    lab.server.stop().await;
}

/// Goes on until its admission waits, and what the answer would be at this moment.
async fn asked(lab: &Lab, subscriber: &mut Subscriber) -> (AdmissionRequest, Admitted) {
    loop {
        subscriber.turn(lab, Duration::from_millis(20)).await;
        if let Some(request) = lab.held() {
            let admitted = lab.decide(&request).expect("it may");
            return (request, admitted);
        }
    }
}

async fn connect(lab: &Lab, device: usize) -> Subscriber {
    let mut subscriber = Subscriber::with_certificate(Way::udp(lab).await, device);
    subscriber.until(lab, |subscriber| subscriber.established).await;
    subscriber
}
