//! Who is spoken to in a capture, for whoever asks for somebody else. Nothing is decoded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::SocketAddr;

use super::flows::{MOST_OTHERS, Pair, pair};
use super::layers::{Carried, Carrier, carried};
use super::{CaptureError, frames};
use crate::openvpn::Session;

/// Who was spoken to first in conversations of a capture, and over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answerer {
    /// Its address.
    pub at: SocketAddr,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// How many conversations began so.
    pub conversations: usize,
}

/// Who is spoken to in a capture, the busiest first: over TCP by whatever connection began in it, over UDP by what begins
/// like OpenVPN. Of very many conversations some are not counted.
///
/// # Errors
/// As [`super::read`].
pub fn answerers(source: impl Read + Send) -> Result<Vec<Answerer>, CaptureError> {
    let mut begun: BTreeSet<Pair> = BTreeSet::new();
    let mut counts: BTreeMap<(SocketAddr, &'static str), usize> = BTreeMap::new();
    frames::each(source, |frame| {
        let Some(carried) = carried(frame) else { return };
        let Some(transport) = begins(&carried) else { return };
        if begun.len() < MOST_OTHERS && begun.insert(pair(&carried, transport == TCP)) {
            *counts.entry((carried.to, transport)).or_default() += 1;
        }
    })?;
    let answerer = |((at, transport), conversations)| Answerer { at, transport, conversations };
    let mut all: Vec<Answerer> = counts.into_iter().map(answerer).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.conversations));
    Ok(all)
}

/// Over what a conversation begins with this, if one does.
fn begins(carried: &Carried<'_>) -> Option<&'static str> {
    match carried.kind {
        Carrier::Tcp { syn, acknowledged, .. } => (syn && acknowledged.is_none()).then_some(TCP),
        Carrier::Udp => Session::begins(carried.payload).then_some("udp"),
    }
}

const TCP: &str = "tcp";
