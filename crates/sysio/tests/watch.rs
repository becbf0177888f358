//! Word of changes to firewall rules and forwarding. Needs root and nft; says why if it skips.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use std::time::Duration;

use support::{netns, run};
use sysio::FirewallWatch;
use tokio::time::timeout;

#[test]
fn a_change_of_rules_or_forwarding_is_heard_and_silence_is_silence() {
    let Some(netns) = netns() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let opened = netns.run(|| {
        let _inside = handle.enter();
        FirewallWatch::open()
    });
    let mut watch = opened.unwrap().unwrap();
    let mut heard =
        |limit| runtime.block_on(async { timeout(limit, watch.changed()).await }).is_ok();
    for line in [
        "nft add table inet some",
        "nft flush ruleset",
        "sysctl -qw net.ipv4.ip_forward=1",
        "sysctl -qw net.ipv6.conf.all.forwarding=1",
    ] {
        assert!(!heard(QUIET), "before {line}");
        run(&netns, line);
        assert!(heard(SOON), "{line}");
        // One change may come in several words.
        while heard(QUIET) {}
    }
}

const SOON: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_millis(300);
