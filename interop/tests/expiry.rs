//! A certificate that runs out under traffic: the session that was admitted with it ends then, by its own
//! reason, whichever client it is.

mod forged;

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interop::{Own, Ping, Stock, Subscriber, World, wait_until};

use forged::recorded;

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

/// A profile with a certificate that runs out soon, and when it does, in seconds since 1970.
fn short_lived(world: &World, who: &Subscriber, user: &str) -> (PathBuf, f64) {
    let pair = recorded(&world.data(), user, LIFE);
    let text = fs::read_to_string(who.profile()).expect("a profile");
    let text = with_block(&with_block(&text, "cert", &pair.certificate), "key", &pair.key);
    // A file of the owner's alone, which the new text goes into.
    let path = who.profile_with("");
    fs::write(&path, text).expect("a profile");
    (path, pair.validity.not_after.unix_secs() as f64)
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
