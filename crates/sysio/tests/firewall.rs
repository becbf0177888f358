//! The nftables table in throw-away namespaces. Needs root and nft; says why if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use support::{netns, run};
use sysio::{
    FirewallError, FirewallHold, FirewallRules, FirewallTable, Netns, Network, Tun, TunOffload,
};

#[test]
fn holding_twice_equals_holding_once_and_removing_twice_is_fine() {
    let Some(netns) = netns() else { return };
    let Some(held) = hold(&netns, "hf0") else { return };
    let once = run(&netns, "nft list ruleset");
    assert!(once.contains("ip saddr 10.71.0.0/16 oifname != \"hf0\" masquerade"), "{once}");
    assert!(once.contains("ip6 saddr fd71::/64 oifname != \"hf0\" masquerade"), "{once}");
    assert!(once.contains("oifname \"hf0\" ct state established,related accept"), "{once}");
    let again = hold(&netns, "hf0").unwrap();
    assert_eq!(run(&netns, "nft list ruleset"), once);
    for held in [held, again] {
        netns.run(|| drop(held)).unwrap();
        assert_eq!(run(&netns, "nft list ruleset"), "");
    }
}

#[test]
fn a_table_that_was_flushed_deleted_or_changed_is_told_and_restored() {
    let Some(netns) = netns() else { return };
    let Some(mut held) = hold(&netns, "hf0") else { return };
    let in_force = |held: &FirewallHold| netns.run(|| held.is_in_force()).unwrap().unwrap();
    let made = run(&netns, "nft list ruleset");
    let table = "inet handfast_hf0";
    for line in [
        "nft flush ruleset",
        &format!("nft delete table {table}"),
        &format!("nft flush table {table}"),
        &format!("nft flush chain {table} forward"),
        &format!("nft insert rule {table} forward accept"),
        &format!("nft add chain {table} postrouting {{ policy drop; }}"),
    ] {
        assert!(in_force(&held), "before {line}");
        run(&netns, line);
        assert!(!in_force(&held), "{line}");
        netns.run(|| held.restore()).unwrap().unwrap();
        assert_eq!(run(&netns, "nft list ruleset"), made, "{line}");
    }
    // A table of somebody else is none of our business.
    run(&netns, "nft add table ip filter");
    assert!(in_force(&held));
}

#[test]
fn tables_whose_gateways_are_gone_are_found_and_no_others() {
    let Some(netns) = netns() else { return };
    let Some(gone) = hold(&netns, "hf-gone") else { return };
    let alive = netns.run(|| Tun::create("hf1", 1400, TunOffload::None)).unwrap();
    if alive.is_err() {
        println!("SKIP tables_whose_gateways_are_gone: no TUN interface");
        return;
    }
    let living = hold(&netns, "hf1").unwrap();
    run(&netns, "ip tuntap add hf2 mode tun");
    let unused = hold(&netns, "hf2").unwrap();
    for table in ["handfast_x_y", "handfastish", "filter"] {
        run(&netns, &format!("nft add table inet {table}"));
    }
    let found = netns.run(FirewallTable::left_over).unwrap().unwrap();
    let mut names: Vec<&str> = found.iter().map(FirewallTable::name).collect();
    names.sort_unstable();
    assert_eq!(names, [unused.table().name(), gone.table().name()]);
    netns.run(|| drop((gone, living, unused))).unwrap();
}

#[test]
fn a_table_that_can_be_made_and_not_listed_does_not_stay() {
    let Some(netns) = netns() else { return };
    let Some(held) = hold(&netns, "hf0") else { return };
    netns.run(|| drop(held)).unwrap();
    let folder = std::env::temp_dir().join(format!("sysio-nft-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("nft");
    let script = "#!/bin/sh\ncase \"$*\" in *list*) exit 1;; esac\nPATH=$REAL exec nft \"$@\"\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let real = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "makes_a_table_with_an_nft_that_lists_nothing", "--nocapture"]);
    child.env("BLIND", "1").env("REAL", &real).env("PATH", format!("{}:{real}", folder.display()));
    let output = netns.output(child).unwrap();
    fs::remove_dir_all(folder).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("refused: "), "{output:?}");
    assert_eq!(run(&netns, "nft list ruleset"), "");
}

/// Run by the test above; on its own it does nothing.
#[test]
fn makes_a_table_with_an_nft_that_lists_nothing() {
    if std::env::var_os("BLIND").is_none() {
        return;
    }
    let refused = FirewallTable::of_interface("hf0").hold(&rules("hf0")).unwrap_err();
    println!("refused: {refused}");
}

#[test]
fn somebody_elses_dropping_forward_chain_is_reported_with_its_mend_and_left_alone() {
    let Some(netns) = netns() else { return };
    let Some(held) = hold(&netns, "hf0") else { return };
    let blockers = || {
        let table = FirewallTable::of_interface("hf0");
        netns.run(|| table.blockers("hf0")).unwrap().unwrap()
    };
    assert_eq!(blockers(), []);
    run(&netns, "nft add table ip filter");
    run(
        &netns,
        "nft add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
    );
    let blocker = blockers().pop().unwrap().to_string();
    run(&netns, blocker.split('`').nth(3).unwrap());
    netns.run(|| drop(held)).unwrap();
    assert!(run(&netns, "nft list ruleset").contains("policy drop"));
}

#[test]
fn two_gateways_have_tables_of_their_own() {
    let Some(netns) = netns() else { return };
    let Some(first) = hold(&netns, "hf-2") else { return };
    let second = hold(&netns, "hf_2").unwrap();
    netns.run(|| drop(first)).unwrap();
    assert!(netns.run(|| second.is_in_force()).unwrap().unwrap());
}

/// `None` and a printed reason where nft is missing.
fn hold(netns: &Netns, tun: &str) -> Option<FirewallHold> {
    let table = FirewallTable::of_interface(tun);
    match netns.run(|| table.hold(&rules(tun))).expect("the namespace can be entered") {
        Err(error @ FirewallError::NotInstalled) => {
            println!("SKIP firewall: {error}");
            None
        }
        held => Some(held.unwrap()),
    }
}

fn rules(tun: &str) -> FirewallRules {
    let inner = [("10.71.0.0", 16), ("fd71::", 64)];
    let inner = inner.map(|(address, bits)| Network::new(address.parse().unwrap(), bits));
    FirewallRules {
        tun: tun.to_owned(),
        inner: inner.map(Option::unwrap).into(),
        own: ["10.71.0.1", "fd71::1"].map(|own| own.parse().unwrap()).into(),
        allow_in: Vec::new(),
        client_to_client: false,
        masquerade: true,
        tunnels_only: Vec::new(),
    }
}
