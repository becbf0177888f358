//! Settings by systemd-resolved.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{DnsError, DnsSettings, RESOLV_CONF};

/// Whether this machine's names are resolved by systemd-resolved: /etc/resolv.conf leads to it.
/// That it merely runs would not do, nobody might ask it.
pub(super) fn is_in_charge() -> bool {
    let place = std::fs::canonicalize(RESOLV_CONF);
    place.is_ok_and(|place| place.starts_with(RUNTIME_FOLDER)) && Path::new(SOCKET).exists()
}

/// All servers that systemd-resolved knows of.
pub(super) fn name_servers() -> Vec<IpAddr> {
    super::resolv_conf::servers_in(&std::fs::read(ALL_SERVERS).unwrap_or_default())
}

pub(super) fn apply(settings: &DnsSettings) -> Result<(), DnsError> {
    let interface = settings.interface.as_str();
    let servers: Vec<String> = settings.servers.iter().map(ToString::to_string).collect();
    let mut domains: Vec<&str> = settings.search.iter().map(|domain| domain.as_str()).collect();
    if settings.all_names {
        domains.push(EVERY_NAME);
    }
    let default_route = if settings.all_names { "yes" } else { "no" };
    run("dns", interface, servers.iter().map(String::as_str))?;
    let rest = run("domain", interface, domains)
        .and_then(|()| run("default-route", interface, [default_route]));
    if rest.is_err() {
        // The first error is the one that tells.
        let _ = revert(interface);
    }
    rest
}

pub(super) fn revert(interface: &str) -> Result<(), DnsError> {
    match run("revert", interface, []) {
        // An interface that is gone took its settings along.
        Err(DnsError::Refused(said)) if said.contains("No such device") => Ok(()),
        result => result,
    }
}

fn run<'a>(
    verb: &str,
    interface: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<(), DnsError> {
    let mut command = Command::new(PROGRAM);
    command.args([verb, interface]).args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => DnsError::NotInstalled,
        _ => super::io_error(Path::new(PROGRAM), error),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(DnsError::Refused(said.lines().next().unwrap_or("no reason given").to_owned()))
}

const PROGRAM: &str = "resolvectl";
const RUNTIME_FOLDER: &str = "/run/systemd/resolve";
const ALL_SERVERS: &str = "/run/systemd/resolve/resolv.conf";
const SOCKET: &str = "/run/systemd/resolve/io.systemd.Resolve";
/// Its word for "route every domain here".
const EVERY_NAME: &str = "~.";
