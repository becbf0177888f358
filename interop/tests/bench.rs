//! Throughput beside the stock programs, interleaved in one run and printed as ratios.
//!
//! Runs only when asked (`cargo xtask bench vpn`), prints and never fails on a figure. One TCP stream by
//! iperf3 through the tunnel, AES-256-GCM over UDP on plain veth, the median of the rounds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use interop::{Own, Program, Stock, World, skip};
use serde_json::Value;
use sysio::Netns;
use sysio::lab::{Host, Lab};

/// One pair of ends and what was measured through it, in Gbit/s.
struct Contestant {
    name: &'static str,
    up: Vec<f64>,
    down: Vec<f64>,
}

#[test]
fn throughput_beside_the_stock_programs() {
    let name = "throughput_beside_the_stock_programs";
    if std::env::var_os("HANDFAST_BENCH").is_none() {
        return skip(name, "a benchmark; run `cargo xtask bench vpn`");
    }
    let mut contestants = [
        Contestant { name: "openvpn with openvpn", up: vec![], down: vec![] },
        Contestant { name: "Handfast with openvpn client", up: vec![], down: vec![] },
        Contestant { name: "Handfast with Handfast client", up: vec![], down: vec![] },
    ];
    let Some(mut world) = World::start(name, &[]) else { return };
    let alice = world.subscriber("alice", "unified");
    let bob = world.subscriber("bob", "unified");
    let stock = StockPair::new(&world.file("stock"));
    for round in 1..=ROUNDS {
        let client = stock.start();
        measure(&mut contestants[0], &stock.server.netns, &stock.client.netns, "10.8.0.1");
        drop(client);
        let mut client = Stock::start(&alice.host, &alice.profile(), &[]);
        client.connected();
        measure(&mut contestants[1], &world.gateway.netns, &alice.host.netns, "10.71.0.1");
        drop(client);
        let mut client = Own::start(&bob.host, &bob.profile());
        client.connected();
        measure(&mut contestants[2], &world.gateway.netns, &bob.host.netns, "10.71.0.1");
        drop(client);
        println!("round {round} of {ROUNDS} done");
    }
    print(&contestants);
}

fn measure(contestant: &mut Contestant, server: &Netns, client: &Netns, address: &str) {
    for reverse in [false, true] {
        let mut listen = Command::new("iperf3");
        listen.args(["-s", "-1"]);
        let log = std::env::temp_dir().join(format!("handfast-bench-{}.log", std::process::id()));
        let mut server = Program::start(server, listen, &log).expect("iperf3 starts");
        std::thread::sleep(Duration::from_millis(300));
        let mut command = Command::new("iperf3");
        command.args(["-J", "-c", address, "-t", "4", "-O", "1"]);
        command.args(reverse.then_some("-R"));
        let output = client.output(command).expect("iperf3 runs");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let bits = report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap_or(0.0);
        let list = if reverse { &mut contestant.down } else { &mut contestant.up };
        list.push(bits / 1e9);
        server.ends(Duration::from_secs(3));
    }
}

fn print(contestants: &[Contestant]) {
    let base = (median(&contestants[0].up), median(&contestants[0].down));
    println!("{:32} {:>16} {:>16}   ratio up/down", "", "up Gbit/s", "down Gbit/s");
    for contestant in contestants {
        let (up, down) = (median(&contestant.up), median(&contestant.down));
        println!(
            "{:32} {:>16} {:>16}   {:.2} / {:.2}",
            contestant.name,
            spread(&contestant.up),
            spread(&contestant.down),
            up / base.0,
            down / base.1,
        );
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(figures: &[f64]) -> String {
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({least:.2}-{most:.2})", median(figures))
}

/// Two hosts with the stock program on both, trusting each other by fingerprint.
struct StockPair {
    _lab: Lab,
    server: Host,
    client: Host,
    folder: PathBuf,
}

impl StockPair {
    fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let mut lab = Lab::new().expect("a lab");
        let server = lab.host(1).expect("a host");
        let client = lab.host(1).expect("a host");
        let pair = Self { _lab: lab, server, client, folder: folder.to_owned() };
        let prints = ["server", "client"].map(|side| pair.certificate(side));
        pair.config("server", &prints[1], "tls-server\ndh none\nifconfig 10.8.0.1 255.255.255.0\n");
        let remote = format!(
            "tls-client\nremote {} 1195 udp4\nifconfig 10.8.0.2 255.255.255.0\n",
            pair.server.v4[0]
        );
        pair.config("client", &prints[0], &remote);
        pair
    }

    fn start(&self) -> [Stock; 2] {
        let server = Stock::start(&self.server, &self.folder.join("server/server.conf"), &[]);
        let mut client = Stock::start(&self.client, &self.folder.join("client/client.conf"), &[]);
        client.connected();
        [server, client]
    }

    fn certificate(&self, side: &str) -> String {
        let folder = self.folder.join(side);
        std::fs::create_dir_all(&folder).expect("a folder");
        let status = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", &format!("/CN={side}")])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(&folder)
            .output();
        assert!(status.is_ok_and(|done| done.status.success()), "openssl makes a certificate");
        let printed = Command::new("openssl")
            .args(["x509", "-in", "cert.pem", "-noout", "-fingerprint", "-sha256"])
            .current_dir(&folder)
            .output()
            .expect("openssl runs");
        let text = String::from_utf8_lossy(&printed.stdout);
        text.trim().split('=').nth(1).expect("a fingerprint").to_owned()
    }

    fn config(&self, side: &str, trusted: &str, own: &str) {
        let common = format!(
            "dev tun\ntopology subnet\nproto udp4\nport 1195\ndisable-dco\ncert cert.pem\nkey key.pem\n\
             peer-fingerprint {trusted}\ndata-ciphers AES-256-GCM\ncipher AES-256-GCM\n"
        );
        let path = self.folder.join(side).join(format!("{side}.conf"));
        std::fs::write(path, common + own).expect("a configuration");
    }
}

const ROUNDS: usize = 3;
