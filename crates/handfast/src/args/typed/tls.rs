//! `handfast tls`: the gateway's virtual servers, and the client's side of TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::client::RevocationWord;

#[derive(Debug, Subcommand)]
pub(crate) enum Tls {
    /// The gateway's virtual servers: where they are reached, whom they let in, and how many are there
    List,
    /// One of them, with its backends and what became of its requests
    Show(TlsShow),
    /// A local port in the clear, and TLS from there to a remote service
    Connect(TlsConnect),
    /// What a browser would meet at a TLS server, with the mend for each finding
    Test(TlsTest),
}

#[derive(Debug, Args)]
pub(crate) struct TlsShow {
    /// Its first name
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct TlsConnect {
    /// The service; by the STARTTLS of its protocol with smtp://, imap://, postgresql:// and others before it
    #[arg(value_name = "HOST:PORT|PROTOCOL://HOST")]
    pub(crate) target: String,
    /// Where programs of this machine connect to
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// The name that its certificate has to have, if not the host
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The CAs that may vouch for it [default: the profile's, or the data folder's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The one key that it may have, as curl writes it: sha256//BASE64
    #[arg(long, value_name = "PIN")]
    pub(crate) pin: Option<String>,
    /// Show this device's certificate if the service asks for one
    #[arg(long, value_name = "FILE.ovpn", conflicts_with_all = ["cert", "key"])]
    pub(crate) profile: Option<PathBuf>,
    /// Show this certificate if the service asks for one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Whether the service's CA has to say that its certificate still holds
    #[arg(long, value_enum, default_value_t = RevocationWord::Require)]
    pub(crate) revocation: RevocationWord,
}

#[derive(Debug, Args)]
pub(crate) struct TlsTest {
    /// The server; on port 443 if none is named
    #[arg(value_name = "NAME|HOST:PORT")]
    pub(crate) server: String,
    /// The name that a browser would ask for, if not the host
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The CAs that the browser trusts [default: this system's, and the data folder's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Show this device's certificate if the server asks for one
    #[arg(long = "as", value_name = "FILE.ovpn|USER/DEVICE")]
    pub(crate) device: Option<PathBuf>,
}
