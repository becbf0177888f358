//! `handfast connect` as a client.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sysio::lab::Host;

use crate::world::binary;
use crate::{Program, wait_until};

/// A running client of ours.
#[derive(Debug)]
pub struct Own(pub Program);

impl Own {
    /// Starts `handfast connect PROFILE` on `host`.
    pub fn start(host: &Host, profile: &Path) -> Self {
        Self::start_without("", host, profile)
    }

    /// The same, with further arguments.
    pub fn start_with(arguments: &[&str], host: &Host, profile: &Path) -> Self {
        Self::start_as("", arguments, host, profile)
    }

    /// The same, without parts of the offload (`HANDFAST_WITHOUT`).
    pub fn start_without(parts: &str, host: &Host, profile: &Path) -> Self {
        Self::start_as(parts, &[], host, profile)
    }

    fn start_as(parts: &str, arguments: &[&str], host: &Host, profile: &Path) -> Self {
        let folder = profile.parent().unwrap_or(Path::new("."));
        let mut command = Command::new(binary());
        command.arg("connect").arg(profile).arg("--state").arg(folder.join("state"));
        command.args(arguments);
        command.env("HANDFAST_WITHOUT", parts);
        match Program::start(&host.netns, command, &folder.join("connect.log")) {
            Ok(program) => Self(program),
            Err(error) => panic!("handfast connect did not start: {error}"),
        }
    }

    /// Waits until the tunnel is up; panics with the log where it does not come up.
    pub fn connected(&mut self) {
        let up = self.0.says("connected to", Duration::from_secs(20));
        assert!(up, "our client did not connect:\n{}", self.0.log());
    }

    /// Asks for its statistics; panics with the log where none come.
    pub fn statistics(&mut self) -> Said {
        let said = |log: &str| -> Vec<String> {
            let lines = log.lines().filter(|line| line.starts_with("statistics: "));
            lines.map(str::to_owned).collect()
        };
        let before = said(&self.0.log()).len();
        self.0.signal("USR2");
        let more = wait_until(Duration::from_secs(10), || said(&self.0.log()).len() > before);
        assert!(more, "our client tells no statistics:\n{}", self.0.log());
        said(&self.0.log()).pop().and_then(Said::parse).expect("statistics of a connection")
    }
}

/// The statistics of a connection, in the client's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The whole line.
    pub line: String,
    /// How often keys were renewed.
    pub renewals: u64,
    /// What was dropped, by cause; causes without a drop are left out.
    pub dropped: BTreeMap<String, u64>,
}

impl Said {
    fn parse(line: String) -> Option<Self> {
        let between = |from: &str, to: &str| line.split_once(from)?.1.split_once(to).map(|p| p.0);
        let renewals = between("keys renewed ", " times")?.parse().ok()?;
        let drops = between("dropped: ", ";")?.split(", ").filter(|drop| *drop != "none");
        let drop = |drop: &str| {
            let (cause, count) = drop.split_once(' ')?;
            Some((cause.to_owned(), count.parse().ok()?))
        };
        let dropped = drops.map(drop).collect::<Option<_>>()?;
        Some(Self { renewals, dropped, line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_words_are_understood() {
        let said = |dropped: &str| {
            Said::parse(format!(
                "statistics: connected, keys renewed 12 times; dropped: {dropped};"
            ))
        };
        let none = said("none").expect("statistics");
        assert_eq!((none.renewals, none.dropped.len()), (12, 0));
        let two = said("forged 2, no_seal_key 1").expect("statistics");
        assert_eq!((two.dropped["forged"], two.dropped["no_seal_key"]), (2, 1));
        assert_eq!(Said::parse("statistics: not connected".to_owned()), None);
    }
}
