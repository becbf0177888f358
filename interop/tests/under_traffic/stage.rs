//! A gateway, a stock client and ours, each of which pings the host behind the gateway, or the gateway, while something
//! happens to them.
//!
//! Invariant: what is reported ended well: both clients were answered again at the end.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use interop::{Own, Ping, PingReport, Stock, Subscriber, World, wait_until};
use sysio::lab::Host;

/// A gateway with both clients connected.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) stock_host: Subscriber,
    pub(crate) own_host: Subscriber,
    pub(crate) stock: Option<Stock>,
    pub(crate) own: Option<Own>,
    target: IpAddr,
}

impl Stage {
    /// A gateway and two subscribers, not connected yet. `None`, said by name, where this machine can't.
    pub(crate) fn new(test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let routes = [("vpn.push.routes", r#"["10.99.0.0/24"]"#)];
        let world = World::start(test, &[&routes[..], settings].concat())?;
        let target = world.lan.v4[0].into();
        Some(Self::with_subscribers(world, target))
    }

    /// The same on a small disk of its own. No route is pushed, so the gateway itself is pinged.
    pub(crate) fn on_small_disk(test: &str) -> Option<Self> {
        let world = World::start_on_disk(test, SMALL)?;
        Some(Self::with_subscribers(world, INSIDE))
    }

    fn with_subscribers(mut world: World, target: IpAddr) -> Self {
        let stock_host = world.subscriber("alice", "unified");
        let own_host = world.subscriber("bob", "unified");
        Self { world, stock_host, own_host, stock: None, own: None, target }
    }

    /// Connects both, by profiles with these lines for the gateway's address, or by their own.
    pub(crate) fn connect(&mut self, remote: Option<&str>) {
        let profile = |who: &Subscriber| match remote {
            Some(lines) => who.profile_with(lines),
            None => who.profile(),
        };
        let stock = Stock::start(&self.stock_host.host, &profile(&self.stock_host), &[]);
        let own = Own::start(&self.own_host.host, &profile(&self.own_host));
        self.stock.insert(stock).connected();
        self.own.insert(own).connected();
    }

    /// Pings from both while `happens` is at work, and until `over`, which has to come within `limit`.
    pub(crate) fn under_traffic(
        &mut self,
        happens: impl FnOnce(&mut Self),
        limit: Duration,
        mut over: impl FnMut(&Self) -> bool,
    ) -> (PingReport, PingReport) {
        let target = self.target;
        let start = |who: &Subscriber| {
            let log = who.folder.join("ping.log");
            let count = (limit + 2 * AROUND).as_millis() / INTERVAL.as_millis();
            Ping::start(&who.host.netns, target, count as u32, INTERVAL, &log).expect("ping starts")
        };
        let (stock, own) = (start(&self.stock_host), start(&self.own_host));
        sleep(AROUND);
        happens(self);
        let ended = wait_until(limit, || over(self));
        sleep(AROUND);
        let reports = (stock.stop(), own.stop());
        assert!(ended, "{}", self.logs());
        for report in [&reports.0, &reports.1] {
            let back = report.received > 0 && report.last + LATE >= report.sent;
            assert!(back, "{report:?}\n{}", self.logs());
        }
        reports
    }

    /// How often the gateway said so.
    pub(crate) fn gateway_said(&self, text: &str) -> usize {
        self.world.log().matches(text).count()
    }

    /// How often our client said so.
    pub(crate) fn own_said(&self, text: &str) -> usize {
        self.own.as_ref().map_or(0, |own| own.0.log().matches(text).count())
    }

    /// What all three said.
    pub(crate) fn logs(&self) -> String {
        let stock = self.stock.as_ref().map(|stock| stock.0.log()).unwrap_or_default();
        let own = self.own.as_ref().map(|own| own.0.log()).unwrap_or_default();
        format!("gateway:\n{}\nstock:\n{stock}\nours:\n{own}", self.world.log())
    }
}

/// Runs a program on a host; panics where it fails.
pub(crate) fn run(host: &Host, line: &[&str]) {
    let mut command = Command::new(line[0]);
    command.args(&line[1..]);
    let output = host.netns.output(command).expect("the program starts");
    assert!(output.status.success(), "{line:?}: {output:?}");
}

/// Bytes of a small disk.
const SMALL: u64 = 24 << 20;
/// The gateway, from inside.
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 71, 0, 1));
/// What goes on before and after.
const AROUND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(20);
/// How many of the last requests may be under way when a ping is stopped.
const LATE: u32 = 25;
