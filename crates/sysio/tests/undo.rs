//! Guards in throw-away namespaces. Needs root and nft; says why if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use std::path::PathBuf;

use support::{ip, netns, run};
use sysio::netlink::{LinkChange, Netlink, Route};
use sysio::{
    FirewallError, FirewallRules, FirewallTable, Network, SysctlLedger, Tun, TunOffload, UndoStack,
    enable_forwarding,
};

#[test]
fn whatever_was_set_up_before_a_step_failed_is_undone_when_the_stack_is_dropped() {
    let Some(netns) = netns() else { return };
    let folder = Folder(std::env::temp_dir().join(format!("sysio-undo-{}", std::process::id())));
    let state = || {
        let inside = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
        let forwarding = netns.run(inside).unwrap();
        [forwarding, run(&netns, "nft list ruleset"), ip(&netns, "route"), ip(&netns, "-o addr")]
    };
    let made = netns.run(|| Tun::create("hf0", 1400, TunOffload::None)).unwrap();
    let _tun = made.unwrap();
    ip(&netns, "link set hf0 up");
    let untouched = state();
    for way in ["dropped", "undone"] {
        let made = netns.run(|| set_up(&folder.0)).unwrap();
        let stack = match made {
            Err(error @ FirewallError::NotInstalled) => return println!("SKIP undo: {error}"),
            made => made.unwrap(),
        };
        for (before, now) in untouched.iter().zip(state()) {
            assert_ne!(*before, now, "{way}");
        }
        netns
            .run(|| match way {
                "dropped" => drop(stack),
                _ => assert!(stack.undo().is_empty()),
            })
            .unwrap();
        assert_eq!(state(), untouched, "{way}");
    }
}

#[tokio::test]
async fn a_route_that_went_with_its_interface_is_undone_already() {
    let Some(netns) = netns() else { return };
    let tun = netns.run(|| Tun::create("hf0", 1400, TunOffload::None)).unwrap().unwrap();
    let netlink = Netlink::open_in(&netns).unwrap();
    let index = netlink.link_index("hf0").await.unwrap();
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    netlink.link_set(index, up).await.unwrap();
    let network = Network::new("10.9.0.0".parse().unwrap(), 16).unwrap();
    let mut stack = UndoStack::default();
    stack.push(netlink.route_hold(&Route::on_link(network, index)).await.unwrap());
    stack.push(netlink.address_hold(index, "10.9.0.1".parse().unwrap(), 16).await.unwrap());
    drop(tun);
    let stays: Vec<_> = netns.run(|| stack.undo()).unwrap();
    assert!(stays.is_empty(), "{stays:?}");
}

/// Forwarding, rules, an address and a route of hf0.
fn set_up(folder: &std::path::Path) -> Result<UndoStack, FirewallError> {
    let mut stack = UndoStack::default();
    let ledger = SysctlLedger::open(folder).unwrap();
    stack.push(enable_forwarding(&ledger, true, None).unwrap().hold);
    let network = |text: &str| Network::new(text.parse().unwrap(), 16).unwrap();
    let rules = FirewallRules {
        tun: "hf0".to_owned(),
        inner: vec![network("10.9.0.0")],
        own: Vec::new(),
        allow_in: Vec::new(),
        client_to_client: false,
        masquerade: true,
        tunnels_only: Vec::new(),
    };
    stack.push(FirewallTable::default().hold(&rules)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let netlink = Netlink::open().unwrap();
        let index = netlink.link_index("hf0").await.unwrap();
        stack.push(netlink.address_hold(index, "10.9.0.1".parse().unwrap(), 16).await.unwrap());
        let route = Route::on_link(network("10.8.0.0"), index);
        stack.push(netlink.route_hold(&route).await.unwrap());
    });
    Ok(stack)
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
