//! The stage: networks, the gateway, the file, the subscribers.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use admin::failure::{Failure, FailureKind};
use sysio::lab::{Host, Lab};

use super::file::Served;
use super::folder::Folder;
use super::gateway_program::GatewayProgram;
use super::machine::Machine;
use super::stop::Stop;
use super::subscriber::{Client, Subscriber, stock_version};
use super::tell::{Teller, time};

/// Everything that is on it. What stands above goes first: programs, then networks.
#[derive(Debug)]
pub(super) struct Stage {
    /// alice, with our own client.
    pub(super) alice: Subscriber,
    /// bob, with the stock client where there is one.
    pub(super) bob: Subscriber,
    /// Nothing after it was stopped.
    pub(super) gateway: Option<GatewayProgram>,
    pub(super) gateway_host: Host,
    /// What the gateway's machine was like before the gateway.
    pub(super) before: Traces,
    pub(super) file: Served,
    _file_host: Host,
    _lab: Lab,
}

impl Stage {
    /// Builds it, up to two subscribers with profiles. Files go into `folder`.
    pub(super) fn build(
        machine: &Machine,
        folder: &Folder,
        stop: &Stop,
        teller: &Teller,
    ) -> Result<Self, Failure> {
        let begun = Instant::now();
        let mut lab = Lab::new().map_err(|e| no_network(&e))?;
        let mut host = || lab.host(1).map_err(|e| no_network(&e));
        let (gateway_host, alice, bob) = (host()?, host()?, host()?);
        let file_host = lab.host_behind(&gateway_host).map_err(|e| no_network(&e))?;
        teller.seen("network", "a router; gateway, alice and bob around it", time(begun.elapsed()));
        let file = Served::start(&file_host.netns, FILE_LEN)?;
        teller.seen("", "a host behind the gateway with a file of random bytes", mebibytes(&file));
        if machine.nft.is_none() {
            forward_by_hand(&gateway_host)?;
            teller.seen("", "nft is missing: routes without NAT (vpn.nat = false)", "");
        }
        let before = Traces::of(&gateway_host, machine.nft.as_deref())?;
        let gateway = start_gateway(&gateway_host, machine, folder, stop, teller)?;
        let hosts = [alice, bob];
        let [alice, bob] = add_subscribers(hosts, &gateway, machine, folder, stop, teller)?;
        let gateway = Some(gateway);
        Ok(Self {
            alice,
            bob,
            gateway,
            gateway_host,
            before,
            file,
            _file_host: file_host,
            _lab: lab,
        })
    }

    /// Both subscribers connect.
    pub(super) fn connect(&mut self, stop: &Stop, teller: &Teller) -> Result<(), Failure> {
        let gateway = running(&mut self.gateway)?;
        for subscriber in [&mut self.alice, &mut self.bob] {
            let (session, took) = subscriber.connect(gateway, stop)?;
            let what = format!(
                "{} by {}: {}, {}",
                subscriber.name,
                subscriber.client(),
                session.tls,
                session.cipher
            );
            teller.seen(step("connect", subscriber.name), what, time(took));
        }
        Ok(())
    }
}

fn start_gateway(
    host: &Host,
    machine: &Machine,
    folder: &Folder,
    stop: &Stop,
    teller: &Teller,
) -> Result<GatewayProgram, Failure> {
    let begun = Instant::now();
    let gateway = GatewayProgram::start(host, folder, machine.nft.is_some(), stop)?;
    let what = "first start on an empty data folder: CA, keys, records";
    teller.seen("gateway", what, time(begun.elapsed()));
    Ok(gateway)
}

fn add_subscribers(
    [alice, bob]: [Host; 2],
    gateway: &GatewayProgram,
    machine: &Machine,
    folder: &Folder,
    stop: &Stop,
    teller: &Teller,
) -> Result<[Subscriber; 2], Failure> {
    let begun = Instant::now();
    let client = machine.openvpn.clone().map_or(Client::Own, Client::Stock);
    let alice = Subscriber::add("alice", Client::Own, alice, gateway, folder)?;
    stop.check()?;
    let bob = Subscriber::add("bob", client, bob, gateway, folder)?;
    let what = "alice and bob: `user add` and `profile` for each";
    teller.seen("subscribers", what, time(begun.elapsed()));
    if let Some(openvpn) = &machine.openvpn {
        teller.seen("", "bob has the stock client", stock_version(openvpn));
    }
    Ok([alice, bob])
}

/// The gateway while it runs.
pub(super) fn running(
    gateway: &mut Option<GatewayProgram>,
) -> Result<&mut GatewayProgram, Failure> {
    gateway.as_mut().ok_or_else(|| super::limits::unseen("the gateway was stopped already"))
}

/// The step's name on alice's line, as hers is the first.
pub(super) fn step<'a>(step: &'a str, name: &str) -> &'a str {
    if name == "alice" { step } else { "" }
}

/// What a gateway may change on its machine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Traces {
    forwarding: [String; 2],
    interfaces: Vec<String>,
    tables: String,
}

impl Traces {
    pub(super) fn of(host: &Host, nft: Option<&Path>) -> Result<Self, Failure> {
        let mut tables = String::new();
        if let Some(nft) = nft {
            let mut list = Command::new(nft);
            list.args(["list", "tables"]);
            let output = host.netns.output(list).map_err(|e| no_network(&e))?;
            tables = String::from_utf8_lossy(&output.stdout).into_owned();
        }
        host.netns.run(|| Self::here(tables)).map_err(|e| no_network(&e))
    }

    fn here(tables: String) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let devices = read("/proc/thread-self/net/dev");
        let mut interfaces: Vec<_> = devices
            .lines()
            .filter_map(|line| line.split_once(':').map(|(name, _)| name.trim().to_owned()))
            .collect();
        interfaces.sort();
        Self { forwarding: FORWARDING.map(|path| read(path).trim().to_owned()), interfaces, tables }
    }
}

fn forward_by_hand(host: &Host) -> Result<(), Failure> {
    let write = || FORWARDING.iter().try_for_each(|path| std::fs::write(Path::new(path), "1"));
    host.netns.run(write).map_err(|e| no_network(&e))?.map_err(|e| no_network(&e))
}

fn no_network(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Environment, "the throw-away network can't be built")
        .caused_by(error)
        .hint("in a container, start it with --privileged, or --cap-add SYS_ADMIN --cap-add NET_ADMIN")
}

fn mebibytes(file: &Served) -> String {
    format!("{} MiB", file.len / (1024 * 1024))
}

const FORWARDING: [&str; 2] =
    ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];
const FILE_LEN: usize = 64 * 1024 * 1024;
