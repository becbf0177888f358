//! What a running client tells its caller. Display writes one line for people.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clock::Now;
use pki::Timestamp;
use sysio::Network;
use wire::cipher::Cipher;

use crate::Statistics;
use crate::profile::values::Remote;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A server is tried.
    Connecting {
        /// As the profile names it.
        remote: Remote,
        /// The address that is tried.
        address: SocketAddr,
    },
    /// The tunnel is up.
    Connected(Connected),
    /// The keys were renewed.
    Renegotiated,
    /// Somebody asked for the statistics; there are none while no tunnel is up.
    Statistics(Option<Box<Statistics>>),
    /// The connection is over and is made again after a pause.
    Reconnecting {
        /// Why it ended, or did not come up.
        why: String,
        /// The pause.
        pause: Duration,
    },
    /// This machine changed its network, and the same session goes on from there.
    Moved {
        /// The interface that now leads to the server.
        interface: String,
    },
    /// Something is not as it should be, and it goes on.
    Warning(Warning),
    /// It is over, and everything is undone.
    Ended(EndedBy),
}

/// A tunnel that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The server's address.
    pub server: SocketAddr,
    /// The interface.
    pub interface: String,
    /// Our addresses in the tunnel.
    pub addresses: Vec<IpAddr>,
    /// The data channel's cipher.
    pub cipher: Option<Cipher>,
    /// Whether the interface stayed as it was, since the server wants the same as before.
    pub unchanged: bool,
}

/// Why a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// It was asked to.
    Request,
    /// It gave up; the error that follows says why.
    GivingUp,
}

/// Something is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A directive without effect here.
    PassedOver {
        /// Its line in the profile.
        line: usize,
        /// Its name.
        directive: String,
    },
    /// A data cipher that is none of ours, and that counts for old servers only.
    CipherPassedOver {
        /// Its line in the profile.
        line: usize,
    },
    /// Other users of this machine may read a secret.
    Exposed {
        /// The file that holds it.
        path: PathBuf,
    },
    /// The own certificate ends soon.
    ExpiresSoon {
        /// When.
        at: Timestamp,
    },
    /// The own certificate's time is over, or this machine's clock is wrong.
    Expired {
        /// Since when.
        at: Timestamp,
        /// This machine's clock.
        now: Timestamp,
    },
    /// The own certificate begins later, or this machine's clock is wrong.
    NotYetValid {
        /// When it begins.
        from: Timestamp,
        /// This machine's clock.
        now: Timestamp,
    },
    /// Control packets are not protected.
    NoTlsAuth,
    /// A pushed option that can't be honoured.
    OptionIgnored {
        /// Its text.
        option: String,
        /// Why.
        why: &'static str,
    },
    /// A setting of this machine could not be made.
    NotSet(String),
    /// Another program had overwritten the name servers, or another tunnel had them; they are set.
    NamesSetAgain,
    /// Another tunnel has the name servers.
    NamesTaken,
    /// A network behind the gateway is one that this machine is in, or has another route to.
    OwnNetwork(Network),
    /// No network leads to the server.
    NoNetwork,
    /// What a killed client left behind was mended.
    Mended(String),
    /// What should be undone could not be.
    NotUndone(String),
    /// Nobody could be asked whether the server's certificate was revoked: it names no address, and the server
    /// sent nothing along that counts.
    NobodyToAsk {
        /// Why what it sent along does not count.
        staple: Option<String>,
    },
    /// Nobody answered whether the server's certificate was revoked, and the settings let it pass.
    StandingNotKnown {
        /// What was tried.
        why: String,
    },
    /// By the settings nobody looks whether the server's certificate was revoked.
    StandingNotLookedAt,
    /// A server's name was not found.
    NotFound {
        /// As the profile names it.
        remote: Remote,
        /// What the resolver said.
        why: String,
    },
}

impl Progress {
    /// The line for people with a moment before it: `2026-11-25 18:20:07 UTC: keys renewed`.
    pub fn at(&self, now: Now) -> impl fmt::Display {
        format!("{}: {self}", Timestamp::from(now))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting { remote, address } if remote.to_string() == address.to_string() => {
                write!(f, "connecting to {address}")
            }
            Self::Connecting { remote, address } => {
                write!(f, "connecting to {remote} at {address}")
            }
            Self::Connected(connected) => connected.fmt(f),
            Self::Renegotiated => f.write_str("keys renewed"),
            Self::Statistics(None) => f.write_str("statistics: not connected"),
            Self::Statistics(Some(statistics)) => write!(f, "statistics: {statistics}"),
            Self::Reconnecting { why, pause } if pause.is_zero() => {
                write!(f, "reconnecting at once: {why}")
            }
            Self::Reconnecting { why, pause } => {
                write!(f, "reconnecting in {} s: {why}", pause.as_secs())
            }
            Self::Moved { interface } => {
                write!(f, "the network changed; the connection goes on by {interface}")
            }
            Self::Warning(warning) => write!(f, "warning: {warning}"),
            Self::Ended(_) => {
                f.write_str("disconnected; addresses, routes and name servers are as before")
            }
        }
    }
}

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connected to {} by {}", self.server, self.interface)?;
        for (index, address) in self.addresses.iter().enumerate() {
            write!(f, "{} {address}", if index == 0 { " as" } else { " and" })?;
        }
        if let Some(cipher) = self.cipher {
            write!(f, ", {cipher}")?;
        }
        if self.unchanged { f.write_str(", settings unchanged") } else { Ok(()) }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PassedOver { line, directive } => {
                write!(f, "`{directive}` in line {line} of the profile has no effect here")
            }
            Self::CipherPassedOver { line } => write!(
                f,
                "the `cipher` in line {line} of the profile has no effect here: no cipher with CBC is \
                 spoken, the server has to allow one of `data-ciphers`"
            ),
            Self::Exposed { path } => write!(
                f,
                "{0} holds a key, and other users of this machine may read it: chmod 600 {0}",
                path.display()
            ),
            Self::ExpiresSoon { at } => {
                write!(f, "your certificate expires on {at}; fetch a new profile before that")
            }
            Self::Expired { at, now } => write!(
                f,
                "your certificate expired on {at}, and this machine's clock says {now}; fetch a new \
                 profile, or set the clock"
            ),
            Self::NotYetValid { from, now } => write!(
                f,
                "your certificate is valid from {from} on, and this machine's clock says {now}; \
                 check the clock"
            ),
            Self::NoTlsAuth => f.write_str(
                "the profile has no tls-auth key, so strangers can disturb the handshake",
            ),
            Self::OptionIgnored { option, why } => write!(f, "pushed `{option}` is ignored: {why}"),
            Self::NamesSetAgain => f.write_str("the tunnel's name servers are set again"),
            Self::NamesTaken => f.write_str(
                "another tunnel has set the name servers; this one's are set when that one ends",
            ),
            Self::OwnNetwork(network) => write!(
                f,
                "{network} is also a network of this machine, or another program's route leads there, \
                 and that route stays: what has such addresses behind the gateway can't be reached"
            ),
            Self::NoNetwork => f.write_str("no network leads to the server; waiting for one"),
            Self::NotSet(what) | Self::NotUndone(what) => f.write_str(what),
            Self::Mended(what) => write!(f, "a killed client's leftovers are mended: {what}"),
            Self::NobodyToAsk { staple } => {
                f.write_str(
                    "whether the server's certificate was revoked can't be asked: it names no address",
                )?;
                staple
                    .as_ref()
                    .map_or(Ok(()), |why| write!(f, "; what the server sent along: {why}"))
            }
            Self::StandingNotKnown { why } => write!(
                f,
                "it is not known whether the server's certificate was revoked, and the connection goes on all \
                 the same: {why}"
            ),
            Self::StandingNotLookedAt => {
                f.write_str("nobody looks whether the server's certificate was revoked")
            }
            Self::NotFound { remote, why } => write!(f, "{remote} was not found: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_the_time_where_that_is_wanted() {
        let now = Now { boot: Duration::from_secs(9), wall: Duration::from_secs(1_800_000_000) };
        let line = Progress::Renegotiated.to_string();
        let expected = format!("2027-01-15 08:00:00 UTC: {line}");
        assert_eq!(Progress::Renegotiated.at(now).to_string(), expected);
    }
}
