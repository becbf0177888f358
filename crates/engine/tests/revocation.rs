//! A revocation at every step of a handshake and of a renegotiation wins: once the engine says that
//! the change is swept, no packet of the session passes in either direction and the session is gone.
//!
//! Server, sockets and data worker are the real ones, over loopback and a TUN made of a socket pair.
//! A step is one datagram sent or received by the client; the run stands still at the step until
//! the sweep is confirmed, so every interleaving of a revocation with the messages is visited.

mod lab;

use wire::mtu::Transport;

use lab::{Flip, Lab, Subscriber, Way};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_revocation_data_flows_both_ways_through_two_generations_of_keys() {
    let outcome = run(None, true).await;
    assert!(outcome.renegotiated && outcome.to_network >= 4, "{outcome:?}");
    assert!(outcome.to_client >= 2 && outcome.sessions == 1, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_at_every_step_of_a_handshake_wins() {
    let steps = run(None, false).await.steps;
    for step in 1..=steps {
        assert_out(&run(Some(Flip::AtStep(step)), false).await, step);
    }
    println!("FIGURE a revocation won at each of {steps} steps of a handshake");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_at_every_step_of_a_renegotiation_wins() {
    let before = run(None, false).await.steps;
    let steps = run(None, true).await.steps;
    assert!(steps > before + 10, "{before} {steps}");
    for step in before + 1..=steps {
        assert_out(&run(Some(Flip::AtStep(step)), true).await, step);
    }
    println!("FIGURE a revocation won at each of {} steps of a renegotiation", steps - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_at_every_step_of_a_handshake_over_tcp_wins() {
    let steps = run_by(Transport::Tcp, None, false).await.steps;
    for step in 1..=steps {
        assert_out(&run_by(Transport::Tcp, Some(Flip::AtStep(step)), false).await, step);
    }
    println!("FIGURE a revocation won at each of {steps} steps of a handshake over TCP");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_at_every_step_of_a_renegotiation_over_tcp_wins() {
    let before = run_by(Transport::Tcp, None, false).await.steps;
    let whole = run_by(Transport::Tcp, None, true).await;
    assert!(whole.renegotiated && whole.to_network >= 4 && whole.to_client >= 2, "{whole:?}");
    for step in before + 1..=whole.steps {
        assert_out(&run_by(Transport::Tcp, Some(Flip::AtStep(step)), true).await, step);
    }
    println!("FIGURE a revocation won at each of {} steps over TCP", whole.steps - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_between_the_admission_and_its_registration_wins() {
    for nth in 1..=2 {
        assert_out(&run(Some(Flip::WithinAdmission(nth)), nth == 2).await, nth);
    }
}

/// What a run came to.
#[derive(Debug, Default)]
struct Outcome {
    steps: usize,
    renegotiated: bool,
    flipped: bool,
    to_network: usize,
    to_client: usize,
    /// What passed once the sweep was confirmed.
    after: (usize, usize),
    sessions: usize,
}

fn assert_out(outcome: &Outcome, step: usize) {
    // A repetition more or less moves the last steps, never the first ones.
    assert!(outcome.flipped || step + 3 > outcome.steps, "step {step}: {outcome:?}");
    if outcome.flipped {
        assert_eq!(outcome.after, (0, 0), "step {step}: {outcome:?}");
        assert_eq!(outcome.sessions, 0, "step {step}: {outcome:?}");
    }
}

async fn run(flip: Option<Flip>, renegotiate: bool) -> Outcome {
    run_by(Transport::Udp, flip, renegotiate).await
}

async fn run_by(transport: Transport, flip: Option<Flip>, renegotiate: bool) -> Outcome {
    let lab = Lab::start(flip);
    let mut subscriber = Subscriber::new(match transport {
        Transport::Udp => Way::udp(&lab).await,
        Transport::Tcp => Way::tcp(&lab).await,
    });
    subscriber.until(&lab, |subscriber| subscriber.established).await;
    subscriber.talk(&lab).await;
    if renegotiate {
        subscriber.renegotiate();
        subscriber.until(&lab, |subscriber| subscriber.renegotiated).await;
        subscriber.talk(&lab).await;
    }
    let (steps, flipped) = (subscriber.steps, lab.has_flipped());
    let (to_network, to_client) = (lab.packets_out(), subscriber.opened);
    let mut after = (0, 0);
    if flipped {
        lab.swept().await;
        let passed = subscriber.passed.unwrap_or((lab.packets_out(), subscriber.opened));
        subscriber.insist(&lab).await;
        after = (lab.packets_out() - passed.0, subscriber.opened - passed.1);
    }
    let sessions = lab.server.sessions().await.len();
    let renegotiated = subscriber.renegotiated;
    lab.server.stop().await;
    Outcome { steps, renegotiated, flipped, to_network, to_client, after, sessions }
}
