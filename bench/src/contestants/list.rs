//! The list of contestants.

/// One pair of ends under a name.
#[derive(Debug)]
pub(crate) struct Contestant {
    /// As in reports and on the command line.
    pub(crate) name: &'static str,
    /// What it is compared for.
    pub(crate) group: Group,
    /// What runs.
    pub(crate) ends: Ends,
}

/// Contestants that are compared for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The comparison itself: every round, every measurement.
    Headline,
    /// Other peers, and one stock end with one of ours.
    Peers,
    /// Another cipher.
    Ciphers,
    /// Parts of the offload left out.
    Fallbacks,
    /// TCP underneath.
    Tcp,
}

impl Group {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Headline => "headline",
            Self::Peers => "peers",
            Self::Ciphers => "ciphers",
            Self::Fallbacks => "fallbacks",
            Self::Tcp => "over-tcp",
        }
    }
}

/// What runs at both ends.
#[derive(Debug)]
pub(crate) enum Ends {
    /// Nothing: the cable itself.
    Raw,
    /// `openvpn` at both.
    OpenVpn(Version, Transport),
    /// `wireguard-go` at both.
    WireGuardGo,
    /// Ours at both.
    Handfast(Parts),
    /// Our gateway, the installed `openvpn` as client.
    HandfastWithStockClient,
    /// The installed `openvpn` as server, `handfast connect`.
    StockWithHandfastClient,
}

/// Which `openvpn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The machine's own.
    Installed,
    /// Debian sid's.
    Sid,
}

/// What carries the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Datagrams.
    Udp,
    /// One stream.
    Tcp,
}

/// What ours runs with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// The data channel's cipher.
    pub(crate) cipher: &'static str,
    /// What of the offload is left out (`HANDFAST_WITHOUT`).
    pub(crate) without: &'static str,
    /// What carries the tunnel.
    pub(crate) transport: Transport,
}

impl Parts {
    /// AES-256-GCM over UDP with everything.
    pub(crate) const DEFAULT: Self =
        Self { cipher: "AES-256-GCM", without: "", transport: Transport::Udp };

    const fn without(without: &'static str) -> Ends {
        Ends::Handfast(Self { without, ..Self::DEFAULT })
    }
}

/// The bare cable.
pub(crate) const RAW: &str = "raw";
/// The name that ratios are to.
pub(crate) const OPENVPN: &str = "openvpn";
/// The other one.
pub(crate) const WIREGUARD_GO: &str = "wireguard-go";

/// Everybody, in the order of the first round.
pub(crate) const LIST: &[Contestant] = &[
    Contestant { name: RAW, group: Group::Headline, ends: Ends::Raw },
    Contestant {
        name: OPENVPN,
        group: Group::Headline,
        ends: Ends::OpenVpn(Version::Installed, Transport::Udp),
    },
    Contestant { name: WIREGUARD_GO, group: Group::Headline, ends: Ends::WireGuardGo },
    Contestant { name: "handfast", group: Group::Headline, ends: Ends::Handfast(Parts::DEFAULT) },
    Contestant {
        name: "openvpn-sid",
        group: Group::Peers,
        ends: Ends::OpenVpn(Version::Sid, Transport::Udp),
    },
    Contestant {
        name: "handfast+openvpn-client",
        group: Group::Peers,
        ends: Ends::HandfastWithStockClient,
    },
    Contestant {
        name: "openvpn+handfast-client",
        group: Group::Peers,
        ends: Ends::StockWithHandfastClient,
    },
    Contestant {
        name: "handfast-chacha20",
        group: Group::Ciphers,
        ends: Ends::Handfast(Parts { cipher: "CHACHA20-POLY1305", ..Parts::DEFAULT }),
    },
    Contestant {
        name: "handfast-without-tun",
        group: Group::Fallbacks,
        ends: Parts::without("tun"),
    },
    Contestant {
        name: "handfast-without-tun-udp",
        group: Group::Fallbacks,
        ends: Parts::without("tun-udp"),
    },
    Contestant {
        name: "handfast-without-gso",
        group: Group::Fallbacks,
        ends: Parts::without("gso"),
    },
    Contestant {
        name: "handfast-without-gro",
        group: Group::Fallbacks,
        ends: Parts::without("gro"),
    },
    Contestant {
        name: "handfast-without-all",
        group: Group::Fallbacks,
        ends: Parts::without("all"),
    },
    Contestant {
        name: "openvpn-tcp",
        group: Group::Tcp,
        ends: Ends::OpenVpn(Version::Installed, Transport::Tcp),
    },
    Contestant {
        name: "handfast-tcp",
        group: Group::Tcp,
        ends: Ends::Handfast(Parts { transport: Transport::Tcp, ..Parts::DEFAULT }),
    },
];
