//! Two hosts on one cable.
//!
//! ```text
//!    client 203.0.113.2 ── veth, MTU 1500 ── server 203.0.113.1
//! ```
//!
//! Nothing is between them: no router, no NAT, no bridge. A plain veth passes super-packets on as they
//! are, which flatters whoever sends them; the NIC-like one cuts them as a network card's driver
//! would, and joins again on receipt.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use clap::ValueEnum;
use serde::Serialize;
use sysio::Netns;
use sysio::netlink::{LinkChange, Netlink};

use crate::error::BenchError;

/// What the cable does with super-packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Passes them on whole.
    Plain,
    /// Cuts them on sending, joins on receipt.
    Nic,
}

impl Mode {
    /// As in reports.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain veth",
            Self::Nic => "NIC-like veth",
        }
    }

    /// As in file names and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Nic => "nic",
        }
    }
}

/// The two hosts.
#[derive(Debug)]
pub(crate) struct Topology {
    /// Where the listening end runs.
    pub(crate) server: Netns,
    /// Where the connecting end runs.
    pub(crate) client: Netns,
    /// What the cable does.
    pub(crate) mode: Mode,
}

impl Topology {
    /// Makes both hosts and the cable, and checks that every setting took.
    pub(crate) fn new(mode: Mode) -> Result<Self, BenchError> {
        let topology = Self { server: Netns::create()?, client: Netns::create()?, mode };
        topology.cable()?;
        for netns in [&topology.server, &topology.client] {
            congestion_control(netns)?;
            offloads(netns, mode)?;
        }
        Ok(topology)
    }

    fn cable(&self) -> Result<(), BenchError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(BenchError::file("the async runtime"))?;
        runtime.block_on(async {
            let near = Netlink::open_in(&self.server)?;
            near.veth_add(DEVICE, TRAVELLER).await?;
            near.link_move(near.link_index(TRAVELLER).await?, &self.client).await?;
            let far = Netlink::open_in(&self.client)?;
            far.link_rename(far.link_index(TRAVELLER).await?, DEVICE).await?;
            plug(&near, SERVER).await?;
            plug(&far, CLIENT).await
        })
    }
}

async fn plug(netlink: &Netlink, address: Ipv4Addr) -> Result<(), BenchError> {
    let index = netlink.link_index(DEVICE).await?;
    let change = LinkChange { up: Some(true), mtu: Some(1500), ..LinkChange::default() };
    netlink.link_set(index, change).await?;
    Ok(netlink.address_add(index, IpAddr::V4(address), 24).await?)
}

/// All contestants' inner and outer TCP obeys loss, as most of the world's does.
fn congestion_control(netns: &Netns) -> Result<(), BenchError> {
    let set = netns.run(|| {
        fs::write(CONGESTION_CONTROL, CUBIC)?;
        fs::read_to_string(CONGESTION_CONTROL)
    })?;
    let present = set.map_err(BenchError::file(CONGESTION_CONTROL))?;
    if present.trim() == CUBIC {
        return Ok(());
    }
    Err(BenchError::Setting(format!("{CONGESTION_CONTROL} is {} and not {CUBIC}", present.trim())))
}

fn offloads(netns: &Netns, mode: Mode) -> Result<(), BenchError> {
    if mode == Mode::Nic {
        let mut set = Command::new("ethtool");
        set.args(["-K", DEVICE, "tx-udp-segmentation", "off", "tso", "off", "gso", "off"]);
        set.args(["gro", "on"]);
        let output = netns.output(set)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(BenchError::tool("ethtool -K", said));
        }
    }
    let mut show = Command::new("ethtool");
    show.args(["-k", DEVICE]);
    let output = netns.output(show)?;
    let shown = String::from_utf8_lossy(&output.stdout);
    for (feature, nic) in FEATURES {
        let wanted = match mode {
            Mode::Nic => *nic,
            Mode::Plain if *feature == "generic-receive-offload" => continue,
            Mode::Plain => "on",
        };
        let state = feature_state(&shown, feature);
        if state != Some(wanted) {
            let state = state.unwrap_or("unknown");
            let mode = mode.title();
            return Err(BenchError::Setting(format!("{mode}: {feature} is {state}, not {wanted}")));
        }
    }
    Ok(())
}

/// The first word behind `feature:` in what `ethtool -k` prints.
fn feature_state<'a>(shown: &'a str, feature: &str) -> Option<&'a str> {
    let line = shown.lines().find_map(|line| line.trim().strip_prefix(feature)?.strip_prefix(':'));
    line?.split_whitespace().next()
}

/// Lets namespaces choose cubic: they may only choose what the host allows. Put back when dropped.
#[derive(Debug)]
pub(crate) struct CubicAllowed {
    before: Option<String>,
}

impl CubicAllowed {
    /// Adds cubic to the host's list unless it is there.
    pub(crate) fn ensure() -> Result<Self, BenchError> {
        let before = fs::read_to_string(ALLOWED).map_err(BenchError::file(ALLOWED))?;
        let before = before.trim().to_owned();
        if before.split_whitespace().any(|name| name == CUBIC) {
            return Ok(Self { before: None });
        }
        fs::write(ALLOWED, format!("{before} {CUBIC}")).map_err(|error| {
            BenchError::Setting(format!(
                "cubic could not be allowed in {ALLOWED} ({error}): run as root, with tcp_cubic in \
                 the kernel"
            ))
        })?;
        Ok(Self { before: Some(before) })
    }
}

impl Drop for CubicAllowed {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = fs::write(ALLOWED, before)
        {
            eprintln!("bench: {ALLOWED} could not be set back to `{before}`: {error}");
        }
    }
}

/// The server's end of the cable.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The client's end of the cable.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

const DEVICE: &str = "eth0";
/// The cable's far end until it has arrived.
const TRAVELLER: &str = "bench-far";
const CUBIC: &str = "cubic";
const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";
/// What `ethtool -k` calls it, and what it is where the link is NIC-like.
const FEATURES: &[(&str, &str)] = &[
    ("tx-udp-segmentation", "off"),
    ("tcp-segmentation-offload", "off"),
    ("generic-segmentation-offload", "off"),
    ("generic-receive-offload", "on"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_features_state_is_read_from_ethtools_words() {
        let shown = "Features for eth0:\ntcp-segmentation-offload: off\n\ttx-udp-segmentation: on [fixed]\n";
        assert_eq!(feature_state(shown, "tcp-segmentation-offload"), Some("off"));
        assert_eq!(feature_state(shown, "tx-udp-segmentation"), Some("on"));
        assert_eq!(feature_state(shown, "segmentation"), None);
    }
}
