//! The TLS door: what a browser would meet there, and a download that ends with its device's certificate.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

use admin::failure::Failure;
use serde_json::Value;

use super::download::Download;
use super::folder::Folder;
use super::gateway_program::{CLOSED_SITE, GatewayProgram, OPEN_SITE};
use super::limits::{ALLOWED, PATIENCE, unseen};
use super::program::{Program, handfast};
use super::stage::{Stage, running};
use super::stop::Stop;
use super::tell::{Teller, after, time};

pub(super) fn show(
    stage: &mut Stage,
    folder: &Folder,
    stop: &Stop,
    teller: &Teller,
) -> Result<(), Failure> {
    look(stage, folder, teller)?;
    stop.check()?;
    let begun = Instant::now();
    let (mut local, at) = connect(stage, folder, stop)?;
    let download = Download::start(&stage.alice.host.netns, at)?;
    let first = stop.wait_for(PATIENCE, || Ok((download.came() > ENOUGH).then_some(())))?;
    first.ok_or_else(|| unseen("nothing came of carol's download"))?;
    let what = "carol: `tls connect` with her certificate, and a download through it";
    teller.seen("", what, time(begun.elapsed()));
    local.expect_running()?;

    let gateway = running(&mut stage.gateway)?;
    let changed = gateway.revoke(CAROL)?;
    let revoked = changed.at.ok_or_else(|| unseen("the revocation is not in the log of events"))?;
    let last = download.end(PATIENCE, stop)?;
    let last = last.ok_or_else(|| unseen("nothing came of carol's download"))?;
    if last.since(revoked) > ALLOWED {
        return Err(unseen(format!("carol's download went on for {}", after(last, revoked))));
    }
    let what = "her download's last byte, counted from her revocation's time stamp";
    teller.seen("", what, after(last, revoked));
    refused(&stage.alice.host.netns, at, gateway, stop, teller)
}

/// What `tls test` says of a site that is for everybody.
fn look(stage: &Stage, folder: &Folder, teller: &Teller) -> Result<(), Failure> {
    let begun = Instant::now();
    let target = SocketAddr::new(stage.gateway_host.v4[0].into(), 443).to_string();
    let mut command = Command::new(handfast()?);
    command.arg("--data").arg(folder.file("data"));
    command.args(["tls", "test", &target, "--name", OPEN_SITE, "--json"]);
    let output = stage.bob.host.netns.output(command);
    let output = output.map_err(|error| unseen("`tls test` did not start").caused_by(&error))?;
    let said: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| unseen("`tls test` said nothing").caused_by(&error))?;
    let findings = said["findings"].as_array().into_iter().flatten();
    let good: Vec<_> = findings
        .filter(|finding| finding["state"] == "ok")
        .filter_map(|finding| finding["what"].as_str())
        .filter(|what| WANTED.contains(what))
        .collect();
    if good != WANTED {
        return Err(unseen(format!("`tls test` finds {}", said["findings"])));
    }
    let what = format!("{OPEN_SITE}, as `tls test` sees it: good {}", WANTED.join(", "));
    teller.seen("https", what, time(begun.elapsed()));
    Ok(())
}

/// A local port of carol's to the site that is for devices alone.
fn connect(stage: &Stage, folder: &Folder, stop: &Stop) -> Result<(Program, SocketAddr), Failure> {
    let gateway =
        stage.gateway.as_ref().ok_or_else(|| unseen("the gateway was stopped already"))?;
    let profile = gateway.subscribe(CAROL, &folder.inner(CAROL)?)?;
    let target = SocketAddr::new(stage.gateway_host.v4[0].into(), 443).to_string();
    let at = SocketAddr::from(([127, 0, 0, 1], 8443));
    let mut command = Command::new(handfast()?);
    command.args(["tls", "connect", &target, "--name", CLOSED_SITE, "--listen", &at.to_string()]);
    command.arg("--profile").arg(&profile).env_remove("HANDFAST_LOG");
    let log = folder.file("carol.log");
    let mut local = Program::start("carol's local port", &stage.alice.host.netns, command, &log)?;
    let listens = stop.wait_for(PATIENCE, || {
        local.expect_running()?;
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        Ok(said.contains("listens on").then_some(()))
    })?;
    listens.ok_or_else(|| unseen("carol's local port was not opened"))?;
    Ok((local, at))
}

fn refused(
    netns: &sysio::Netns,
    at: SocketAddr,
    gateway: &mut GatewayProgram,
    stop: &Stop,
    teller: &Teller,
) -> Result<(), Failure> {
    let begun = Instant::now();
    if Download::start(netns, at)?.end(PATIENCE, stop)?.is_some() {
        return Err(unseen("carol got something after her revocation"));
    }
    let took = time(begun.elapsed());
    let last = gateway.status()?.last_refusals;
    let hers = last
        .iter()
        .find(|entry| entry.device.as_ref().is_some_and(|device| device.user.as_str() == CAROL));
    let reason = hers.map(|entry| entry.reason.clone());
    let reason = reason.ok_or_else(|| unseen("carol's next connection was not refused"))?;
    teller.seen("", format!("her next connection: refused, in `status` as \"{reason}\""), took);
    Ok(())
}

const CAROL: &str = "carol";
/// The findings that have to be good.
const WANTED: [&str; 5] = ["version", "name", "chain", "staple", "hsts"];
/// More than an answer's head.
const ENOUGH: usize = 4096;
