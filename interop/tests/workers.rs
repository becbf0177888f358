//! Several data workers: each subscriber has an owner, and packets find it however they come in.
//!
//! ```text
//!   alice (worker 0) --+
//!                      +-- gateway, two workers -- lan
//!   bob   (worker 1) --+
//! ```
//!
//! Alone: files go as fast as they can.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use interop::{FileServer, Own, Ping, Stock, Subscriber, World, skip, wait_until};
use sysio::lab::Host;

#[test]
fn subscribers_of_two_workers_carry_files_at_once_and_their_packets_stay_with_their_owners() {
    let name = "subscribers_of_two_workers_carry_files_at_once";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let (alice, bob) = (world.subscriber("alice", "unified"), world.subscriber("bob", "unified"));
    let mut clients = [&alice, &bob].map(|who| Own::start(&who.host, &who.profile()));
    clients.iter_mut().for_each(Own::connected);
    assert!(world.log().contains("workers=2"), "{}", world.log());
    // The first packets of a flow may come out of either queue of the TUN device.
    let before = world.figure(HANDED_OVER);
    both_fetch(&world, &alice, &bob);
    let handed_over = world.figure(HANDED_OVER) - before;
    let packets = world.figure("handfast_packets_total");
    println!("{handed_over} packets of {packets} were handed over");
    assert!(handed_over < packets / 100.0, "{handed_over} of {packets}");
}

#[test]
fn with_steering_or_queues_left_out_everything_is_handed_over_and_nothing_is_lost() {
    let name = "with_steering_or_queues_left_out_everything_is_handed_over";
    let Some(mut world) = World::start(name, &SETTINGS) else { return };
    let (alice, bob) = (world.subscriber("alice", "unified"), world.subscriber("bob", "unified"));
    for parts in ["steering", "queues", "steering,queues"] {
        world.bring_down();
        world.without = parts;
        world.bring_up();
        let mut own = Own::start(&alice.host, &alice.profile());
        let mut stock = Stock::start(&bob.host, &bob.profile(), &[]);
        own.connected();
        stock.connected();
        both_fetch(&world, &alice, &bob);
        for who in [&alice, &bob] {
            let gateway = "10.71.0.1".parse().expect("an address");
            let (log, every) = (world.file("ping.log"), Duration::from_millis(5));
            let report = Ping::run(&who.host.netns, gateway, 200, every, &log);
            let status = world.handfast(&["status"]);
            assert_eq!(report.lost(), 0, "of {} pings without {parts}\n{status}", report.sent);
        }
        own.0.signal("TERM");
        own.0.ends(Duration::from_secs(10));
        stock.0.signal("TERM");
        stock.0.ends(Duration::from_secs(10));
    }
}

#[test]
fn what_one_workers_peer_sends_to_anothers_arrives() {
    let name = "what_one_workers_peer_sends_to_anothers_arrives";
    let settings = [("vpn.workers", "2"), ("vpn.client_to_client", "true")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let (alice, bob) = (world.subscriber("alice", "unified"), world.subscriber("bob", "unified"));
    let mut clients = [&alice, &bob].map(|who| Own::start(&who.host, &who.profile()));
    clients.iter_mut().for_each(Own::connected);
    assert!(world.sessions_become(2, Duration::from_secs(10)));
    let sessions = world.sessions();
    let bobs = sessions.iter().find(|session| session["device"]["user"] == "bob");
    let address = bobs.expect("bob's session")["addresses"][0].as_str().expect("an address");
    let before = world.figure(HANDED_OVER);
    fetch(&bob.host, address.parse().expect("an address"), &alice.host);
    assert!(world.figure(HANDED_OVER) > before);
}

#[test]
fn workers_keep_to_a_processor_each_where_there_are_as_many_unless_told_otherwise() {
    let name = "workers_keep_to_a_processor_each_where_there_are_as_many";
    let processors = rustix::thread::sched_getaffinity(None).expect("our processors").count();
    if processors > MOST_WORKERS {
        return skip(name, "a gateway may not have as many workers as this machine has processors");
    }
    let workers = processors.to_string();
    let Some(mut world) = World::start(name, &[("vpn.workers", &workers)]) else { return };
    assert!(world.log().contains("affinity=true"), "{}", world.log());
    // Threads bind themselves, a moment after the gateway answers.
    let each_has_one = || {
        let found = processors_of_workers(&world);
        let all: BTreeSet<_> = found.iter().filter_map(|list| list.parse::<u32>().ok()).collect();
        all.len() == found.len() && found.len() == processors as usize
    };
    let has_one = wait_until(Duration::from_secs(5), each_has_one);
    assert!(has_one, "{:?}", processors_of_workers(&world));
    world.bring_down();
    world.without = "affinity";
    world.bring_up();
    assert!(world.log().contains("affinity=false"), "{}", world.log());
    let found: BTreeSet<_> = processors_of_workers(&world).into_iter().collect();
    assert_eq!(found.len(), 1, "{found:?}");
}

/// Where each data worker may run, as the kernel lists it.
fn processors_of_workers(world: &World) -> Vec<String> {
    let id = world.up.as_ref().expect("a running gateway").id();
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("its threads");
    let statuses =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("status")).ok());
    let workers = statuses.filter(|status| status.starts_with("Name:\tdata "));
    let list = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.map(|list| list.trim().to_owned())
    };
    workers.filter_map(list).collect()
}

fn both_fetch(world: &World, alice: &Subscriber, bob: &Subscriber) {
    let address = IpAddr::from(world.lan.v4[0]);
    std::thread::scope(|scope| {
        for host in [&alice.host, &bob.host] {
            scope.spawn(move || fetch(&world.lan, address, host));
        }
    });
}

fn fetch(from: &Host, address: IpAddr, to: &Host) {
    let server = FileServer::start(from, address, 20_000_000).expect("a file server");
    let (sent, received) = server.fetch(to).expect("the file comes");
    assert_eq!(sent, received);
}

const SETTINGS: [(&str, &str); 2] =
    [("vpn.workers", "2"), ("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#)];
/// What `vpn.workers` may say.
const MOST_WORKERS: u32 = 128;
const HANDED_OVER: &str = "handfast_handed_over_packets_total";
