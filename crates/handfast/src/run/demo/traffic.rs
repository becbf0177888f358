//! Pings and a file, over IPv4 and IPv6, for both subscribers.

use std::time::Duration;

use admin::failure::Failure;

use super::addresses::{FILES_V4, FILES_V6};
use super::file;
use super::limits::unseen;
use super::ping::Ping;
use super::stage::{Stage, step};
use super::stop::Stop;
use super::tell::Teller;

/// Pings to the host behind the gateway.
pub(super) fn pings(stage: &Stage, stop: &Stop, teller: &Teller) -> Result<(), Failure> {
    for subscriber in [&stage.alice, &stage.bob] {
        let (name, netns) = (subscriber.name, &subscriber.host.netns);
        let pings =
            [Ping::start(netns, FILES_V4, INTERVAL)?, Ping::start(netns, FILES_V6, INTERVAL)?];
        stop.pause(INTERVAL * COUNT)?;
        let [v4, v6] = pings.map(Ping::finish);
        let (v4, v6) = (v4?, v6?);
        if v4.lost() + v6.lost() > 0 || v4.sent == 0 || v6.sent == 0 {
            return Err(unseen(format!("{name}'s pings were lost: {v4:?}, {v6:?}")));
        }
        let what = format!("{name}: {} over IPv4, {} over IPv6, none lost", v4.sent, v6.sent);
        let mean = (v4.mean() + v6.mean()) / 2;
        teller.seen(step("ping", name), what, format!("{:.2} ms", mean.as_secs_f64() * 1e3));
    }
    Ok(())
}

/// The file from the host behind the gateway, its checksum compared.
pub(super) fn files(stage: &Stage, stop: &Stop, teller: &Teller) -> Result<(), Failure> {
    for subscriber in [&stage.alice, &stage.bob] {
        for (family, host) in [("IPv4", FILES_V4), ("IPv6", FILES_V6)] {
            let name = subscriber.name;
            let fetched = file::fetch(&subscriber.host.netns, host, stop)?;
            if fetched.len != stage.file.len || fetched.digest != stage.file.digest {
                let (len, wanted) = (fetched.len, stage.file.len);
                return Err(unseen(format!(
                    "{name} got another file over {family}: {len} bytes of {wanted}"
                )));
            }
            let mib = fetched.len / (1024 * 1024);
            let begin: String = fetched.digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
            let what = format!("{name}: {mib} MiB over {family}, SHA-256 {begin}… is the same");
            let figure = format!("{:.0} Mbit/s", fetched.megabits());
            let step = if family == "IPv4" { step("file", name) } else { "" };
            teller.seen(step, what, figure);
        }
    }
    Ok(())
}

const INTERVAL: Duration = Duration::from_millis(10);
const COUNT: u32 = 100;
