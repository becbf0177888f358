//! Clients that can do less than stock 2.6 can be told to: no key export, no peer id.
//!
//! Our own client says so of itself (`IV_PROTO`); that it then does the same as stock OpenVPN is
//! tested with the stock server in `crates/client`.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use client::{ConnectSettings, Profile, Progress};
use clock::{Clock, SystemClock};
use interop::{Ping, Subscriber, World, wait_until};

#[test]
fn keys_by_the_prf_carry_pings_and_are_renewed() {
    pinged_by("keys_by_the_prf_carry_pings_and_are_renewed", "6");
}

#[test]
fn data_of_version_1_carries_pings_in_both_directions() {
    pinged_by("data_of_version_1_carries_pings_in_both_directions", "12");
}

#[test]
fn keys_by_the_prf_and_data_of_version_1_go_together() {
    pinged_by("keys_by_the_prf_and_data_of_version_1_go_together", "4");
}

#[test]
fn a_client_that_says_nothing_of_its_abilities_is_served() {
    pinged_by("a_client_that_says_nothing_of_its_abilities_is_served", "0");
}

/// Bits of `IV_PROTO`: 1 data of version 2, 2 push without asking, 3 key export.
fn pinged_by(name: &str, proto: &str) {
    let routes = ("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#);
    let Some(mut world) = World::start(name, &[routes, ("vpn.reneg_sec", "5")]) else { return };
    let alice = world.subscriber("alice", "unified");
    let client = OlderClient::start(&alice, proto);
    assert!(client.connected(), "{}", world.log());
    let targets: [IpAddr; 2] = [world.lan.v4[0].into(), world.lan.v6[0].into()];
    for target in targets {
        let log = world.file("ping.log");
        let report = Ping::run(&alice.host.netns, target, 400, Duration::from_millis(10), &log);
        assert_eq!((report.sent, report.lost()), (400, 0), "{target}\n{}", world.log());
    }
    assert!(world.figure("handfast_renegotiations_total") >= 1.0, "{}", world.log());
    client.stop();
    // Without bit 7 the goodbye travels in the data channel.
    assert!(world.sessions_become(0, Duration::from_secs(1)), "{}", world.log());
}

/// Our client in this process, with `IV_PROTO` replaced.
struct OlderClient {
    connected: Arc<AtomicU32>,
    stop: tokio::sync::oneshot::Sender<()>,
    ended: mpsc::Receiver<String>,
}

impl OlderClient {
    fn start(subscriber: &Subscriber, proto: &str) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut profile = Profile::load(&subscriber.profile(), &*clock).expect("our own profile");
        profile.peer_info.push(("IV_PROTO".to_owned(), proto.to_owned()));
        let mut settings = ConnectSettings::new(profile, clock);
        settings.state = subscriber.folder.join("state");
        settings.dns_backup = subscriber.folder.join("resolv.conf.backup");
        let connected = Arc::new(AtomicU32::new(0));
        let heard = Arc::clone(&connected);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, ended) = mpsc::channel();
        let inside = move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let hear = move |event: Progress| {
                println!("client: {event}");
                let up = matches!(event, Progress::Connected(_));
                heard.fetch_add(u32::from(up), Ordering::Relaxed);
            };
            let stop = async {
                // A test that is over has dropped the other end.
                let _ = stopped.await;
            };
            let result = runtime.block_on(client::run(settings, hear, stop, client::Asks::never()));
            let _ = tell.send(format!("{result:?}"));
        };
        subscriber.host.netns.spawn_thread("client", inside).expect("a thread");
        Self { connected, stop, ended }
    }

    fn connected(&self) -> bool {
        wait_until(Duration::from_secs(20), || self.connected.load(Ordering::Relaxed) > 0)
    }

    fn stop(self) {
        drop(self.stop);
        let ended = self.ended.recv_timeout(Duration::from_secs(10));
        assert_eq!(ended.as_deref(), Ok("Ok(())"));
        assert_eq!(self.connected.load(Ordering::Relaxed), 1, "it connected anew");
    }
}
