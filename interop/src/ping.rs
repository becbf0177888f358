//! The ping program as a measuring instrument.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sysio::Netns;

use crate::{Program, wait_until};

/// A ping that runs while other things happen.
#[derive(Debug)]
pub struct Ping(Program);

/// What a ping counted.
#[derive(Clone, Debug, PartialEq)]
pub struct PingReport {
    /// Requests that left.
    pub sent: u32,
    /// Answers that came.
    pub received: u32,
    /// When the last answer came, in seconds since 1970.
    pub last_answer: Option<f64>,
}

impl PingReport {
    /// Requests without an answer.
    pub fn lost(&self) -> u32 {
        self.sent - self.received
    }
}

impl Ping {
    /// Starts `count` pings, one each `interval`. A busy machine may take longer between two.
    pub fn start(
        netns: &Netns,
        target: IpAddr,
        count: u32,
        interval: Duration,
        log: &Path,
    ) -> std::io::Result<Self> {
        let mut command = Command::new("ping");
        settle(netns, target);
        command.args(["-D", "-n", "-c", &count.to_string()]);
        command.args(["-i", &format!("{:.3}", interval.as_secs_f64())]);
        command.args(["-W", "2", &target.to_string()]);
        Ok(Self(Program::start(netns, command, log)?))
    }

    /// Sends `count` pings, one each `interval`, and counts the answers.
    pub fn run(
        netns: &Netns,
        target: IpAddr,
        count: u32,
        interval: Duration,
        log: &Path,
    ) -> PingReport {
        let ping = Self::start(netns, target, count, interval, log).expect("ping starts");
        ping.finish(interval * count * 3 + Duration::from_secs(10))
    }

    /// Waits for the last ping and reads the count.
    pub fn finish(mut self, limit: Duration) -> PingReport {
        self.0.ends(limit);
        self.0.signal("INT");
        self.0.ends(Duration::from_secs(3));
        parse(&self.0.log())
    }

    /// Ends it now and reads the count.
    pub fn stop(mut self) -> PingReport {
        self.0.signal("INT");
        self.0.ends(Duration::from_secs(3));
        parse(&self.0.log())
    }
}

/// Waits until no IPv6 address is tentative. For some milliseconds after a client has given its
/// interface an address the kernel takes another source, and a gateway has to drop that.
fn settle(netns: &Netns, target: IpAddr) {
    let tentative = |list: String| list.lines().any(is_tentative);
    let read = || fs::read_to_string("/proc/thread-self/net/if_inet6").is_ok_and(tentative);
    if target.is_ipv6() {
        wait_until(Duration::from_secs(3), || !netns.run(read).unwrap_or(false));
    }
}

/// A line of `if_inet6`: address, interface, prefix, scope, flags, name.
fn is_tentative(line: &str) -> bool {
    const IFA_F_TENTATIVE: u32 = 0x40;
    let flags = line.split_whitespace().nth(4);
    flags.is_some_and(|f| u32::from_str_radix(f, 16).is_ok_and(|f| f & IFA_F_TENTATIVE != 0))
}

fn parse(log: &str) -> PingReport {
    let mut report = PingReport { sent: 0, received: 0, last_answer: None };
    for line in log.lines() {
        if let Some(rest) = line.strip_prefix('[')
            && line.contains("bytes from")
        {
            report.last_answer = rest.split(']').next().and_then(|t| t.parse().ok());
        }
        if let Some((sent, rest)) = line.split_once(" packets transmitted, ") {
            report.sent = sent.trim().parse().unwrap_or(0);
            let received = rest.split(' ').next();
            report.received = received.and_then(|n| n.parse().ok()).unwrap_or(0);
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_from_the_programs_words() {
        let log = "[1763000000.250000] 64 bytes from 10.71.0.1: icmp_seq=1 ttl=64 time=0.2 ms\n\
                   \n--- 10.71.0.1 ping statistics ---\n\
                   3 packets transmitted, 1 received, 66% packet loss, time 2003ms\n";
        let report = parse(log);
        assert_eq!((report.sent, report.received, report.lost()), (3, 1, 2));
        assert_eq!(report.last_answer, Some(1_763_000_000.25));
    }
}
