//! The CA is replaced while four kinds of stock clients connect anew all the time: old or new profile, old or new
//! certificate. The gateway is restarted at each step, and killed in the midst of the start and of the finish.
//!
//! ```text
//!    alice  old profile, old certificate ──┐
//!    bob    new profile, old certificate ──┤ router ── gateway
//!    carol  old profile, new certificate ──┤
//!    dave   new profile, new certificate ──┘
//! ```
//!
//! Each connects every second; `HANDFAST_SECONDS=30` makes that the half minute of people who come and go, and
//! `HANDFAST_LONG=1` kills at four times as many moments. To be refused once, by either side, is a failure; a gateway
//! that is not there is waited for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use interop::{Program, Stock, World, binary, long, wait_until};
use sysio::lab::Host;

#[test]
fn nobody_is_refused_at_any_step_of_a_rollover_though_the_gateway_dies_in_the_midst() {
    let name = "nobody_is_refused_at_any_step_of_a_rollover_though_the_gateway_dies_in_the_midst";
    let fast = [("ca.key_type", "\"p256\""), ("device.key_type", "\"p256\"")];
    let Some(mut world) = World::start(name, &fast) else { return };
    let crowd = ["alice", "bob", "carol", "dave"].map(|name| Client::start(&mut world, name));
    let all_pass = |world: &mut World, step: &str| {
        all_connect(&crowd, step);
        world.bring_down();
        world.bring_up();
        all_connect(&crowd, &format!("{step}, after a restart"));
    };
    all_pass(&mut world, "before");

    let begun = |world: &World| !rollover(world)["former"].is_null();
    let kills = killed_until(&mut world, &["ca", "rollover", "start"], begun);
    println!("FIGURE killed {kills} times in the midst of the start");
    all_pass(&mut world, "both are trusted, nobody has moved");

    let [alice, bob, carol, dave] = &crowd;
    let [of_carol, of_dave] = [carol, dave].map(|who| who.renewed(&world));
    // Bob fetched what is trusted by now and kept his certificate; Carol has a new one in her old profile.
    bob.uses(bob.folder.clone(), &of_dave);
    carol.uses(of_carol, &carol.folder);
    dave.uses(of_dave.clone(), &of_dave);
    all_pass(&mut world, "of each kind one");

    let [of_alice, of_bob] = [alice, bob].map(|who| who.renewed(&world));
    alice.uses(of_alice.clone(), &of_alice);
    bob.uses(of_bob.clone(), &of_bob);
    all_pass(&mut world, "all have moved");
    assert_eq!(rollover(&world)["behind"].as_array().map(Vec::len), Some(0));

    let over = |world: &World| rollover(world)["former"].is_null();
    let kills = killed_until(&mut world, &["ca", "rollover", "finish"], over);
    println!("FIGURE killed {kills} times in the midst of the finish");
    all_pass(&mut world, "the former one is trusted no longer");

    let mut connections = 0;
    for client in crowd {
        let (count, refusals) = client.stop();
        assert!(refusals.is_empty(), "{}\n{}", refusals.join("\n"), world.log());
        connections += count;
    }
    let status = world.json(&["status"]);
    assert!(status["last_refusals"].as_array().is_none_or(Vec::is_empty), "{status}");
    println!("FIGURE {connections} connections by four kinds of stock clients, none refused");
}

/// One who connects anew all the time.
struct Client {
    name: &'static str,
    folder: PathBuf,
    at: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    profile: Mutex<PathBuf>,
    connections: AtomicUsize,
    refusals: Mutex<Vec<String>>,
    goes_on: AtomicBool,
}

impl Client {
    fn start(world: &mut World, name: &'static str) -> Self {
        let subscriber = world.subscriber(name, "split");
        let at = Arc::new(Shared {
            profile: Mutex::new(subscriber.profile()),
            connections: AtomicUsize::new(0),
            refusals: Mutex::new(Vec::new()),
            goes_on: AtomicBool::new(true),
        });
        let (shared, host) = (Arc::clone(&at), subscriber.host);
        let thread = std::thread::spawn(move || comes_and_goes(name, &host, &shared));
        Self { name, folder: subscriber.folder, at, thread }
    }

    /// The folder of a profile with a new certificate.
    fn renewed(&self, world: &World) -> PathBuf {
        let folder = world.file(&format!("{}-renewed", self.name));
        let out = folder.display().to_string();
        let order = ["profile", self.name, "--renew", "--out", &out, "--os", "linux"];
        world.handfast(&[&order[..], &["--form", "split"]].concat());
        folder
    }

    /// From its next connection on: the certificate in one folder, what is trusted from another.
    fn uses(&self, certificate: PathBuf, trusted: &Path) {
        let text = fs::read_to_string(profile_in(trusted)).expect("a profile");
        let profile = certificate.join("mixed.conf");
        fs::write(&profile, text).expect("a profile");
        *self.at.profile.lock().expect("nobody panicked") = profile;
    }

    fn stop(self) -> (usize, Vec<String>) {
        self.at.goes_on.store(false, Ordering::Relaxed);
        self.thread.join().expect("it ends");
        let refusals = self.at.refusals.lock().expect("nobody panicked");
        (self.at.connections.load(Ordering::Relaxed), refusals.clone())
    }
}

fn comes_and_goes(name: &str, host: &Host, at: &Shared) {
    while at.goes_on.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let profile = at.profile.lock().expect("nobody panicked").clone();
        // One that was begun with a gateway that is gone is given up soon, as nobody answers for it.
        let patience = ["--hand-window", "3", "--connect-retry", "1", "1"];
        let mut stock = Stock::start(host, &profile, &patience);
        let up = stock.0.says("Initialization Sequence Completed", Duration::from_secs(60));
        let log = stock.0.log();
        if !up || REFUSALS.iter().any(|refusal| log.contains(refusal)) {
            let refused = format!("{name} with {}:\n{log}", profile.display());
            at.refusals.lock().expect("nobody panicked").push(refused);
        }
        stock.0.signal("TERM");
        stock.0.ends(Duration::from_secs(10));
        at.connections.fetch_add(1, Ordering::Relaxed);
        sleep(interval().saturating_sub(begun.elapsed()));
    }
}

/// Waits until each has connected anew from its beginning to its end.
fn all_connect(crowd: &[Client], step: &str) {
    println!("{step}");
    let count = |client: &Client| client.at.connections.load(Ordering::Relaxed);
    let before: Vec<_> = crowd.iter().map(count).collect();
    let anew = || crowd.iter().zip(&before).all(|(client, before)| count(client) >= before + 2);
    assert!(wait_until(interval() * 4 + Duration::from_secs(120), anew), "{step}");
    for client in crowd {
        let refusals = client.at.refusals.lock().expect("nobody panicked");
        assert!(refusals.is_empty(), "{step}: {}", refusals.join("\n"));
    }
}

/// Gives the order and kills the gateway a little later than the time before, until the order is carried out all
/// the same. Returns how often it was killed.
fn killed_until(world: &mut World, order: &[&str], done: impl Fn(&World) -> bool) -> u32 {
    let step = if long() { STEP / 4 } else { STEP };
    for kills in 1..=160 {
        let mut command = Command::new(binary());
        command.arg("--data").arg(world.data()).args(order);
        let netns = &world.gateway.netns;
        let mut ordering =
            Program::start(netns, command, &world.file("order.log")).expect("starts");
        sleep(step * kills);
        let mut up = world.up.take().expect("it runs");
        up.signal("KILL");
        assert!(up.ends(Duration::from_secs(10)).is_some(), "it is killed");
        assert!(ordering.ends(Duration::from_secs(30)).is_some(), "{}", ordering.log());
        let said = ordering.log();
        world.bring_up();
        if done(world) {
            return kills;
        }
        println!("killed after {:?}: {}", step * kills, said.lines().next().unwrap_or_default());
    }
    panic!("it is never carried out:\n{}", world.log());
}

fn rollover(world: &World) -> serde_json::Value {
    world.json(&["ca", "rollover", "status"])
}

fn profile_in(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).expect("profiles").filter_map(|file| Some(file.ok()?.path()));
    let mut profiles = files.filter(|path| path.extension().is_some_and(|e| e == "ovpn"));
    profiles.next().expect("a profile")
}

fn interval() -> Duration {
    let seconds = std::env::var("HANDFAST_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    Duration::from_secs(seconds)
}

/// What a client says that was refused, or that refuses.
const REFUSALS: [&str; 4] =
    ["VERIFY ERROR", "AUTH_FAILED", "certificate verify failed", "SSL alert"];
const STEP: Duration = Duration::from_millis(12);
