//! `handfast connect` with a profile that Handfast made.

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use interop::{Own, Ping, Program, World, binary, wait_until};

#[test]
fn our_client_reaches_the_gateway_and_the_host_behind_it_and_leaves_nothing_behind() {
    let name = "our_client_reaches_the_gateway_and_the_host_behind_it_and_leaves_nothing_behind";
    let settings = [("vpn.push.routes", r#"["10.99.0.0/24", "fd99::/64"]"#)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let before = routes(&alice.host);
    let mut client = Own::start(&alice.host, &alice.profile());
    client.connected();
    let targets: [IpAddr; 3] =
        ["10.71.0.1".parse().expect("an address"), world.lan.v4[0].into(), world.lan.v6[0].into()];
    for target in targets {
        let log = world.file("ping.log");
        let ping =
            Ping::start(&alice.host.netns, target, 50, Duration::from_millis(10), &log).unwrap();
        let report = ping.finish(Duration::from_secs(10));
        assert_eq!((report.sent, report.lost()), (50, 0), "{target}\n{}", world.log());
    }
    assert_ne!(routes(&alice.host), before);
    client.0.signal("TERM");
    assert!(client.0.ends(Duration::from_secs(10)).is_some_and(|status| status.success()));
    assert_eq!(routes(&alice.host), before);
    let sessions = world.json(&["sessions"]);
    assert_eq!(sessions.as_array().map(Vec::len), Some(0), "{sessions}");
}

#[test]
fn a_client_that_is_killed_leaves_routes_and_name_servers_as_before() {
    let name = "a_client_that_is_killed_leaves_routes_and_name_servers_as_before";
    let settings = [("vpn.push.redirect_gateway", "true"), ("vpn.push.dns", r#"["10.71.0.1"]"#)];
    let Some(mut world) = World::start(name, &settings) else { return };
    let mut alice = world.subscriber("alice", "unified");
    let names = alice.folder.join("resolv.conf");
    fs::write(&names, "nameserver 192.0.2.53\n").expect("a file");
    alice.host.netns.private_resolv_conf(&names).expect("a private file");
    let before = routes(&alice.host);
    for signal in ["KILL", "TRAP", "ABRT"] {
        let mut client = Own::start(&alice.host, &alice.profile());
        client.connected();
        assert!(fs::read_to_string(&names).expect("a file").contains("10.71.0.1"));
        assert_ne!(routes(&alice.host), before);
        client.0.signal(signal);
        let as_before = || {
            let names = fs::read_to_string(&names).expect("a file");
            routes(&alice.host) == before && names == "nameserver 192.0.2.53\n"
        };
        assert!(wait_until(Duration::from_secs(5), as_before), "{signal}\n{}", client.0.log());
    }
}

#[test]
fn the_tunnel_stays_and_is_undone_where_nobody_reads_the_clients_output() {
    let name = "the_tunnel_stays_and_is_undone_where_nobody_reads_the_clients_output";
    let settings = [("vpn.push.routes", r#"["10.99.0.0/24"]"#), ("vpn.ping", "1")];
    let Some(mut world) = World::start(name, &settings) else { return };
    let alice = world.subscriber("alice", "unified");
    let before = routes(&alice.host);
    for output in [">/dev/full 2>/dev/full", "2>&1 | true", ">&- 2>&-"] {
        let mut command = Command::new("sh");
        let state = alice.folder.join("state");
        let connect = format!(
            "{} connect {} --state {} {output}",
            binary().display(),
            alice.profile().display(),
            state.display()
        );
        command.args(["-c", &connect]);
        let log = alice.folder.join("silent.log");
        let client = Program::start(&alice.host.netns, command, &log).expect("a shell");
        assert!(world.sessions_become(1, Duration::from_secs(20)), "{output}\n{}", world.log());
        let pid = pid_of_client(&alice.host);
        // Everything that makes it say something.
        world.handfast(&["kick", "alice"]);
        signal("USR2", pid);
        std::thread::sleep(Duration::from_secs(2));
        assert!(world.sessions_become(1, Duration::from_secs(20)), "{output}\n{}", world.log());
        signal("TERM", pid);
        let gone = || routes(&alice.host) == before;
        assert!(wait_until(Duration::from_secs(10), gone), "{output}");
        drop(client);
    }
}

/// The client on a host; the shell that started it may wait for it.
fn pid_of_client(host: &sysio::lab::Host) -> u32 {
    let mut ps = Command::new("sh");
    ps.args(["-c", "ss -unpH | grep -o 'handfast.*pid=[0-9]*' | grep -o '[0-9]*$' | head -n 1"]);
    let output = host.netns.output(ps).expect("ss runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.trim().parse().expect("a client with a socket")
}

fn signal(name: &str, pid: u32) {
    let killed = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(killed.expect("kill runs").success());
}

fn routes(host: &sysio::lab::Host) -> String {
    let mut all = String::new();
    for family in ["-4", "-6"] {
        let mut ip = std::process::Command::new("ip");
        ip.args([family, "route", "show"]);
        let output = host.netns.output(ip).expect("ip runs");
        all.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    all
}
