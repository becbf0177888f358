//! What other programs do to the gateway's machine while it serves: it is put back, and said.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use interop::{Stock, Subscriber, World, wait_until};

#[test]
fn whatever_another_program_changes_on_the_machine_is_put_back_within_five_seconds() {
    let name = "whatever_another_program_changes_on_the_machine_is_put_back_within_five_seconds";
    let Some(mut world) = World::start(name, &[("vpn.push.routes", ROUTES)]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    assert!(reaches(&alice, &world), "{}", world.log());
    let untouched = rules(&world);
    for (line, said) in [
        ("nft flush ruleset", "the firewall table inet handfast was changed or removed"),
        ("nft delete chain inet handfast postrouting", "the firewall table inet handfast"),
        ("nft flush chain inet handfast forward", "the firewall table inet handfast"),
        ("sysctl -qw net.ipv4.ip_forward=0", "net.ipv4.ip_forward was changed"),
        ("sysctl -qw net.ipv6.conf.all.forwarding=0", "net.ipv6.conf.all.forwarding was changed"),
        ("ip link set handfast down", "the interface handfast was taken down"),
        ("ip link set handfast name other", "the interface handfast was renamed to other"),
        ("ip addr flush dev handfast", "the address 10.71.0.1/16 was taken from the interface"),
        ("ip route del 10.71.0.0/16", "10.71.0.0/16 does not lead into the tunnel"),
    ] {
        let lines = put_back(&world);
        run(&world, line);
        let back = wait_until(Duration::from_secs(5), || put_back(&world) > lines);
        assert!(back, "{line}: {}", world.log());
        assert!(reaches(&alice, &world), "{line}: {}", world.log());
        assert!(world.log().lines().filter(|l| l.contains(PUT_BACK)).any(|l| l.contains(said)));
        assert_eq!(rules(&world), untouched, "{line}");
        assert!(world.handfast(&["check"]).contains("are as made"), "{line}");
        // The last change and what was put back have had their say.
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(put_back(&world), lines + 1, "one line for {line}: {}", world.log());
    }
    world.bring_down();
    assert_eq!(rules(&world), "");
}

#[test]
fn policy_routes_around_the_tunnel_are_no_change_to_put_back() {
    let name = "policy_routes_around_the_tunnel_are_no_change_to_put_back";
    let Some(world) = World::start(name, &[]) else { return };
    run(&world, "ip route add unreachable default table 77");
    run(&world, "ip rule add to 10.71.0.0/16 lookup 77 priority 77");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(put_back(&world), 0, "{}", world.log());
    assert!(world.handfast(&["check"]).contains("are as made"));
}

#[test]
fn a_route_of_the_machine_into_the_tunnels_network_is_told_at_the_start() {
    let name = "a_route_of_the_machine_into_the_tunnels_network_is_told_at_the_start";
    let Some(mut world) = World::start(name, &[]) else { return };
    let said = "a part of vpn.network is routed to another interface";
    assert!(!world.log().contains(said), "{}", world.log());
    world.bring_down();
    for line in
        ["ip link set lo up", "ip route add 10.71.3.0/24 dev lo", "ip route add 10.0.0.0/8 dev lo"]
    {
        run(&world, line);
    }
    world.bring_up();
    let log = world.log();
    assert_eq!(log.matches(said).count(), 1, "the one around it does no harm: {log}");
    assert!(log.contains("route=10.71.3.0/24") && log.contains("interface=\"lo\""), "{log}");
}

#[test]
fn the_table_of_a_killed_gateway_goes_though_the_next_one_has_another_interface() {
    let name = "the_table_of_a_killed_gateway_goes_though_the_next_one_has_another_interface";
    let Some(mut world) = World::start(name, &[("vpn.push.routes", ROUTES)]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut killed = world.up.take().expect("a gateway");
    killed.signal("KILL");
    killed.ends(Duration::from_secs(5));
    assert!(rules(&world).contains("table inet handfast "), "{}", rules(&world));
    set(&world.data(), "interface", r#""hf-new""#);
    world.bring_up();
    assert!(!rules(&world).contains("table inet handfast "), "{}", rules(&world));
    assert!(world.log().contains("removed the firewall table of a killed gateway"));
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    assert!(reaches(&alice, &world), "{}", world.log());
}

#[test]
fn an_interface_that_was_made_beforehand_serves_one_gateway_after_the_other() {
    let name = "an_interface_that_was_made_beforehand_serves_one_gateway_after_the_other";
    let Some(mut world) = World::start(name, &[]) else { return };
    world.bring_down();
    run(&world, "ip tuntap add handfast mode tun multi_queue");
    for _ in 0..2 {
        world.bring_up();
        assert!(run(&world, "ip -br addr show handfast").contains("10.71.0.1/16"));
        world.bring_down();
        assert!(!run(&world, "ip -br addr show handfast").contains("10.71.0.1/16"));
    }
    world.bring_up();
    let mut killed = world.up.take().expect("a gateway");
    killed.signal("KILL");
    killed.ends(Duration::from_secs(5));
    world.bring_up();
    world.bring_down();
}

#[test]
fn a_second_gateway_is_told_what_to_change_and_leaves_the_first_whole() {
    let name = "a_second_gateway_is_told_what_to_change_and_leaves_the_first_whole";
    let Some(mut world) = World::start(name, &[("vpn.push.routes", ROUTES)]) else { return };
    let alice = world.subscriber("alice", "unified");
    let mut stock = Stock::start(&alice.host, &alice.profile(), &[]);
    stock.connected();
    let first = rules(&world);
    let pid = world.up.as_ref().expect("a gateway").id().to_string();
    let second = world.file("second");
    for (settings, said) in [
        (vec![], vec!["cannot listen on udp:[::]:1194", "vpn.listen"]),
        (
            vec![("listen", r#"["udp:[::]:1195"]"#)],
            vec!["vpn.network is on this machine already: the interface handfast has 10.71.0.1/16"],
        ),
        (
            vec![("network", r#""10.64.0.0/12""#)],
            vec!["vpn.network is on this machine already: the interface handfast has 10.71.0.1/16"],
        ),
        (
            vec![("network", r#""10.72.0.0/16""#)],
            vec!["the interface handfast is in use by handfast (process ", &pid, "vpn.interface"],
        ),
    ] {
        for (key, value) in settings {
            set(&second, key, value);
        }
        let mut program = world.another(&second);
        let ended = program.ends(Duration::from_secs(20));
        assert!(ended.is_some_and(|status| !status.success()), "{}", program.log());
        for said in said {
            assert!(program.log().contains(said), "{said}: {}", program.log());
        }
        assert_eq!(rules(&world), first);
        assert!(reaches(&alice, &world), "{}", world.log());
    }
    // With a name of its own it serves beside the first, and goes without a trace.
    set(&second, "interface", r#""hf-two""#);
    let mut program = world.another(&second);
    assert!(program.says("the gateway is up", Duration::from_secs(20)), "{}", program.log());
    assert!(rules(&world).contains(&first));
    assert!(reaches(&alice, &world), "{}", world.log());
    program.signal("TERM");
    assert!(program.ends(Duration::from_secs(10)).is_some());
    assert_eq!(rules(&world), first);
    assert!(reaches(&alice, &world), "{}", world.log());
    // Nor does the first one's end take anything from the second.
    let mut program = world.another(&second);
    assert!(program.says("the gateway is up", Duration::from_secs(20)), "{}", program.log());
    world.bring_down();
    assert!(rules(&world).contains("hf-two") && !rules(&world).contains(&first));
    let forward = || fs::read_to_string("/proc/sys/net/ipv4/ip_forward");
    let forward = world.gateway.netns.run(forward).expect("a thread").expect("a setting");
    assert_eq!(forward.trim(), "1");
    program.signal("TERM");
    assert!(program.ends(Duration::from_secs(10)).is_some());
    assert_eq!(rules(&world), "");
}

const ROUTES: &str = r#"["10.99.0.0/24", "fd99::/64"]"#;
const PUT_BACK: &str = "put back what another program had changed";

fn put_back(world: &World) -> usize {
    world.log().matches(PUT_BACK).count()
}

fn rules(world: &World) -> String {
    run(world, "nft list ruleset")
}

/// Both families, to the host behind the gateway and back.
fn reaches(subscriber: &Subscriber, world: &World) -> bool {
    let targets = [world.lan.v4[0].into(), world.lan.v6[0].into()];
    targets.into_iter().all(|target| {
        let bind = |address: std::net::IpAddr| {
            let socket = UdpSocket::bind(SocketAddr::new(address, 0)).expect("a socket");
            socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
            socket
        };
        let server = world.lan.netns.run(|| bind(target)).expect("a thread");
        let any = if target.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let client = subscriber.host.netns.run(|| bind(any)).expect("a thread");
        // An IPv6 address is of use some milliseconds after it was given.
        (0..4).any(|_| {
            client.send_to(b"question", server.local_addr().expect("an address")).expect("a way");
            let Ok((_, back)) = server.recv_from(&mut [0; 8]) else { return false };
            server.send_to(b"answer", back).is_ok() && client.recv_from(&mut [0; 8]).is_ok()
        })
    })
}

fn run(world: &World, line: &str) -> String {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words);
    let output = world.gateway.netns.output(command).expect("the program starts");
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Sets a key of `[vpn]` in a data folder's settings.
fn set(data: &std::path::Path, key: &str, value: &str) {
    let path = data.join("handfast.toml");
    let text = fs::read_to_string(&path).expect("a configuration");
    // The first of that name is the VPN's.
    let mut is_open = true;
    let lines = text.lines().map(|line| match line.split_once(" = ") {
        Some((present, _)) if present == key && std::mem::take(&mut is_open) => {
            format!("{key} = {value}\n")
        }
        _ => format!("{line}\n"),
    });
    fs::write(&path, lines.collect::<String>()).expect("the configuration is written");
}
