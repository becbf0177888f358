//! A gateway that was killed, and one that stops: what is left of it on the machine.

use std::fs;
use std::process::Command;
use std::time::Duration;

use interop::{Ping, Stock, World, wait_until};

#[test]
fn after_a_kill_the_next_start_serves_and_the_stop_undoes_everything() {
    let name = "after_a_kill_the_next_start_serves_and_the_stop_undoes_everything";
    let settings =
        [("vpn.push.routes", r#"["10.99.0.0/24"]"#), ("vpn.ping", "1"), ("vpn.ping_restart", "4")];
    let Some(mut world) = World::start(name, &settings) else { return };
    world.bring_down();
    let untouched = traces(&world);
    assert!(untouched.rules.is_empty(), "{untouched:?}");
    world.bring_up();
    let serving = traces(&world);
    assert_eq!(serving.forwarding[0], "1");
    assert!(!serving.rules.is_empty());

    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    killed(&mut world);
    let left = traces(&world);
    println!("left by the kill: {left:?}");
    world.bring_up();
    assert_eq!(traces(&world), serving);
    let back = wait_until(Duration::from_secs(30), || {
        stock.said("Initialization Sequence Completed") >= 2
    });
    assert!(back, "{}\n{}", stock.0.log(), world.log());
    let log = world.file("ping.log");
    let target = world.lan.v4[0].into();
    let report = Ping::run(&alice.host.netns, target, 100, Duration::from_millis(10), &log);
    assert_eq!((report.sent, report.lost()), (100, 0), "{}", world.log());
    world.bring_down();
    assert_eq!(traces(&world), untouched);
}

#[test]
fn a_kill_then_a_start_without_nat_puts_forwarding_back() {
    let name = "a_kill_then_a_start_without_nat_puts_forwarding_back";
    let Some(mut world) = World::start(name, &[("vpn.nat", "true")]) else { return };
    world.bring_down();
    let untouched = traces(&world);
    world.bring_up();
    killed(&mut world);
    let path = world.data().join("handfast.toml");
    let text = fs::read_to_string(&path).expect("a configuration");
    fs::write(&path, text.replace("nat = true", "nat = false")).expect("it is written");
    world.bring_up();
    let without = traces(&world);
    assert_eq!(without.forwarding, untouched.forwarding);
    assert!(without.rules.is_empty(), "{without:?}");
    world.bring_down();
    assert_eq!(traces(&world), untouched);
}

#[test]
fn a_start_that_fails_after_the_rules_were_set_leaves_nothing_behind() {
    let name = "a_start_that_fails_after_the_rules_were_set_leaves_nothing_behind";
    let Some(mut world) = World::start(name, &[]) else { return };
    world.bring_down();
    let untouched = traces(&world);
    let too_long = world.file(&"d".repeat(110));
    let occupied = world.file("occupied");
    fs::create_dir_all(occupied.join("control.sock/by a folder")).expect("folders");
    for data in [too_long, occupied] {
        let mut program = world.another(&data);
        let ended = program.ends(Duration::from_secs(20));
        assert!(ended.is_some_and(|status| !status.success()), "{}", program.log());
        assert!(program.log().contains("the control socket could not be made"));
        assert_eq!(traces(&world), untouched, "{}", data.display());
    }
}

#[test]
fn a_stopping_gateway_tells_its_clients_and_they_come_back_to_the_next_one() {
    let name = "a_stopping_gateway_tells_its_clients_and_they_come_back_to_the_next_one";
    let settings = [("vpn.push.routes", r#"["10.99.0.0/24"]"#)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    // At once: the client is up a moment before the gateway knows that it is.
    world.bring_down();
    let told = stock.0.says("Connection reset command was pushed", Duration::from_secs(2));
    assert!(told, "{}", stock.0.log());
    world.bring_up();
    let back = wait_until(Duration::from_secs(30), || {
        stock.said("Initialization Sequence Completed") >= 2
    });
    assert!(back, "{}\n{}", stock.0.log(), world.log());
}

/// What a gateway changes on its machine.
#[derive(Debug, PartialEq)]
struct Traces {
    forwarding: [String; 2],
    rules: String,
    interfaces: Vec<String>,
}

fn traces(world: &World) -> Traces {
    let read = |path: &str| {
        let text = world.gateway.netns.run(|| fs::read_to_string(path)).expect("a thread");
        text.expect("a setting").trim().to_owned()
    };
    let mut nft = Command::new("nft");
    nft.args(["list", "ruleset"]);
    let rules = world.gateway.netns.output(nft).expect("nft runs").stdout;
    let listed = world.gateway.netns.run(|| fs::read_to_string("/proc/thread-self/net/dev"));
    let listed = listed.expect("a thread").expect("the interfaces");
    let named = listed.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    let mut interfaces: Vec<_> = named.collect();
    interfaces.sort();
    Traces {
        forwarding: [
            read("/proc/sys/net/ipv4/ip_forward"),
            read("/proc/sys/net/ipv6/conf/all/forwarding"),
        ],
        rules: String::from_utf8_lossy(&rules).trim().to_owned(),
        interfaces,
    }
}

fn killed(world: &mut World) {
    if let Some(mut program) = world.up.take() {
        program.signal("KILL");
        program.ends(Duration::from_secs(5));
    }
}
