//! What a connection has carried and lost, for whoever asks while it runs.
//!
//! The figures are those of one connection: its data worker counts from zero, so a connection that was
//! made again has none of the former's. Nothing here names a peer, a key or what was carried.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use engine::DataFigures;
use pki::Timestamp;

/// The statistics of a connection that is up. Display writes one line, with bytes of whole datagrams
/// and nothing of what is zero.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// The server's address.
    pub server: SocketAddr,
    /// When data began to flow.
    pub since: Timestamp,
    /// How long ago that is.
    pub lasting: Duration,
    /// How often keys were renewed.
    pub renewals: u64,
    /// What the data worker counted.
    pub figures: DataFigures,
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (total, seconds) = (self.figures.total, self.lasting.as_secs());
        write!(f, "connected to {} since {} ({seconds} s), ", self.server, self.since)?;
        write!(f, "keys renewed {} times; ", self.renewals)?;
        write!(f, "received {} packets, {} bytes; ", total.rx_packets, total.rx_bytes)?;
        write!(f, "sent {} packets, {} bytes; ", total.tx_packets, total.tx_bytes)?;
        write!(f, "dropped: {}; ", in_words(&self.figures.losses()))?;
        write!(f, "handed over: {}; ", self.figures.handed_over)?;
        match self.figures.offloads {
            Some(offloads) => write!(f, "{offloads}"),
            None => f.write_str("the data worker does not answer"),
        }
    }
}

/// `forged 2, send_errors 1`.
fn in_words(losses: &BTreeMap<&'static str, u64>) -> String {
    let seen = losses.iter().filter(|(_, count)| **count > 0);
    let seen: Vec<String> = seen.map(|(cause, count)| format!("{cause} {count}")).collect();
    if seen.is_empty() { "none".to_owned() } else { seen.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Progress;
    use clock::Now;

    #[test]
    fn statistics_are_one_line_that_names_what_was_lost_and_nothing_else() {
        let figures = DataFigures { send_errors: 2, tun_errors: 1, ..DataFigures::default() };
        let statistics = Statistics {
            server: ([192, 0, 2, 1], 1194).into(),
            since: Timestamp::from_unix_secs(1_700_000_000),
            lasting: Duration::from_millis(61_900),
            renewals: 12,
            figures,
        };
        assert_eq!(
            Progress::Statistics(Some(Box::new(statistics))).to_string(),
            "statistics: connected to 192.0.2.1:1194 since 2023-11-14 22:13:20 UTC (61 s), keys \
             renewed 12 times; received 0 packets, 0 bytes; sent 0 packets, 0 bytes; dropped: \
             send_errors 2, tun_errors 1; handed over: 0; the data worker does not answer"
        );
        assert_eq!(Progress::Statistics(None).to_string(), "statistics: not connected");
        let now = Now { boot: Duration::ZERO, wall: Duration::from_secs(1_700_000_000) };
        let line = Progress::Statistics(None).at(now).to_string();
        assert_eq!(line, "2023-11-14 22:13:20 UTC: statistics: not connected");
    }
}
