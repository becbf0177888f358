//! The systemd unit as text: what the gateway may do, and nothing else.
//!
//! No IO. Invariant: whatever is put into the text has no character that systemd reads otherwise.

use std::path::Path;

use crate::args::place::SYSTEM_FOLDER;

/// What the unit depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a> {
    /// Its name, without `.service`.
    pub(crate) name: &'a str,
    /// The binary.
    pub(crate) binary: &'a Path,
    /// The data folder.
    pub(crate) data: &'a Path,
    /// What the first start is told, in words without blanks.
    pub(crate) arguments: &'a [String],
}

impl Unit<'_> {
    /// The unit's text, or the path that can't stand in one.
    pub(crate) fn text(&self) -> Result<String, String> {
        let binary = plain(self.binary)?;
        let data = plain(self.data)?;
        let more: String = self.arguments.iter().map(|word| format!(" {word}")).collect();
        let folder = if self.data == Path::new(SYSTEM_FOLDER) {
            "# Made where it is missing, and handed to the user above where root has made it.\n\
             StateDirectory=handfast\n\
             StateDirectoryMode=0710"
                .to_owned()
        } else {
            format!("ReadWritePaths={data}")
        };
        Ok(TEMPLATE
            .replace("@NAME@", self.name)
            .replace("@EXEC@", &format!("{binary} --data {data} up{more}"))
            .replace("@FOLDER@", &folder))
    }
}

/// The data folder of the gateway that a unit runs, where it says so as units from here do.
pub(crate) fn data_of(text: &str) -> Option<&Path> {
    let start = text.lines().rev().find_map(|line| line.strip_prefix("ExecStart="))?;
    let mut words = start.split_whitespace();
    let data = words.find(|word| *word == "--data" || word.starts_with("--data="))?;
    data.strip_prefix("--data=").or_else(|| words.next()).map(Path::new)
}

/// systemd expands `%` and `$`, and splits at white space; a path with those is not worth quoting.
pub(super) fn plain(path: &Path) -> Result<String, String> {
    let text = path.display().to_string();
    let fits = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    match path.is_absolute() && text.chars().all(fits) {
        true => Ok(text),
        false => Err(text),
    }
}

/// The user and group, for systemd-sysusers. Members of the group may give commands.
pub(crate) const SYSUSERS: &str = "\
# Handfast: who the gateway runs as. Members of the group may use its control socket.
u handfast - \"Handfast gateway\" /var/lib/handfast
";

/// Sockets that systemd opens in the gateway's place, where somebody wants that: nothing enables it.
pub(crate) const SOCKET: &str = "\
# Opens the gateway's ports in its place: it needs no right to low ports then, nobody is refused while it restarts, and
# it may be started by whoever comes first. To be enabled by who wants that: `systemctl enable --now handfast.socket`.
# Each line has to be an address of handfast.toml; changes belong into `systemctl edit handfast.socket`, where an empty
# `ListenStream=` or `ListenDatagram=` takes all of those away.
[Unit]
Description=Ports of the Handfast secure-access gateway

[Socket]
ListenStream=[::]:443
ListenStream=[::]:80
BindIPv6Only=both
Backlog=4096
# Which address a packet came to, also of one that waits for the gateway.
PassPacketInfo=yes
# What comes faster than the gateway starts is no reason to close.
TriggerLimitBurst=0

[Install]
WantedBy=sockets.target
";

const TEMPLATE: &str = "\
# Changes belong into `systemctl edit @NAME@`.
[Unit]
Description=Handfast secure-access gateway
After=network-online.target nss-lookup.target
# What switches forwarding on for itself: a machine that forwards nothing yet forwards for tunnels alone.
After=docker.service podman.service libvirtd.service
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart=@EXEC@
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
TimeoutStartSec=60
TimeoutStopSec=20
LimitNOFILE=65536
# The threads that carry packets go first (vpn.nice).
LimitNICE=-10
# A core dump would hold keys.
LimitCORE=0

User=handfast
Group=handfast
UMask=0077
@FOLDER@

# The tunnel, routes, forwarding and NAT need the one, ports below 1024 the other.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE
NoNewPrivileges=yes

DevicePolicy=closed
DeviceAllow=/dev/net/tun rw

ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateIPC=yes
PrivateMounts=yes
KeyringMode=private
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
# Forwarding is switched on under /proc/sys/net, which this would make read-only. Everything else
# there belongs to root, whom the gateway is not.
ProtectKernelTunables=no
# The groups of who gives a command stand in /proc, which this would hide.
ProtectProc=default
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
# The process with the CA's key gives up what it has no use for.
SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_gets_two_capabilities_and_the_tun_device_and_no_more() {
        let text = unit("/var/lib/handfast", &["--public", "vpn.example.net"]).unwrap();
        let value = |key: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(key));
            lines.map(str::to_owned).collect()
        };
        let two = "CAP_NET_ADMIN CAP_NET_BIND_SERVICE";
        assert_eq!(value("CapabilityBoundingSet="), [two]);
        assert_eq!(value("AmbientCapabilities="), [two]);
        assert_eq!(value("DeviceAllow="), ["/dev/net/tun rw"]);
        assert_eq!(value("User="), ["handfast"]);
        assert_eq!(
            value("ExecStart="),
            ["/usr/local/bin/handfast --data /var/lib/handfast up --public vpn.example.net"]
        );
        assert!(text.contains("\nStateDirectory=handfast\n"));
    }

    #[test]
    fn another_data_folder_is_the_only_place_that_may_be_written() {
        let text = unit("/srv/handfast", &[]).unwrap();
        assert!(text.contains("\nReadWritePaths=/srv/handfast\n"));
        assert!(!text.contains("StateDirectory"));
    }

    #[test]
    fn a_path_that_systemd_would_read_otherwise_is_refused() {
        assert!(unit("/srv/my data", &[]).is_err());
        assert!(unit("/srv/%n", &[]).is_err());
        assert!(unit("relative", &[]).is_err());
    }

    #[test]
    fn whose_data_a_unit_is_for_is_read_from_what_it_starts() {
        let text = unit("/srv/two", &["--tcp"]).unwrap();
        assert_eq!(data_of(&text), Some(Path::new("/srv/two")));
        let packaged = "[Service]\nExecStart=\nExecStart=/usr/bin/handfast --data /srv/one up\n";
        assert_eq!(data_of(packaged), Some(Path::new("/srv/one")));
        let by_hand = "[Service]\nExecStart=/usr/bin/handfast up --data=/srv/three\n";
        assert_eq!(data_of(by_hand), Some(Path::new("/srv/three")));
        for other in ["", "precious", "ExecStart=/bin/true", "ExecStart=/bin/handfast --data"] {
            assert_eq!(data_of(other), None, "{other}");
        }
    }

    fn unit(data: &str, words: &[&str]) -> Result<String, String> {
        let binary = Path::new("/usr/local/bin/handfast");
        let arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Unit { name: "handfast", binary, data: Path::new(data), arguments: &arguments }.text()
    }
}
