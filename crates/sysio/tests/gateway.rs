//! Forwarding and NAT together, with a veth in the place of the TUN. Needs root, nft and ping; says
//! why if it skips.
//!
//! ```text
//!   subscriber            gateway              outside (has no route back)
//!   hf1 .2 --10.71.0.0/16-- .1 hf0  eth0 .1 --192.0.2.0/24-- .9 eth1
//! ```

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::{ip, netns};
use sysio::netlink::Netlink;
use sysio::{
    FirewallError, FirewallRules, FirewallTable, Netns, Network, SysctlLedger, enable_forwarding,
};

#[tokio::test]
async fn subscribers_reach_the_outside_with_the_gateways_address_and_only_while_it_is_up() {
    let (Some(subscriber), Some(gateway), Some(outside)) = (netns(), netns(), netns()) else {
        return;
    };
    cable(&gateway, "hf0", &subscriber, "hf1").await;
    cable(&gateway, "eth0", &outside, "eth1").await;
    for (netns, name, address) in [
        (&subscriber, "hf1", "10.71.0.2/16"),
        (&subscriber, "hf1", "fd71::2/64"),
        (&gateway, "hf0", "10.71.0.1/16"),
        (&gateway, "hf0", "fd71::1/64"),
        (&gateway, "eth0", "192.0.2.1/24"),
        (&gateway, "eth0", "2001:db8::1/64"),
        (&outside, "eth1", "192.0.2.9/24"),
        (&outside, "eth1", "2001:db8::9/64"),
    ] {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        ip(netns, &format!("addr add {address} dev {name} {nodad}"));
    }
    ip(&subscriber, "route add default via 10.71.0.1");
    ip(&subscriber, "route add default via fd71::1");
    let targets = ["192.0.2.9", "2001:db8::9"];
    assert_eq!(targets.map(|target| reaches(&subscriber, target)), [false, false]);

    let folder = Folder(std::env::temp_dir().join(format!("sysio-gw-{}", std::process::id())));
    let ledger = SysctlLedger::open(&folder.0).unwrap();
    let held = gateway.run(|| enable_forwarding(&ledger, true, Some("eth0"))).unwrap().unwrap();
    let table = match gateway.run(|| FirewallTable::default().hold(&rules())).unwrap() {
        Err(error @ FirewallError::NotInstalled) => {
            return println!("SKIP forwarding and NAT: {error}");
        }
        table => table.unwrap(),
    };
    assert_eq!(targets.map(|target| reaches(&subscriber, target)), [true, true]);

    gateway.run(|| held.hold.release()).unwrap().unwrap();
    gateway.run(|| drop(table)).unwrap();
    assert_eq!(targets.map(|target| reaches(&subscriber, target)), [false, false]);
}

async fn cable(near: &Netns, name: &str, far: &Netns, far_name: &str) {
    let netlink = Netlink::open_in(near).unwrap();
    netlink.veth_add(name, far_name).await.unwrap();
    netlink.link_move(netlink.link_index(far_name).await.unwrap(), far).await.unwrap();
    ip(near, &format!("link set {name} up"));
    ip(far, &format!("link set {far_name} up"));
}

fn reaches(netns: &Netns, target: &str) -> bool {
    let mut ping = Command::new("ping");
    ping.args(["-n", "-c", "3", "-i", "0.2", "-W", "1", target]);
    netns.output(ping).unwrap().status.success()
}

fn rules() -> FirewallRules {
    let network = |address: &str, bits| Network::new(address.parse().unwrap(), bits).unwrap();
    FirewallRules {
        tun: "hf0".to_owned(),
        inner: vec![network("10.71.0.0", 16), network("fd71::", 64)],
        own: Vec::new(),
        allow_in: Vec::new(),
        client_to_client: false,
        masquerade: true,
        tunnels_only: Vec::new(),
    }
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
