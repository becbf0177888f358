//! Data packets as tcpdump recorded them and tshark reads them: under which key each side of each client sealed, from when
//! to when.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

/// When packets under a key went, in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// The keys of both sides of a session, by how many it had before.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) gateway: BTreeMap<usize, Used>,
    pub(crate) client: BTreeMap<usize, Used>,
    /// How many renewals were begun so far.
    renewals: usize,
}

/// By the client's address.
pub(crate) fn keys_on_the_wire(capture: &Path) -> BTreeMap<Ipv4Addr, Wire> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture).args(["-d", "udp.port==1194,openvpn", "-T", "fields"]);
    // What was sent once more (`old_key`) has none.
    tshark.args(["-Y", "udp.checksum != 0"]);
    let fields = ["frame.time_epoch", "ip.src", "ip.dst", "udp.srcport"];
    for field in fields.into_iter().chain(["openvpn.opcode", "openvpn.keyid"]) {
        tshark.args(["-e", field]);
    }
    let read = tshark.output().expect("tshark starts");
    let mut seen: BTreeMap<Ipv4Addr, Wire> = BTreeMap::new();
    for line in String::from_utf8_lossy(&read.stdout).lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [time, from, to, port, opcode, id] = fields[..] else { panic!("{line:?}") };
        let (seconds, part) = time.split_once('.').expect("a time");
        let at = seconds.parse::<u64>().expect("seconds") * 1_000_000
            + part[..6].parse::<u64>().expect("microseconds");
        let is_gateways = port == "1194";
        let client = if is_gateways { to } else { from };
        let wire = seen.entry(client.parse().expect("an address")).or_default();
        let id = id.parse().expect("a key id");
        match opcode {
            "0x03" | "3" => wire.renewed(id),
            "0x09" | "9" => wire.used(is_gateways, id, at),
            _ => {}
        }
    }
    seen
}

impl Wire {
    /// Either side began a renewal, perhaps not for the first time.
    fn renewed(&mut self, id: usize) {
        if id == key_id(self.renewals + 1) {
            self.renewals += 1;
        }
    }

    /// Ids come again after the seventh renewal: the last key that has this one is meant.
    fn used(&mut self, by_gateway: bool, id: usize, at: u64) {
        let number = (0..=self.renewals).rev().find(|number| key_id(*number) == id);
        let number = number.unwrap_or_else(|| panic!("no renewal began the key {id}, at {at}"));
        let keys = if by_gateway { &mut self.gateway } else { &mut self.client };
        keys.entry(number).or_insert(Used { first: at, last: at }).last = at;
    }
}

/// The id of the key of so many renewals: 0, then 1 to 7 round and round.
fn key_id(number: usize) -> usize {
    match number {
        0 => 0,
        later => (later - 1) % 7 + 1,
    }
}
