//! What breaks under a gateway and two connected clients, and what it costs them: the table "What breaks
//! under way" of docs/operation.md.
//!
//! ```text
//!    stock client ──┐ (a second way out, by `up2`)
//!    our client   ──┤ router ── gateway ── host behind it, which both ping
//! ```
//!
//! Alone: it times how long traffic stops, and holds that against a table.

mod names;
mod stage;
mod table;

use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use interop::wait_until;
use sysio::lab::Host;
use sysio::netlink::{LinkChange, Netlink};

use names::{NAME, Zone};
use stage::{Stage, run};
use table::Row;

#[test]
fn what_another_program_takes_from_the_gateways_machine_is_put_back_under_traffic() {
    let name = "what_another_program_takes_from_the_gateways_machine_is_put_back_under_traffic";
    let Some(mut stage) = Stage::new(name, &[]) else { return };
    stage.connect(None);
    for (situation, line, said, told) in [
        (
            "`nft flush ruleset` on the gateway",
            &["nft", "flush", "ruleset"][..],
            "gateway: `put back what another program had changed`, with the table",
            "the firewall table inet handfast was changed or removed",
        ),
        (
            "forwarding switched off on the gateway",
            &["sysctl", "-qw", "net.ipv4.ip_forward=0"][..],
            "gateway: `put back what another program had changed`, with the switch",
            "net.ipv4.ip_forward was changed",
        ),
    ] {
        let (stock, own) = stage.under_traffic(
            |stage| run(&stage.world.gateway, line),
            PUT_BACK,
            |stage| stage.gateway_said(told) == 1,
        );
        Row { situation, stock, own, bound: PUT_BACK, said }.holds();
    }
}

#[test]
fn a_disk_that_takes_nothing_harms_nobody_who_may_stay_under_traffic() {
    let name = "a_disk_that_takes_nothing_harms_nobody_who_may_stay_under_traffic";
    let Some(mut stage) = Stage::on_small_disk(name) else { return };
    stage.world.handfast(&["user", "add", "carol"]);
    stage.world.handfast(&["user", "add", "dave"]);
    stage.connect(None);
    for (situation, said, user, exit_code) in [
        (
            "the gateway's disk is full, and a user is disabled",
            "nothing is missing: it is written with the room that was kept for it",
            "carol",
            0,
        ),
        (
            "the disk takes nothing at all, and a user is disabled",
            "command: `not on the disk yet`, exit code 14; gateway: `in force, but not on the disk`",
            "dave",
            14,
        ),
    ] {
        let disabled =
            |stage: &Stage| stage.world.json(&["user", "show", user])["disabled"] == true;
        let (stock, own) = stage.under_traffic(
            |stage| {
                stage.world.disk().fill().expect("filled");
                if exit_code != 0 {
                    stage.world.disk().eat("handfast.db.reserve").expect("no room is kept");
                }
                take_the_last_room(stage);
                let output = stage.world.try_handfast(&["user", "disable", user]);
                assert_eq!(output.status.code(), Some(exit_code), "{output:?}");
            },
            UNHURT,
            disabled,
        );
        Row { situation, stock, own, bound: UNHURT, said }.holds();
    }
    assert_eq!(stage.gateway_said("in force, but not on the disk"), 1, "{}", stage.logs());
}

#[test]
fn a_gateway_that_starts_on_a_read_only_disk_serves_both_clients_under_traffic() {
    let name = "a_gateway_that_starts_on_a_read_only_disk_serves_both_clients_under_traffic";
    let Some(mut stage) = Stage::on_small_disk(name) else { return };
    stage.world.bring_down();
    stage.world.disk().set_read_only(true).expect("read-only");
    let up = stage.world.launch();
    assert!(wait_until(Duration::from_secs(20), || up.log().contains("the gateway is up")));
    stage.world.up = Some(up);
    stage.connect(None);
    let said = "no command reaches this gateway";
    let (stock, own) = stage.under_traffic(|_| {}, UNHURT, |stage| stage.gateway_said(said) == 1);
    Row {
        situation: "the gateway is started on a read-only disk",
        stock,
        own,
        bound: UNHURT,
        said: "gateway: `no command reaches this gateway`",
    }
    .holds();
}

#[test]
fn a_log_whose_reader_goes_away_harms_nobody_under_traffic() {
    let name = "a_log_whose_reader_goes_away_harms_nobody_under_traffic";
    let Some(mut stage) = Stage::new(name, &[]) else { return };
    stage.world.bring_down();
    let mut command = stage.world.up_command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut gateway = stage.world.gateway.netns.spawn(command).expect("the gateway starts");
    let mut log = gateway.stderr.take().expect("a pipe");
    let mut heard = [0; 1];
    log.read_exact(&mut heard).expect("a first line");
    let answers = || stage.world.try_handfast(&["status"]).status.success();
    assert!(wait_until(Duration::from_secs(20), answers));
    stage.connect(None);
    let (stock, own) = stage.under_traffic(
        |stage| {
            drop(log);
            // Each makes it say something.
            stage.world.handfast(&["user", "add", "carol"]);
            stage.world.handfast(&["user", "disable", "carol"]);
        },
        UNHURT,
        |stage| stage.world.try_handfast(&["status"]).status.success(),
    );
    assert!(gateway.try_wait().expect("a child").is_none(), "the gateway ended");
    Row {
        situation: "the log's reader ends: nothing can be written to it",
        stock,
        own,
        bound: UNHURT,
        said: "nothing, there is no log; `status` and `events` go on",
    }
    .holds();
    gateway.kill().expect("it is killed");
    gateway.wait().expect("it ends");
}

#[test]
fn without_a_descriptor_left_sessions_go_on_and_commands_are_heard_under_traffic() {
    let name = "without_a_descriptor_left_sessions_go_on_and_commands_are_heard_under_traffic";
    let Some(mut stage) = Stage::new(name, &[]) else { return };
    stage.connect(None);
    let id = stage.world.up.as_ref().expect("a gateway").id().to_string();
    let limits = fs::read_to_string(format!("/proc/{id}/limits")).expect("its limits");
    let before = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let before =
        before.and_then(|line| line.split_whitespace().next()).expect("a limit").to_owned();
    let open = fs::read_dir(format!("/proc/{id}/fd")).expect("its descriptors").flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let highest = numbers.max().expect("one at least") + 1;
    // The soft one alone: not everybody may raise the other again.
    let limit = move |count: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &id, &format!("--nofile={count}:")]);
        assert!(prlimit.status().expect("prlimit runs").success());
    };
    let (stock, own) = stage.under_traffic(
        |stage| {
            limit(&highest.to_string());
            for _ in 0..3 {
                stage.world.handfast(&["status"]);
            }
            stage.world.handfast(&["user", "add", "carol"]);
            stage.world.handfast(&["user", "disable", "carol"]);
            limit(&before);
        },
        UNHURT,
        |stage| stage.world.try_handfast(&["status"]).status.success(),
    );
    Row {
        situation: "no file descriptor is left to the gateway",
        stock,
        own,
        bound: UNHURT,
        said: "nothing; one that is kept in reserve lets commands in",
    }
    .holds();
}

#[test]
fn a_default_route_that_moves_to_another_network_takes_the_sessions_along_under_traffic() {
    let name = "a_default_route_that_moves_takes_the_sessions_along_under_traffic";
    let Some(mut stage) = Stage::new(name, &[]) else { return };
    let routers = [stage.world.host(), stage.world.host()];
    second_way(&stage.stock_host.host, &routers[0]);
    second_way(&stage.own_host.host, &routers[1]);
    stage.connect(None);
    let (stock, own) = stage.under_traffic(
        |stage| {
            for host in [&stage.stock_host.host, &stage.own_host.host] {
                run(host, &["ip", "route", "replace", "default", "via", "192.168.77.1"]);
            }
        },
        MOVES,
        |stage| stage.own_said("up2") == 1 && stage.gateway_said("moved to another address") >= 2,
    );
    assert_eq!(stage.own_said("connected to"), 1, "{}", stage.logs());
    Row {
        situation: "a client's default route moves to another network",
        stock,
        own,
        bound: MOVES,
        said: "gateway: `moved to another address`; `handfast connect`: `the network changed; the \
               connection goes on by …`",
    }
    .holds();
}

#[test]
fn name_servers_that_another_program_overwrites_are_set_again_under_traffic() {
    let name = "name_servers_that_another_program_overwrites_are_set_again_under_traffic";
    let Some(mut stage) = Stage::new(name, &[("vpn.push.dns", r#"["10.71.0.1"]"#)]) else { return };
    let names = stage.own_host.folder.join("resolv.conf");
    fs::write(&names, "nameserver 192.0.2.53\n").expect("a file");
    stage.own_host.host.netns.private_resolv_conf(&names).expect("a private file");
    stage.connect(None);
    let set = || fs::read_to_string(&names).expect("a file").contains("10.71.0.1");
    assert!(set(), "{}", stage.logs());
    let (stock, own) = stage.under_traffic(
        |_| fs::write(&names, "nameserver 192.0.2.99\n").expect("a file"),
        PUT_BACK,
        |stage| set() && stage.own_said("the tunnel's name servers are set again") == 1,
    );
    Row {
        situation: "a client's resolv.conf is rewritten",
        stock,
        own,
        bound: UNHURT,
        said: "`handfast connect`: `the tunnel's name servers are set again`, within 5 s; the stock \
               client sets none on Linux by itself",
    }
    .holds();
}

#[test]
fn a_name_that_moves_is_followed_by_both_clients_under_traffic() {
    let name = "a_name_that_moves_is_followed_by_both_clients_under_traffic";
    let settings = [("vpn.ping", "1"), ("vpn.ping_restart", "4")];
    let Some(mut stage) = Stage::new(name, &settings) else { return };
    let [first, second] = [stage.world.gateway.v4[0], stage.world.gateway.v4[1]];
    let zone = Zone::serve(&stage.world.gateway, second, first);
    for who in [&mut stage.stock_host, &mut stage.own_host] {
        let names = who.folder.join("resolv.conf");
        fs::write(&names, format!("nameserver {second}\n")).expect("a file");
        who.host.netns.private_resolv_conf(&names).expect("a private file");
    }
    // A profile with a name in it has the second line too: one address of several may be silent.
    stage.connect(Some(&format!("remote {NAME} 1194 udp4\nserver-poll-timeout 10")));
    let (stock, own) = stage.under_traffic(
        |stage| {
            zone.moves_to(second);
            cut_off(&stage.world.gateway, &first.to_string());
        },
        FOUND_AGAIN,
        |stage| {
            let stock = stage.stock.as_ref().expect("a client");
            stock.said("Initialization Sequence Completed") == 2
                && stage.own_said("connected to") == 2
        },
    );
    Row {
        situation: "the gateway's name gets another address, the former one is silent (`vpn.ping` 1, \
                    `vpn.ping_restart` 4)",
        stock,
        own,
        bound: FOUND_AGAIN,
        said: "both clients: the time without an answer, then `connected` to the new address",
    }
    .holds();
}

/// The log of the database may have room of its own.
fn take_the_last_room(stage: &Stage) {
    let refused = |number: &u32| {
        let user = format!("u{number}");
        !stage.world.try_handfast(&["user", "add", &user]).status.success()
    };
    assert!((0..2000).any(|number| refused(&number)), "the disk takes everything");
}

/// A second way from a client's host to the world: another router, with NAT, by `up2`.
fn second_way(host: &Host, router: &Host) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let near = Netlink::open_in(&host.netns).expect("netlink");
        let far = Netlink::open_in(&router.netns).expect("netlink");
        near.veth_add("up2", "up2-far").await.expect("a link");
        let index = near.link_index("up2-far").await.expect("its far end");
        near.link_move(index, &router.netns).await.expect("it moves");
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        let ends = [(&near, "up2", "192.168.77.2"), (&far, "up2-far", "192.168.77.1")];
        for (netlink, name, address) in ends {
            let index = netlink.link_index(name).await.expect("an end");
            let address = address.parse().expect("an address");
            netlink.address_add(index, address, 24).await.expect("it is taken");
            netlink.link_set(index, up).await.expect("it is up");
        }
    });
    run(router, &["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    run(
        router,
        &[
            "nft",
            "add table ip n; add chain ip n p { type nat hook postrouting priority 100; }; \
             add rule ip n p oifname eth0 masquerade",
        ],
    );
}

/// Cuts a host's VPN server off, in both directions, as far as `address` is concerned.
fn cut_off(host: &Host, address: &str) {
    let hook = |name: &str| format!("{{ type filter hook {name} priority 0; }}");
    let rules = format!(
        "add table inet cut; add chain inet cut i {}; add chain inet cut o {}; \
         add rule inet cut i ip daddr {address} udp dport 1194 drop; \
         add rule inet cut o ip saddr {address} udp sport 1194 drop",
        hook("input"),
        hook("output")
    );
    run(host, &["nft", &rules]);
}

/// What is put back is put back within.
const PUT_BACK: Duration = Duration::from_secs(5);
/// A machine that is busy with other things may be silent for so long.
const UNHURT: Duration = Duration::from_secs(1);
const MOVES: Duration = Duration::from_secs(2);
const FOUND_AGAIN: Duration = Duration::from_secs(30);
