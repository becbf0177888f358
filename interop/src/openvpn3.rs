//! OpenVPN 3 for Linux as a client: the engine of OpenVPN Connect, from a Debian that has it.
//!
//! It is several services on a message bus, so it lives in an unpacked Debian of its own (`cargo xtask
//! interop --long` makes one), with its own processes and mounts. All of them end with it, and nothing
//! that it writes outlasts it: the unpacked Debian stays as it was.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sysio::lab::Host;

use crate::{Program, skip};

/// A running OpenVPN 3.
#[derive(Debug)]
pub struct OpenVpn3(pub Program);

impl OpenVpn3 {
    /// Starts a session with `profile` on `host`. `None`, said by name, where there is no such Debian.
    pub fn start(test: &str, host: &Host, profile: &Path) -> Option<Self> {
        let Some(root) = std::env::var_os(ROOT) else {
            skip(
                test,
                "no Debian with openvpn3-client: `cargo xtask interop --long` as root has it",
            );
            return None;
        };
        let log = profile.with_extension("openvpn3.log");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]);
        command.args(["sh", "-ec", OUTSIDE, "sh"]).arg(root).arg(profile).arg(INSIDE);
        match Program::start(&host.netns, command, &log) {
            Ok(program) => Some(Self(program)),
            Err(error) => panic!("OpenVPN 3 did not start: {error}"),
        }
    }

    /// Waits until the tunnel is up; panics with the log where it does not come up.
    pub fn connected(&mut self) {
        let up = self.0.says("Client INFO: Connected", Duration::from_secs(60));
        assert!(up, "OpenVPN 3 did not connect:\n{}", self.0.log());
    }

    /// How often its log says `text`.
    pub fn said(&self, text: &str) -> usize {
        self.0.log().matches(text).count()
    }
}

/// Names the unpacked Debian's root.
const ROOT: &str = "HANDFAST_OPENVPN3_ROOT";

/// With the machine's programs: mounts of its own, then into the other root.
const OUTSIDE: &str = r#"
mount -t proc none "$1/proc"
mount --rbind /dev "$1/dev"
for folder in run tmp var/lib/openvpn3; do mount -t tmpfs none "$1/$folder"; done
cp "$2" "$1/tmp/profile.ovpn"
exec chroot "$1" /bin/sh -ec "$3"
"#;

/// With the other Debian's programs. The client asks the bus for the host's name and waits long where
/// nothing answers; what sets its name servers crashes without a file to set them in.
const INSIDE: &str = r#"
PATH=/usr/sbin:/usr/bin
mkdir -p /run/dbus /run/systemd /var/lib/openvpn3/configs
touch /run/resolv.conf
mount --bind /run/resolv.conf /etc/resolv.conf
echo '{"resolv_conf_file": "/etc/resolv.conf"}' >/var/lib/openvpn3/netcfg.json
chown -R _openvpn:_openvpn /var/lib/openvpn3
dbus-daemon --system --fork --nopidfile
/usr/lib/systemd/systemd-hostnamed &
setpriv --reuid _openvpn --regid _openvpn --clear-groups \
    /usr/libexec/openvpn3-linux/openvpn3-service-log --log-level 6 &
there() {
    dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
        org.freedesktop.DBus.NameHasOwner "string:$1" | grep -q true
}
for name in org.freedesktop.hostname1 net.openvpn.v3.log; do
    until there "$name"; do sleep 0.1; done
done
openvpn3 session-start --config /tmp/profile.ovpn --timeout 40
exec sleep infinity
"#;
