//! TCP's own counters of a namespace.

use std::fs;

use sysio::Netns;

use crate::error::BenchError;

/// Counters of packets that came in the wrong order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Order {
    /// Segments put into the out-of-order queue: the receiver saw a gap.
    pub(super) out_of_order: u64,
    /// Reorderings that the sender learned of by selective acknowledgements.
    pub(super) reordered: u64,
}

impl Order {
    /// Reads now.
    pub(super) fn of(netns: &Netns) -> Result<Self, BenchError> {
        let text = netns.run(|| fs::read_to_string(NETSTAT))?.map_err(BenchError::file(NETSTAT))?;
        Ok(Self {
            out_of_order: counter(&text, "TCPOFOQueue"),
            reordered: counter(&text, "TCPSACKReorder"),
        })
    }
}

/// A counter of the `TcpExt:` table: a line of names, then a line of figures. 0 if it is not there.
fn counter(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (Some(names), Some(figures)) = (lines.next(), lines.next()) else { return 0 };
    let mut pairs = names.split_whitespace().zip(figures.split_whitespace());
    pairs.find(|(n, _)| *n == name).and_then(|(_, figure)| figure.parse().ok()).unwrap_or(0)
}

const NETSTAT: &str = "/proc/thread-self/net/netstat";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_under_its_name() {
        let text = "TcpExt: A TCPOFOQueue B\nTcpExt: 1 42 3\nIpExt: A\nIpExt: 9\n";
        assert_eq!(counter(text, "TCPOFOQueue"), 42);
        assert_eq!(counter(text, "TCPSACKReorder"), 0);
    }
}
