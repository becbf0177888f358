//! The servers of a profile, gathered line by line: lines that come later may say what earlier ones left
//! open.
//!
//! Invariant: as soon as there is a `<connection>` block, remotes outside of blocks do not count.

use std::hash::{BuildHasher, RandomState};

use wire::mtu::Transport;

use super::ProfileError;
use super::arguments::{self, Proto};
use super::line::Line;
use super::values::{Family, Remote};

/// What was read of servers so far.
#[derive(Default)]
pub(super) struct Servers {
    outside: Vec<Pending>,
    blocks: Vec<Pending>,
    /// What holds for remotes that do not say it.
    pub(super) port: Option<u16>,
    pub(super) proto: Option<Proto>,
    pub(super) random_order: bool,
}

/// A remote before the defaults that stand outside of it are known.
pub(super) struct Pending {
    host: String,
    port: Option<u16>,
    proto: Option<Proto>,
}

impl Servers {
    pub(super) fn take_remote(&mut self, line: Line<'_>) -> Result<(), ProfileError> {
        self.outside.push(Pending::read(line)?);
        Ok(())
    }

    /// A block's remote, with what the block says beside it.
    pub(super) fn take_block(&mut self, remote: Pending, port: Option<u16>, proto: Option<Proto>) {
        let (port, proto) = (remote.port.or(port), remote.proto.or(proto));
        self.blocks.push(Pending { port, proto, ..remote });
    }

    /// The servers in the order in which they are tried.
    pub(super) fn complete(self) -> Vec<Remote> {
        let chosen = if self.blocks.is_empty() { self.outside } else { self.blocks };
        let complete = chosen.into_iter().map(|pending| {
            let (transport, family) =
                pending.proto.or(self.proto).unwrap_or((Transport::Udp, Family::Any));
            let port = pending.port.or(self.port).unwrap_or(DEFAULT_PORT);
            Remote { host: pending.host, port, transport, family }
        });
        let mut remotes: Vec<Remote> = complete.collect();
        if self.random_order {
            shuffle(&mut remotes);
        }
        remotes
    }
}

impl Pending {
    /// A `remote` line.
    pub(super) fn read(line: Line<'_>) -> Result<Self, ProfileError> {
        let usage = "remote HOST [PORT] [udp|tcp]";
        let Some(host) = line.arg(0) else { return line.bad(usage) };
        let port = line.arg(1).map(|_| line.value(1, usage)).transpose()?;
        let proto = line.arg(2).map(|word| arguments::proto(line, Some(word))).transpose()?;
        Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port, proto })
    }
}

/// Any order will do that differs between clients; nothing secret hangs on it.
fn shuffle(remotes: &mut [Remote]) {
    let state = RandomState::new();
    remotes
        .sort_by_cached_key(|remote| state.hash_one((&remote.host, remote.port, remote.transport)));
}

const DEFAULT_PORT: u16 = 1194;
