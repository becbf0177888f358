//! What is wrong with a profile, where, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use pki::{AnchorError, IdentityError, PemError, Timestamp};
use wire::config::ConfigError;

/// The profile, or a file it names, can't be used. Whoever made or edited it has to mend it.
#[derive(Debug)]
pub struct ProfileError {
    /// The profile.
    pub file: PathBuf,
    /// The line, counted from 1, where one is to blame.
    pub line: Option<usize>,
    /// What is wrong.
    pub kind: ProfileErrorKind,
    /// What else is wrong, in the order of its lines.
    pub more: Vec<(usize, ProfileErrorKind)>,
}

/// What is wrong with a profile.
#[derive(Debug)]
pub enum ProfileErrorKind {
    /// It can't be read.
    Unreadable(io::Error),
    /// Nothing in it is of a profile; none of its words is shown, since it may hold secrets.
    NotAProfile,
    /// It does not follow the grammar.
    Grammar(ConfigError),
    /// A directive that no client knows.
    Unknown(String),
    /// A directive that asks for what this client does not do yet.
    NotYet(String, NotYet),
    /// A directive with the wrong arguments.
    BadArguments {
        /// Its name.
        directive: String,
        /// How it is written.
        usage: &'static str,
    },
    /// A directive that has to be there is missing.
    Missing(&'static str),
    /// A directive needs a file or an inline block.
    NoMaterial(&'static str),
    /// A file that the profile names can't be read.
    FileUnreadable {
        /// What it should hold.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The CA's certificate can't be read.
    BadCa(PemError),
    /// The CA's certificate can't be trusted as one.
    UnusableCa(AnchorError),
    /// The own certificate and key do not make an identity.
    BadIdentity(IdentityError),
    /// The tls-auth key can't be read.
    BadStaticKey(String),
    /// The own certificate's time is over.
    Expired {
        /// Since when.
        at: Timestamp,
        /// This machine's clock.
        now: Timestamp,
    },
    /// TLS could not be set up.
    Tls(String),
}

/// What a directive would need that this client does not do yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// OpenVPN through a proxy.
    Proxy,
    /// tls-crypt and tls-crypt-v2.
    ControlProtection,
    /// User name and password.
    Passwords,
    /// Ethernet frames.
    Tap,
    /// A script or a plugin.
    Script,
    /// Compression, or the framing for it.
    Compression,
    /// Data ciphers that are none of ours.
    Cipher,
    /// A setting for one of several servers.
    PerServer,
    /// Keys in other places than PEM text.
    KeyStore,
    /// A narrower or another check of certificates or TLS.
    TlsPolicy,
    /// Anything else.
    Other,
}

impl NotYet {
    /// What to do about it.
    pub fn mend(self) -> &'static str {
        match self {
            Self::Proxy => "no proxy is used; connect directly, over UDP or TCP",
            Self::ControlProtection => {
                "only tls-auth is understood; ask for a profile with a <tls-auth> key"
            }
            Self::Passwords => {
                "there are certificates but no passwords yet; ask for a profile with a certificate"
            }
            Self::Tap => "only IP tunnels are supported; ask for a profile with `dev tun`",
            Self::Script => {
                "no script is ever run; remove the line (name servers are set without a script)"
            }
            Self::Compression => {
                "compression is not supported, as it betrays what is encrypted; remove the line \
                 here and at the server"
            }
            Self::Cipher => {
                "none of these data ciphers is spoken here, and none with CBC; write `data-ciphers \
                 AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305`, of which the server must allow one"
            }
            Self::PerServer => {
                "it is read outside of <connection> blocks only, for all servers; move it there"
            }
            Self::KeyStore => "put ca, cert and key into the profile as PEM text, or beside it",
            Self::TlsPolicy => "it would narrow what is accepted and can't be honoured; remove it",
            Self::Other => "remove the line, if the server does not need it",
        }
    }
}

impl ProfileError {
    pub(crate) fn new(file: &Path, line: Option<usize>, kind: ProfileErrorKind) -> Self {
        Self { file: file.to_owned(), line, kind, more: Vec::new() }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.kind)?;
        for (line, kind) in self.more.iter().take(MOST_SHOWN) {
            write!(f, "; line {line}: {kind}")?;
        }
        match self.more.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            rest => write!(f, "; and {rest} lines more"),
        }
    }
}

impl fmt::Display for ProfileErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => {
                write!(f, "the profile can't be read ({error}); check the path and its permissions")
            }
            Self::NotAProfile => f.write_str(
                "this is no OpenVPN profile; give the .ovpn file that whoever runs the gateway made",
            ),
            Self::Grammar(error) => error.fmt(f),
            Self::Unknown(name) if !is_plain(name) => {
                f.write_str("this is no directive of a client; remove the line")
            }
            Self::Unknown(name) => write!(
                f,
                "{name:?} is no directive of a client; correct it, or put `setenv opt ` before it \
                 if it may be left out"
            ),
            Self::NotYet(name, why) => write!(f, "`{name}` is not supported: {}", why.mend()),
            Self::BadArguments { directive, usage } => {
                write!(f, "`{directive}` is not written like this; write `{usage}`")
            }
            Self::Missing(name) => {
                write!(f, "the profile has no `{name}`; fetch it again from whoever made it")
            }
            Self::NoMaterial(name) => {
                write!(f, "`{name}` names neither a file nor has a <{name}> block")
            }
            Self::FileUnreadable { what, path, source } => write!(
                f,
                "{what} can't be read from {} ({source}); put the file there, beside the profile \
                 if the path has no folder",
                path.display()
            ),
            Self::BadCa(error) => write!(f, "the CA's certificate: {error}"),
            Self::UnusableCa(error) => write!(f, "the CA's certificate: {error}"),
            Self::BadIdentity(error) => error.fmt(f),
            Self::BadStaticKey(error) => {
                write!(f, "the tls-auth key: {error}; copy it again, with its first and last line")
            }
            Self::Expired { at, now } => write!(
                f,
                "your certificate expired on {at} (this machine's clock says {now}); fetch a new \
                 profile with `handfast profile NAME --renew` at the gateway, or set the clock"
            ),
            Self::Tls(error) => write!(f, "TLS can't be set up from this profile: {error}"),
        }
    }
}

/// A word that could be a directive of another program; a line of a key is none.
fn is_plain(name: &str) -> bool {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    letters && name.len() <= LONGEST_NAME
}

const MOST_SHOWN: usize = 20;
const LONGEST_NAME: usize = 32;

impl Error for ProfileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            ProfileErrorKind::Unreadable(source)
            | ProfileErrorKind::FileUnreadable { source, .. } => Some(source),
            ProfileErrorKind::Grammar(source) => Some(source),
            ProfileErrorKind::BadCa(source) => Some(source),
            ProfileErrorKind::UnusableCa(source) => Some(source),
            ProfileErrorKind::BadIdentity(source) => Some(source),
            _ => None,
        }
    }
}
