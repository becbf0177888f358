//! The machine: what the kernel lets us do, what stands in the way.

use std::error::Error as _;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use admin::response::Finding;
use authority::Signs;
use clock::Timestamp;

use super::ports::ports;
use super::{bad, good, warning};
use crate::config::{Config, ForStart};
use crate::context::Context;
use crate::data::own_uid;
use crate::operations::lost_doors::lost_doors;
use crate::words::device_name;

/// The settings file: read again, as an edit since the start would be.
pub(super) fn settings(at: &Context) -> Finding {
    const SUBJECT: &str = "settings";
    let path = at.data.config();
    let (left_out, settings) = match Config::load_for_start(&path) {
        Ok(ForStart { config, left_out }) => (left_out, Ok(config)),
        Err(error) => (Vec::new(), Err(error)),
    };
    match settings {
        Err(error) => {
            let why = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            bad(SUBJECT, format!("{error}{why}"), format!("edit {}", path.display()))
        }
        Ok(_) if !left_out.is_empty() => {
            let wrong: Vec<_> = left_out.iter().map(ToString::to_string).collect();
            let seen = format!("left out of what clients are told: {}", wrong.join("; "));
            warning(SUBJECT, seen, format!("edit {}, then: handfast reload", path.display()))
        }
        Ok(config) if config.public.names.is_empty() => warning(
            SUBJECT,
            "public.names is empty, so that profiles would point nowhere",
            format!("put the gateway's host name or address into {}", path.display()),
        ),
        Ok(config) if at.after_reload(config.clone()) != *at.config() => {
            let waiting = at.only_at_start(&config);
            let mend = match waiting.as_slice() {
                [] => "have the gateway read it again: handfast reload".to_owned(),
                keys => format!("restart the gateway for {}", keys.join(", ")),
            };
            warning(SUBJECT, "the file was changed since it was read", mend)
        }
        Ok(config) => match at.only_at_start(&config).as_slice() {
            [] => good(SUBJECT, format!("{} is right", path.display())),
            keys => warning(
                SUBJECT,
                format!("changed since the start and not in force: {}", keys.join(", ")),
                "restart the gateway: systemctl restart handfast",
            ),
        },
    }
}

/// Whom the next start would keep out.
pub(super) fn lost(at: &Context) -> Option<Finding> {
    let file = Config::load(&at.data.config()).ok()?;
    let seen = lost_doors(at, &file)?;
    Some(warning("profiles", seen, "handfast config set vpn.listen NEW... OLD..."))
}

/// What every client is told beyond its addresses.
pub(super) fn pushes(at: &Context) -> Finding {
    match at.view.policy().push.said() {
        [] => good("pushes", "nothing but addresses: clients reach the gateway itself"),
        options => good("pushes", options.join(", ")),
    }
}

/// Everything that does not depend on the records.
pub(super) fn machine(at: &Context) -> Vec<Finding> {
    let config = at.config();
    let mut findings = vec![folder(at.data.path()), clock(at), tun(), leases(at)];
    findings.extend(firewall(&config));
    if !at.doors.is_any_open() {
        findings.extend(forwarding(&config));
        findings.extend(ports(&config));
    }
    findings
}

/// What a running gateway made on the machine, and what another program has changed of it since.
pub(super) fn in_force(changed: &[String]) -> Finding {
    const SUBJECT: &str = "tunnel";
    if changed.is_empty() {
        return good(SUBJECT, "interface, addresses, routes, forwarding and firewall are as made");
    }
    bad(
        SUBJECT,
        changed.join("; "),
        "it is put back within seconds; if not, the log says why: systemctl reload handfast",
    )
}

fn folder(path: &Path) -> Finding {
    const SUBJECT: &str = "data folder";
    let shown = path.display();
    let Ok(meta) = fs::metadata(path) else {
        return bad(SUBJECT, format!("{shown} can't be read"), "run as its owner");
    };
    if meta.mode() & 0o067 != 0 {
        let mode = meta.mode() & 0o777;
        return bad(
            SUBJECT,
            format!("others may enter {shown} (mode {mode:o}); it holds the CA's key"),
            format!("chmod 700 {shown}"),
        );
    }
    let files = fs::read_dir(path).into_iter().flatten().flatten();
    let open = files.filter(|f| f.metadata().is_ok_and(|m| m.is_file() && m.mode() & 0o077 != 0));
    let open: Vec<_> = open.map(|f| f.file_name().to_string_lossy().into_owned()).collect();
    if !open.is_empty() && meta.mode() & 0o010 != 0 {
        return bad(
            SUBJECT,
            format!("files in {shown} are readable by others: {}", open.join(", ")),
            format!("chmod 600 {shown}/*"),
        );
    }
    // Root may look after the folder of a service that runs as somebody else.
    if meta.uid() != own_uid() && own_uid() != 0 {
        return warning(
            SUBJECT,
            format!("{shown} belongs to uid {}", meta.uid()),
            format!("chown -R {} {shown}", own_uid()),
        );
    }
    good(SUBJECT, format!("{shown}, for its owner alone"))
}

/// A clock before this version was built, or before the last event, is wrong.
fn clock(at: &Context) -> Finding {
    const SUBJECT: &str = "clock";
    const MEND: &str = "set the clock, and let NTP keep it: timedatectl set-ntp true";
    let now = at.now();
    let added = at.authority.issuers().signing(Signs::Devices).generation().added_at;
    if now < BUILT_AFTER {
        return bad(SUBJECT, "it is years behind", MEND);
    }
    if now < added {
        return bad(SUBJECT, "it is before the day on which the CA was made", MEND);
    }
    good(SUBJECT, now.to_string())
}

fn tun() -> Finding {
    const SUBJECT: &str = "/dev/net/tun";
    match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => good(SUBJECT, "it can be opened"),
        Err(error) if error.kind() == ErrorKind::NotFound => bad(
            SUBJECT,
            "there is none",
            "load the module: modprobe tun; in a container, start it with --device /dev/net/tun \
             --cap-add NET_ADMIN",
        ),
        Err(error) => bad(
            SUBJECT,
            format!("it can't be opened: {error}"),
            "run as root, or with the capability CAP_NET_ADMIN",
        ),
    }
}

/// A network that was narrowed after addresses were leased leaves devices without one.
fn leases(at: &Context) -> Finding {
    const SUBJECT: &str = "addresses";
    let addressing = at.view.policy().addressing;
    let snapshot = at.store.snapshot();
    let is_outside = |lease| addressing.of(lease).0.is_none();
    let outside = |d: &&Arc<store::Device>| d.lease.is_some_and(is_outside);
    let without: Vec<_> =
        snapshot.devices().filter(outside).map(|d| device_name(d).to_string()).collect();
    match without.first() {
        None => good(SUBJECT, format!("every device has one in {}", addressing.network)),
        Some(one) => bad(
            SUBJECT,
            format!(
                "{} devices have none in {}, {one} among them",
                without.len(),
                addressing.network
            ),
            "widen vpn.network, or remove those devices and add them again",
        ),
    }
}

fn forwarding(config: &Config) -> Vec<Finding> {
    let families = [
        ("IPv4 forwarding", "/proc/sys/net/ipv4/ip_forward", true),
        (
            "IPv6 forwarding",
            "/proc/sys/net/ipv6/conf/all/forwarding",
            config.vpn.network6.is_some(),
        ),
    ];
    let wanted = families.into_iter().filter(|(_, _, wanted)| *wanted);
    wanted
        .map(|(subject, path, _)| match fs::read_to_string(path) {
            Ok(text) if text.trim() == "1" => good(subject, "it is on"),
            Ok(_) if config.vpn.nat => good(subject, "it is off; the gateway switches it on"),
            Ok(_) => warning(
                subject,
                "it is off, and vpn.nat = false leaves it so",
                format!("echo 1 > {path}, if subscribers are to reach beyond the gateway"),
            ),
            Err(_) => warning(
                subject,
                "this kernel has no such setting",
                "remove vpn.network6 from the settings, or load the kernel's IPv6",
            ),
        })
        .collect()
}

fn firewall(config: &Config) -> Option<Finding> {
    const SUBJECT: &str = "nft";
    if !config.vpn.nat {
        return None;
    }
    let folders = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];
    let found = folders.iter().map(|f| Path::new(f).join("nft")).find(|p| p.exists());
    Some(match found {
        Some(path) => good(SUBJECT, format!("{} is there", path.display())),
        None => warning(
            SUBJECT,
            "it is not there, so that addresses can't be translated",
            "apt-get install nftables, or set vpn.nat = false and do it yourself",
        ),
    })
}

/// 2026-01-01.
const BUILT_AFTER: Timestamp = Timestamp::from_unix_secs(1_767_225_600);
