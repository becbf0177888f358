//! `handfast explain`: handshakes in words.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Explain {
    /// What a capture file holds: TLS, and OpenVPN over UDP and TCP
    Capture(ExplainCapture),
    /// A handshake of our own with a TLS server
    Tls(ExplainTls),
    /// Handshakes of our own with the VPN gateways of a profile, one after the other until one lets us in; no tunnel is made
    Vpn(ExplainVpn),
    /// An open session of the running gateway, with its keys as they are
    Session(ExplainSession),
    /// A connection that the running gateway refused, and why
    Failure(ExplainFailure),
    /// A handshake in throw-away networks, told by its gateway: nothing has to be set up for it
    Demo(ExplainDemo),
    /// The first step at which two stories part (files that --format json wrote), as term, html or json
    Diff(ExplainDiff),
}

#[derive(Debug, Args)]
pub(crate) struct ExplainDiff {
    /// One story
    #[arg(value_name = "STORY.json")]
    pub(crate) a: PathBuf,
    /// Another
    #[arg(value_name = "STORY.json")]
    pub(crate) b: PathBuf,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainCapture {
    /// A .pcap or .pcapng file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Secrets of the connections in it, as programs write them to SSLKEYLOGFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
    /// A tls-auth key, or a profile with one, to check OpenVPN's packets with
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_auth: Vec<PathBuf>,
    /// Only what has this address, port or both at either end: 192.0.2.1, :443, 192.0.2.1:443, [2001:db8::1]:443
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) only: Option<String>,
    /// Open the tunnels' packets too, which needs --keylog, and write them to this new capture file
    #[arg(long, value_name = "NEW.pcap", requires = "keylog")]
    pub(crate) open_data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainTls {
    /// The server; smtp://HOST, imap://HOST and the like begin with STARTTLS
    #[arg(value_name = "[PROTOCOL://]HOST:PORT")]
    pub(crate) server: String,
    /// The name to ask for, if not the host
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Begin in the clear, as this protocol does: as PROTOCOL:// before the host
    #[arg(long, value_name = "PROTOCOL")]
    pub(crate) starttls: Option<String>,
    /// Show this device's certificate if the server asks for one
    #[arg(long = "as", value_name = "FILE.ovpn|USER/DEVICE")]
    pub(crate) device: Option<PathBuf>,
    /// Ask the CA whether the server's certificate still holds, by OCSP and by its list, where it says to
    #[arg(long)]
    pub(crate) ask: bool,
    /// Ask for the head of the first page, for the line of HSTS [default: on port 443]
    #[arg(long)]
    pub(crate) http: bool,
    /// The CAs that a client would trust [default: this system's, and the data folder's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keep: Keep,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainVpn {
    /// The profile
    #[arg(value_name = "FILE.ovpn")]
    pub(crate) profile: PathBuf,
    #[command(flatten)]
    pub(crate) keep: Keep,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

/// What a handshake of our own leaves behind, beside its story.
#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// Also write what was sent and received to this new capture file, for `explain capture` and others
    #[arg(long, value_name = "NEW.pcap")]
    pub(crate) capture: Option<PathBuf>,
    /// Also write the secrets of TLS to this new file, in the form of SSLKEYLOGFILE: whoever has it reads all that was said
    #[arg(long, value_name = "NEW.keys")]
    pub(crate) keylog: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainDemo {
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainSession {
    /// Its number in `sessions`, or whose it is
    #[arg(value_name = "NUMBER|USER/DEVICE")]
    pub(crate) session: String,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainFailure {
    /// Its number in `status`, or a reason [default: the last one]
    #[arg(value_name = "NUMBER|REASON")]
    pub(crate) event: Option<String>,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

/// In which shape a story is given.
#[derive(Debug, Args)]
pub(crate) struct Shape {
    /// As what [default: term, or json with --json]
    #[arg(long, value_enum)]
    pub(crate) format: Option<FormatWord>,
    /// Where to write it, instead of printing it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Only what it was, the step at which it broke, why, and what mends it
    #[arg(long, conflicts_with = "format")]
    pub(crate) short: bool,
    /// How wide text may be
    #[arg(long, value_name = "COLUMNS", default_value_t = 80)]
    pub(crate) text_width: usize,
}

/// What a story is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatWord {
    /// Text for a terminal
    Term,
    /// Pictures: who says what to whom, and how long the keys live
    Svg,
    /// One page that needs no network
    Html,
    /// For programs
    Json,
    /// Text of a diagram for Mermaid
    Mermaid,
}
