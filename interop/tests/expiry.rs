//! A certificate that runs out under traffic: the session that was admitted with it ends then, by its own
//! reason, whichever client it is.

mod forged;

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interop::{Own, Ping, Stock, Subscriber, World, wait_until};

use forged::{DAY, Pair, recorded};

/// How long the certificates live from when they are issued, in seconds: time for both to connect.
const LIFE: i64 = 20;

#[test]
fn a_session_ends_when_its_certificate_runs_out_and_is_counted_for_that() {
    let name = "a_session_ends_when_its_certificate_runs_out_and_is_counted_for_that";
    let Some(mut world) = World::start(name, &[]) else { return };
    let [alice, bob] = ["alice", "bob"].map(|user| world.subscriber(user, "unified"));
    world.bring_down();
    let (for_alice, ends_alice) = short_lived(&world, &alice, "alice");
    let (for_bob, ends_bob) = short_lived(&world, &bob, "bob");
    world.bring_up();
    let mut stock = Stock::start(&alice.host, &for_alice, &[]);
    let mut own = Own::start(&bob.host, &for_bob);
    stock.connected();
    own.connected();
    let inside: IpAddr = "10.71.0.1".parse().expect("an address");
    let [stock_ping, own_ping] = [&alice, &bob].map(|who| {
        let log = who.folder.join("ping.log");
        Ping::start(&who.host.netns, inside, 2000, Duration::from_millis(20), &log).expect("ping")
    });
    let both_over = || counted(&world) == 2;
    let ended = wait_until(Duration::from_secs(LIFE.unsigned_abs() + 10), both_over);
    assert!(ended && now() + 0.05 >= ends_alice.max(ends_bob), "{}", world.log());
    std::thread::sleep(Duration::from_secs(1));
    for (who, ping, ends) in [("stock", stock_ping, ends_alice), ("ours", own_ping, ends_bob)] {
        let last = ping.stop().last_answer.expect("it was answered before");
        println!("FIGURE {who}: the last answer came {:+.0} ms from the end", (last - ends) * 1e3);
        assert!(last > ends - 1.5, "{who} ended {:.1} s too early", ends - last);
        assert!(last < ends + 1.0, "{who} was answered {:.1} s too long", last - ends);
    }
    let log = world.log();
    let said = "disconnected: the certificate that the peer was admitted with has run out";
    assert_eq!(log.matches(said).count(), 2, "{log}");
    assert_eq!(log.matches("reason=\"certificate_expired\"").count(), 2, "{log}");
    // Each client knows why, and the door stays closed: by TLS from now on.
    let told = |log: &str| log.contains("The certificate has expired") || log.contains("expired");
    let heard = wait_until(Duration::from_secs(5), || told(&stock.0.log()) && told(&own.0.log()));
    assert!(heard, "stock:\n{}\nours:\n{}", stock.0.log(), own.0.log());
    drop((stock, own));
    assert!(world.sessions_become(0, Duration::from_secs(5)), "{:?}", world.sessions());
    let before = world.counted("expired");
    let again = Stock::start(&alice.host, &for_alice, &[]);
    let refused = wait_until(Duration::from_secs(15), || world.counted("expired") > before);
    assert!(refused, "{}\n{}", again.0.log(), world.log());
    assert_eq!(counted(&world), 2);
}

/// A stock client stops for good at `AUTH_FAILED`; this one reads the file anew, as whoever renews
/// certificates by a timer means it to.
#[test]
fn a_client_whose_certificate_was_renewed_in_its_file_goes_on_with_that() {
    let name = "a_client_whose_certificate_was_renewed_in_its_file_goes_on_with_that";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let soon_over = recorded(&world.data(), "alice", LIFE);
    let renewed = recorded(&world.data(), "alice", 30 * DAY);
    world.bring_up();
    let profile = alice.profile_with("");
    let text = fs::read_to_string(alice.profile()).expect("a profile");
    let text = with_file(&with_file(&text, "cert", "alice.crt"), "key", "alice.key");
    fs::write(&profile, text.replace("persist-key\n", "")).expect("a profile");
    let folder = profile.parent().expect("a folder").to_owned();
    let put = |pair: &Pair| {
        fs::write(folder.join("alice.crt"), &pair.certificate).expect("a certificate");
        fs::write(folder.join("alice.key"), &pair.key).expect("a key");
    };
    put(&soon_over);
    let mut stock = Stock::start(&alice.host, &profile, &[]);
    stock.connected();
    put(&renewed);
    let up = || stock.said("Initialization Sequence Completed");
    let anew = wait_until(Duration::from_secs(LIFE.unsigned_abs() + 20), || up() == 2);
    assert!(anew, "{}\n{}", stock.0.log(), world.log());
    assert_eq!(counted(&world), 1, "{}", world.log());
    println!("FIGURE the stock client was told: {}", told_to_restart(&stock.0.log()));
}

/// The line by which it says that it was told so.
fn told_to_restart(log: &str) -> String {
    log.lines().find(|line| line.contains("expired")).unwrap_or_default().to_owned()
}

/// Where the first server has not been told of a renewal, the next one may have been.
#[test]
fn a_client_whose_certificate_ran_out_tries_its_other_server() {
    let name = "a_client_whose_certificate_ran_out_tries_its_other_server";
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    world.bring_down();
    let (profile, _) = short_lived(&world, &alice, "alice");
    world.bring_up();
    let text = fs::read_to_string(&profile).expect("a profile");
    let first = text.lines().find(|line| line.starts_with("remote ")).expect("a server");
    let other = "remote 203.0.113.2 1195 udp";
    fs::write(&profile, text.replace(first, &format!("{first}\n{other}"))).expect("a profile");
    let mut stock = Stock::start(&alice.host, &profile, &["--hand-window", "5"]);
    stock.connected();
    let tried = || stock.said("UDPv4 link remote: [AF_INET]203.0.113.2:1195") > 0;
    let went_on = wait_until(Duration::from_secs(LIFE.unsigned_abs() + 40), tried);
    assert!(went_on, "{}", stock.0.log());
}

/// A profile that names a file in the place of an inline block.
fn with_file(text: &str, name: &str, file: &str) -> String {
    let (open, close) = (format!("<{name}>\n"), format!("</{name}>\n"));
    let begin = text.find(&open).expect("the block begins");
    let end = text.find(&close).expect("the block ends") + close.len();
    format!("{}{name} {file}\n{}", &text[..begin], &text[end..])
}

/// A profile with a certificate that runs out soon, and when it does, in seconds since 1970.
fn short_lived(world: &World, who: &Subscriber, user: &str) -> (PathBuf, f64) {
    let pair = recorded(&world.data(), user, LIFE);
    let text = fs::read_to_string(who.profile()).expect("a profile");
    let text = with_block(&with_block(&text, "cert", &pair.certificate), "key", &pair.key);
    // A file of the owner's alone, which the new text goes into.
    let path = who.profile_with("");
    fs::write(&path, text).expect("a profile");
    // Its last second is in it.
    (path, pair.validity.not_after.unix_secs() as f64 + 1.0)
}

/// A profile with another inline block of this name.
fn with_block(text: &str, name: &str, body: &str) -> String {
    let (open, close) = (format!("<{name}>\n"), format!("</{name}>\n"));
    let begin = text.find(&open).expect("the block begins") + open.len();
    let end = text.find(&close).expect("the block ends");
    format!("{}{}\n{}", &text[..begin], body.trim(), &text[end..])
}

/// Ends by this reason, as `status` counts them.
fn counted(world: &World) -> usize {
    let status = world.json(&["status"]);
    let figures = status["figures"].as_array().cloned().unwrap_or_default();
    let ours = figures.iter().find(|figure| {
        figure["name"] == "handfast_endings_total"
            && figure["labels"].to_string().contains("\"certificate_expired\"")
    });
    ours.and_then(|figure| figure["value"].as_f64()).unwrap_or(0.0) as usize
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}
