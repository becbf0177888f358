//! The systemd unit of a client that is always connected, as text: for servers and branch offices.
//!
//! No IO. One template for all profiles: `handfast-connect@office.service` has /etc/handfast/office.ovpn.

use std::path::Path;

use super::unit::plain;

/// The unit's text, or the path that can't stand in one.
pub(crate) fn text(binary: &Path) -> Result<String, String> {
    Ok(TEMPLATE.replace("@BINARY@", &plain(binary)?))
}

/// What to do with it.
pub(crate) const NEXT: &str = "\
next: put a profile into /etc/handfast/NAME.ovpn, for root alone (chmod 600), and start it:
systemctl enable --now handfast-connect@NAME
";

const TEMPLATE: &str = "\
# Changes belong into `systemctl edit handfast-connect@`.
[Unit]
Description=Handfast client, %i
After=network-online.target nss-lookup.target
Wants=network-online.target
ConditionPathExists=/etc/handfast/%i.ovpn

[Service]
ExecStart=@BINARY@ connect /etc/handfast/%i.ovpn
# A new connection in the place of the present one.
ExecReload=/bin/kill -USR1 $MAINPID
Restart=on-failure
RestartSec=10
# Wrong usage, no permission, a profile that is wrong, no TUN device, refused: trying again would not help.
RestartPreventExitStatus=2 5 7 8 11
# What undoes a killed client's changes is in the group of processes, and needs a moment.
KillMode=control-group
TimeoutStopSec=20
LimitCORE=0

# Records of routes and name servers, shared by all clients.
RuntimeDirectory=handfast
RuntimeDirectoryPreserve=yes
UMask=0077

# The tunnel, its routes, and the owner's files.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_NICE
NoNewPrivileges=yes
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
# /etc/resolv.conf may have to be written.
ProtectSystem=yes
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
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_gets_what_a_tunnel_needs_and_its_profile_by_name() {
        let text = text(Path::new("/usr/local/bin/handfast")).unwrap();
        assert!(
            text.contains("\nExecStart=/usr/local/bin/handfast connect /etc/handfast/%i.ovpn\n")
        );
        assert!(text.contains("\nCapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_NICE\n"));
        assert!(super::text(Path::new("/opt/a b/handfast")).is_err());
    }
}
