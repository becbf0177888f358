//! The CA's commands as typed: its key, its certificates, and what it says to everybody.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Issue a certificate; the key is made here, or elsewhere and comes with a CSR
    Issue {
        /// A server's host name or address, or what else it is to be called
        name: String,
        /// Further host names and addresses of a server
        #[arg(long = "san", value_name = "HOST", value_delimiter = ',')]
        hosts: Vec<String>,
        /// What it is good for: to be reached, to reach others, or both (peer)
        #[arg(long, value_enum, default_value_t = UsageWord::Server)]
        profile: UsageWord,
        /// How long it lives [default: cert.validity_days, which is also the most]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
        #[command(flatten)]
        key: CertKey,
    },
    /// List all names that have certificates
    List,
    /// Show a name's certificates
    Show { name: String },
    /// Issue one more for the same hosts; the former is revoked some days later
    Renew {
        name: String,
        #[command(flatten)]
        key: CertKey,
    },
    /// Revoke a name's certificates
    Revoke {
        name: String,
        /// Why; it stands in the CRL
        #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
        reason: Reason,
    },
}

/// Where the key comes from, and where files go.
#[derive(Debug, Args)]
pub(crate) struct CertKey {
    /// Certify the key in this CSR ("-" reads stdin) instead of making one
    #[arg(long, value_name = "FILE")]
    pub(crate) csr: Option<PathBuf>,
    /// Which kind of key to make
    #[arg(long, value_enum, default_value_t = KeyWord::P256, conflicts_with = "csr")]
    pub(crate) key: KeyWord,
    /// Where to write NAME.crt and NAME.key
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageWord {
    Server,
    Client,
    Peer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyWord {
    P256,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reason {
    Unspecified,
    KeyCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Crl {
    /// Show the CRL
    Show {
        /// The CRL itself, as PEM
        #[arg(long, conflicts_with = "json")]
        pem: bool,
    },
    /// Fetch CRLs from where they are published
    Fetch(CrlFetch),
}

#[derive(Debug, Args)]
pub(crate) struct CrlFetch {
    /// Where it is published, or a certificate that says so
    #[arg(value_name = "URL|CERT", required = true)]
    pub(crate) what: Vec<String>,
    /// Take only what a trusted CA signed and is in its time
    #[arg(long)]
    pub(crate) verify: bool,
    /// The CAs' certificates [default: the data folder's CA]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Keep this PEM file fresh: of each CA the CRL that was signed last, verified
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ocsp {
    /// Ask everybody whom a certificate names, and show what each of them says
    Ask(OcspAsk),
}

#[derive(Debug, Args)]
pub(crate) struct OcspAsk {
    /// A certificate's file, or a TLS server
    #[arg(value_name = "CERT|HOST:PORT")]
    pub(crate) what: String,
    /// The CA's certificate [default: the data folder's CA, and what the server sends]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Ask this responder, whatever the certificate names
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ca {
    /// Show the certificates and figures of all CAs, the one that signs first
    Show,
    /// Have another CA take this one's place, without locking anybody out
    #[command(subcommand)]
    Rollover(Rollover),
    /// Seal the CA's key on the disk, with a passphrase if nothing else is named; the gateway must be stopped
    Seal {
        /// The secret stands in this file, which the gateway reads at each start
        #[arg(long, value_name = "FILE", conflicts_with = "credential")]
        key_file: Option<PathBuf>,
        /// The service manager hands the secret over under this name (LoadCredential=)
        #[arg(long, value_name = "NAME", requires = "secret")]
        credential: Option<String>,
        /// What the service manager will hand over
        #[arg(long, value_name = "FILE", requires = "credential")]
        secret: Option<PathBuf>,
    },
    /// Write the CA's key in the clear again; the gateway must be stopped
    Unseal {
        /// What it was sealed with, where that is neither typed nor found where it was said to be
        #[arg(long, value_name = "FILE")]
        secret: Option<PathBuf>,
    },
    /// Open the CA's key for the running gateway, by its passphrase
    Unlock,
    /// Give the certificates of all CAs that are trusted as PEM, the one that signs first
    Export {
        /// Write it to a file instead of the terminal
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rollover {
    /// Make another CA, which signs from here on; both are trusted
    Start,
    /// Show who has moved to the new CA, and who has not
    Status,
    /// Trust the former CA no longer
    Finish {
        /// Also where somebody has not moved, who is kept out then
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// Say what is signed
    #[arg(long)]
    pub(crate) log: bool,
    /// Where the keys are
    pub(crate) keys: PathBuf,
    /// The records
    pub(crate) records: PathBuf,
}
