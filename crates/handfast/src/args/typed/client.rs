//! A client's commands as typed, those among them that the program starts itself, and the load.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Install nothing, show what can be shown
    #[arg(long)]
    pub(crate) no_install: bool,
    /// Where to leave a page with alice's handshake, step by step
    #[arg(long, value_name = "FILE.html")]
    pub(crate) page: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The profile
    #[arg(value_name = "FILE.ovpn")]
    pub(crate) profile: PathBuf,
    /// Where what has to be undone is recorded, if not in the usual place
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Begin each line with the time
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Whether the server's CA has to say that its certificate still holds
    #[arg(long, value_enum, default_value_t = RevocationWord::Require)]
    pub(crate) revocation: RevocationWord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RevocationWord {
    /// Wherever the certificate names an address for that
    Require,
    /// The same, but go on with a warning where nobody answers
    Prefer,
    /// Don't look
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectGuard {
    /// The client's record
    pub(crate) state: PathBuf,
    /// The former /etc/resolv.conf
    pub(crate) dns_backup: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// A folder of profiles, one session each, or one profile
    #[arg(value_name = "PROFILES")]
    pub(crate) profiles: PathBuf,
    /// How many sessions; profiles take turns [default: one for each profile]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) sessions: Option<u16>,
    /// The server, whatever the profiles say
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) server: Option<SocketAddr>,
    /// Handshakes at once, at most
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) at_once: u16,
    /// New sessions a second, at most [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// How long to hold the sessions, keepalives answered
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) hold: u32,
    /// Send packets through them for so long, each size
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) packets: u32,
    /// Bytes of a packet inside the tunnel, with its IP header
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_value = "64,512,1300")]
    #[arg(value_parser = clap::value_parser!(u16).range(28..=1500))]
    pub(crate) size: Vec<u16>,
    /// Packets a second through all sessions together [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) packet_rate: Option<u32>,
    /// Who answers the packets [default: the server's address in the tunnel]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<Ipv4Addr>,
}
