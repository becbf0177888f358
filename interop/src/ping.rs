//! The ping program as a measuring instrument.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sysio::Netns;

use crate::{Program, wait_until};

/// A ping that runs while other things happen.
///
/// The program waits for its last answer two of the longest round trips, or one interval where that is
/// longer: a busy machine takes more without having lost a thing. So it sends some pings more, which
/// don't count.
#[derive(Debug)]
pub struct Ping {
    program: Program,
    /// The pings that count, from the first on.
    count: u32,
}

/// What a ping counted.
#[derive(Clone, Debug, PartialEq)]
pub struct PingReport {
    /// Requests that left.
    pub sent: u32,
    /// Answers that came.
    pub received: u32,
    /// When the last answer came, in seconds since 1970.
    pub last_answer: Option<f64>,
    /// The longest time between two answers.
    pub silence: Duration,
    /// Which request was the last to be answered, from 1.
    pub last: u32,
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
        let more = GRACE.as_millis().div_ceil(interval.as_millis().max(1)) as u32;
        command.args(["-D", "-n", "-c", &(count + more).to_string()]);
        command.args(["-i", &format!("{:.3}", interval.as_secs_f64())]);
        command.args(["-W", "2", &target.to_string()]);
        Ok(Self { program: Program::start(netns, command, log)?, count })
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
        ping.finish((interval * count + GRACE) * 3 + Duration::from_secs(10))
    }

    /// Waits for the last ping and reads the count.
    pub fn finish(mut self, limit: Duration) -> PingReport {
        self.program.ends(limit);
        self.stop()
    }

    /// Ends it now and reads the count.
    pub fn stop(mut self) -> PingReport {
        self.program.signal("INT");
        self.program.ends(Duration::from_secs(3));
        parse(&self.program.log(), self.count)
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

/// Reads what `ping -D` wrote of the first `count` pings.
fn parse(log: &str, count: u32) -> PingReport {
    let silence = Duration::ZERO;
    let mut report = PingReport { sent: 0, received: 0, last_answer: None, silence, last: 0 };
    for line in log.lines() {
        if let Some(rest) = line.strip_prefix('[')
            && line.contains("bytes from")
        {
            let at: Option<f64> = rest.split(']').next().and_then(|t| t.parse().ok());
            let number = line.split_once("icmp_seq=").and_then(|(_, rest)| rest.split(' ').next());
            let number =
                number.and_then(|n| n.parse().ok()).map_or(u32::MAX, |n| near(report.last, n));
            report.received += u32::from(number <= count && !line.ends_with("(DUP!)"));
            if let (Some(before), Some(at)) = (report.last_answer, at) {
                let between = Duration::try_from_secs_f64(at - before).unwrap_or_default();
                report.silence = report.silence.max(between);
            }
            report.last_answer = at;
            report.last = number;
        }
        if let Some((sent, _)) = line.split_once(" packets transmitted, ") {
            report.sent = sent.trim().parse().unwrap_or(0).min(count);
        }
    }
    report
}

/// The number of a ping whose low 16 bits were sent: the one nearest to `last`.
fn near(last: u32, low: u16) -> u32 {
    let ahead = low.wrapping_sub(last as u16) as i16;
    last.checked_add_signed(i32::from(ahead)).unwrap_or(u32::from(low))
}

/// How long the answer to the last ping that counts may take.
const GRACE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_from_the_programs_words() {
        let log = "[1763000000.250000] 64 bytes from 10.71.0.1: icmp_seq=1 ttl=64 time=0.2 ms\n\
                   \n--- 10.71.0.1 ping statistics ---\n\
                   3 packets transmitted, 1 received, 66% packet loss, time 2003ms\n";
        let report = parse(log, 3);
        assert_eq!((report.sent, report.received, report.lost()), (3, 1, 2));
        assert_eq!(report.last_answer, Some(1_763_000_000.25));
    }

    #[test]
    fn an_answer_to_what_was_sent_for_its_time_does_not_count() {
        let log = "[1763000000.250000] 64 bytes from 10.71.0.1: icmp_seq=1 ttl=64 time=0.2 ms\n\
                   [1763000000.260000] 64 bytes from 10.71.0.1: icmp_seq=3 ttl=64 time=0.2 ms\n\
                   [1763000000.270000] 64 bytes from 10.71.0.1: icmp_seq=2 ttl=64 time=21 ms\n\
                   [1763000000.270000] 64 bytes from 10.71.0.1: icmp_seq=2 ttl=64 time=21 ms (DUP!)\n\
                   \n--- 10.71.0.1 ping statistics ---\n\
                   4 packets transmitted, 3 received, +1 duplicates, 25% packet loss, time 32ms\n";
        let report = parse(log, 2);
        assert_eq!((report.sent, report.received, report.lost()), (2, 2, 0));
        assert_eq!(parse(log, 4).lost(), 1);
    }

    #[test]
    fn pings_beyond_the_sixteen_bits_of_their_number_are_counted_on() {
        let mut log = String::new();
        for number in 1..=65_600_u32 {
            let number = number % 65_536;
            log += &format!(
                "[1763000000.25] 64 bytes from 10.71.0.1: icmp_seq={number} ttl=64 time=1 ms\n"
            );
        }
        log += "65600 packets transmitted, 65600 received, 0% packet loss, time 1 ms\n";
        let report = parse(&log, 65_590);
        assert_eq!((report.sent, report.received, report.last), (65_590, 65_590, 65_600));
    }

    #[test]
    fn the_longest_time_between_two_answers_is_found() {
        let line = |at: &str, number: u32| {
            format!(
                "[1763000000.{at}] 64 bytes from 10.71.0.1: icmp_seq={number} ttl=64 time=1 ms\n"
            )
        };
        let log = [line("100000", 1), line("120000", 2), line("870000", 9), line("890000", 10)];
        let report = parse(&log.concat(), 10);
        assert_eq!(report.silence.as_millis(), 750);
        assert_eq!(report.last, 10);
    }
}
