//! The nftables table in throw-away namespaces. Needs root and nft; says why if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use support::{netns, run};
use sysio::{NatError, NatRules, NatTable, Netns, Network};

#[test]
fn applying_twice_equals_applying_once_and_removing_twice_is_fine() {
    let Some(netns) = netns() else { return };
    let Some(blockers) = apply(&netns) else { return };
    assert_eq!(blockers, [] as [String; 0]);
    let once = run(&netns, "nft list ruleset");
    assert!(once.contains("ip saddr 10.71.0.0/16 oifname != \"hf0\" masquerade"), "{once}");
    assert!(once.contains("ip6 saddr fd71::/64 oifname != \"hf0\" masquerade"), "{once}");
    assert!(once.contains("iifname \"hf0\" accept"), "{once}");
    apply(&netns);
    assert_eq!(run(&netns, "nft list ruleset"), once);
    for _ in 0..2 {
        netns.run(|| NatTable::default().remove()).unwrap().unwrap();
        assert_eq!(run(&netns, "nft list ruleset"), "");
    }
}

#[test]
fn somebody_elses_dropping_forward_chain_is_reported_with_its_mend_and_left_alone() {
    let Some(netns) = netns() else { return };
    if apply(&netns).is_none() {
        return;
    }
    run(&netns, "nft add table ip filter");
    run(
        &netns,
        "nft add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
    );
    let blockers = apply(&netns).unwrap();
    assert_eq!(blockers.len(), 1);
    let mend = blockers[0].split('`').nth(3).unwrap();
    run(&netns, mend);
    netns.run(|| NatTable::default().remove()).unwrap().unwrap();
    assert!(run(&netns, "nft list ruleset").contains("policy drop"));
}

#[test]
fn two_gateways_have_tables_of_their_own() {
    let Some(netns) = netns() else { return };
    if apply(&netns).is_none() {
        return;
    }
    let second = NatTable::named("handfast_2").unwrap();
    netns.run(|| second.apply(&rules())).unwrap().unwrap();
    netns.run(|| NatTable::default().remove()).unwrap().unwrap();
    assert!(run(&netns, "nft list ruleset").contains("table inet handfast_2"));
}

/// `None` and a printed reason where nft is missing.
fn apply(netns: &Netns) -> Option<Vec<String>> {
    match netns.run(|| NatTable::default().apply(&rules())).expect("the namespace can be entered") {
        Ok(blockers) => Some(blockers.iter().map(ToString::to_string).collect()),
        Err(error @ NatError::NotInstalled) => {
            println!("SKIP NAT: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn rules() -> NatRules {
    let sources = [("10.71.0.0", 16), ("fd71::", 64)];
    let sources = sources.map(|(address, bits)| Network::new(address.parse().unwrap(), bits));
    NatRules {
        tun: "hf0".to_owned(),
        sources: sources.map(Option::unwrap).into(),
        masquerade: true,
    }
}
