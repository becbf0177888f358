//! Reads what the TLS door heard of a handshake.

use explain::kept::{Kept, Lack, TlsHandshake};
use explain::{KeyLog, Side};
use front::{End, Overheard};

use super::micros;

/// What is kept of it; nothing where no message is whole. What comes behind a handshake that went well is data.
pub(super) fn keep(heard: &Overheard, went_well: bool) -> Option<Kept> {
    let mut log = KeyLog::default();
    for secret in &heard.secrets {
        log.add(&secret.label, &secret.client_random, &secret.secret);
    }
    let said = heard.pieces.iter().map(|piece| {
        let by = match piece.by {
            End::Client => Side::Client,
            End::Server => Side::Server,
        };
        (micros(piece.at), by, &piece.bytes[..])
    });
    let rest = match (heard.passed_on, went_well) {
        (true, _) => Some(Lack::PassedOn),
        (false, true) => Some(Lack::Inside),
        (false, false) => None,
    };
    let (pieces, after, lacks) = (said.collect(), heard.after, heard.lacks);
    TlsHandshake { pieces, after, went_well, lacks, rest }.keep(log)
}
