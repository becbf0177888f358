//! Whether what a gateway said has arrived, by what its client confirmed: of one that fell silent, that tells a client which
//! does not want to go on from a line that loses packets.

use std::collections::BTreeSet;

use wire::{KeyId, MessageId};

use crate::openvpn::Listed;
use crate::place::Side;

/// A sentence; none where the gateway said nothing that is to be confirmed.
pub(crate) fn at_the_client(packets: &[Listed]) -> Option<String> {
    let of = |side: Side| packets.iter().filter(move |packet| packet.from == side);
    let said: BTreeSet<(KeyId, MessageId)> =
        of(Side::Server).filter_map(|packet| Some((packet.key_id, packet.message?))).collect();
    let confirmed = of(Side::Client)
        .flat_map(|packet| packet.acks.iter().map(|ack| (packet.key_id, ack)))
        .collect();
    let (count, lacking) = (said.len(), said.difference(&confirmed).count());
    Some(match (count, lacking) {
        (0, _) => return None,
        (_, 0) => "the client confirmed each packet that was sent to it: none was lost, and it did not want to go on"
            .to_owned(),
        _ => format!(
            "of {count} packets that were sent to the client it confirmed {}; whether the others came is not known, since a client that gives up confirms nothing more",
            count - lacking
        ),
    })
}
