//! The systemd unit: what is written where, and systemd's own judgement of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::Cli;

const UNIT: &str = "image/etc/systemd/system/handfast.service";
const SOCKET: &str = "image/etc/systemd/system/handfast.socket";

#[test]
fn a_dry_run_shows_the_unit_and_writes_nothing() {
    let cli = Cli::new();
    let shown = cli.ok("service install --dry-run --data /var/lib/handfast --root image");
    assert!(shown.contains("would write image/etc/systemd/system/handfast.service:\n"), "{shown}");
    assert!(shown.contains("\nCapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE\n"));
    assert!(!cli.path("image").exists());
}

#[test]
fn install_and_remove_leave_an_image_as_it_was() {
    let cli = Cli::new();
    let installed = cli.ok("service install --data /var/lib/handfast --root image");
    assert_eq!(
        installed,
        "wrote image/etc/sysusers.d/handfast.conf\n\
         wrote image/etc/systemd/system/handfast.service\n\
         wrote image/etc/systemd/system/handfast.socket\n\
         linked image/etc/systemd/system/multi-user.target.wants/handfast.service to \
         /etc/systemd/system/handfast.service\n"
    );
    let link = cli.path("image/etc/systemd/system/multi-user.target.wants/handfast.service");
    assert!(link.is_symlink());
    cli.ok("service remove --root image");
    assert!(!cli.path(UNIT).exists() && !cli.path(SOCKET).exists() && !link.is_symlink());
    cli.ok("service remove --root image");
}

#[test]
fn a_second_gateways_service_never_takes_the_first_ones_place() {
    let cli = Cli::new();
    cli.ok("service install --data /var/lib/handfast --root image");
    let first = fs::read_to_string(cli.path(UNIT)).unwrap();
    cli.ok("service install --data /var/lib/handfast --root image");
    assert_eq!(
        cli.fails(4, "service install --data /srv/two --root image"),
        "error: /etc/systemd/system/handfast.service runs the gateway of /var/lib/handfast\n\
         cause: it would run the one of /srv/two instead, and that one no longer\n\
         hint:  install this one beside it: `handfast --data /srv/two service install --name handfast2`\n\
         hint:  or take that one's service away first: `handfast --data /var/lib/handfast service remove`\n"
    );
    assert_eq!(fs::read_to_string(cli.path(UNIT)).unwrap(), first);
    let removed = cli.fails(4, "service remove --data /srv/two --root image");
    assert!(removed.contains("hint:  name the unit of /srv/two: `--name UNIT`\n"), "{removed}");

    cli.ok("service install --data /srv/two --root image --name handfast2");
    let second = cli.path("image/etc/systemd/system/handfast2.service");
    assert!(fs::read_to_string(&second).unwrap().contains(" --data /srv/two up\n"));
    let wants = "image/etc/systemd/system/multi-user.target.wants";
    let enabled = crate::names_in(&cli.path(wants));
    assert_eq!(enabled, ["handfast.service", "handfast2.service"]);
    let third = cli.fails(4, "service install --data /srv/three --root image");
    assert!(third.contains("/srv/three service install --name handfast3`"), "{third}");
    let again = cli.fails(4, "service install --data /srv/two --root image");
    assert!(again.contains("/srv/two service install --name handfast2`"), "it is its own: {again}");
    cli.ok("service remove --data /srv/two --root image --name handfast2");
    assert!(!second.exists() && cli.path("image/etc/sysusers.d/handfast.conf").exists());
    assert_eq!(fs::read_to_string(cli.path(UNIT)).unwrap(), first);

    // One that a package brought is somebody's too.
    fs::create_dir_all(cli.path("packaged/usr/lib/systemd/system")).unwrap();
    fs::copy(cli.path(UNIT), cli.path("packaged/usr/lib/systemd/system/handfast.service")).unwrap();
    let said = cli.fails(4, "service install --data /srv/two --root packaged");
    assert!(said.contains("/usr/lib/systemd/system/handfast.service runs"), "{said}");
    let bad = cli.fails(2, "service install --data /srv/two --root image --name ../two");
    assert!(bad.contains("can't name a unit"), "{bad}");
}

#[test]
fn a_unit_that_is_nobodys_gateway_is_neither_written_over_nor_taken_away() {
    let cli = Cli::new();
    let other = cli.path("image/etc/systemd/system/backup.service");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, "[Service]\nExecStart=/usr/bin/backup\n").unwrap();
    let before = fs::read(&other).unwrap();
    for done in ["install --data /srv/two", "remove"] {
        let said = cli.fails(4, &format!("service {done} --root image --name backup"));
        assert!(said.contains("backup.service does not say whose data"), "{said}");
        assert_eq!(fs::read(&other).unwrap(), before);
    }
    // The name that is proposed is one that nobody has.
    cli.ok("service install --data /srv/one --root image --name handfast2");
    let said = cli.fails(4, "service install --data /srv/two --root image --name backup");
    assert!(said.contains("choose another name: `--name handfast3`"), "{said}");
    // One that its system brings along would be hidden by ours.
    let brought = cli.path("image/usr/lib/systemd/system/ssh.service");
    fs::create_dir_all(brought.parent().unwrap()).unwrap();
    fs::write(&brought, "[Service]\nExecStart=/usr/sbin/sshd -D\n").unwrap();
    cli.fails(4, "service install --data /srv/two --root image --name ssh");
    assert!(!cli.path("image/etc/systemd/system/ssh.service").exists());
}

#[test]
fn systemd_finds_no_fault_with_the_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("SKIP systemd_finds_no_fault_with_the_unit: systemd-analyze is not installed");
        return;
    }
    let cli = Cli::new();
    cli.ok("service install --data /var/lib/handfast --root image --public vpn.example.net");
    let verdict =
        Command::new("systemd-analyze").arg("verify").arg(cli.path(UNIT)).output().unwrap();
    let said = String::from_utf8_lossy(&verdict.stderr);
    assert!(verdict.status.success() && said.is_empty(), "{said}");
    let verdict =
        Command::new("systemd-analyze").arg("verify").arg(cli.path(SOCKET)).output().unwrap();
    let said = String::from_utf8_lossy(&verdict.stderr);
    assert!(verdict.status.success() && said.is_empty(), "{said}");
    // Tenths of its exposure, of a hundred. What is left is the network, the TUN device, its two capabilities,
    // and /proc, where forwarding is switched on and a caller's groups are read.
    let exposure = ["security", "--offline=true", "--threshold=23"];
    let verdict =
        Command::new("systemd-analyze").args(exposure).arg(cli.path(UNIT)).output().unwrap();
    let said = String::from_utf8_lossy(&verdict.stdout);
    assert!(verdict.status.success(), "{said}");
}

#[test]
fn the_clients_unit_is_written_found_good_by_systemd_and_removed() {
    let cli = Cli::new();
    let said = cli.ok("service install-client --root image");
    assert_eq!(said, "wrote image/etc/systemd/system/handfast-connect@.service\n");
    let unit = cli.path("image/etc/systemd/system/handfast-connect@.service");
    match Command::new("systemd-analyze").arg("verify").arg(&unit).output() {
        Err(_) => println!("SKIP systemd-analyze is not installed"),
        Ok(verdict) => {
            let said = String::from_utf8_lossy(&verdict.stderr);
            assert!(verdict.status.success() && said.is_empty(), "{said}");
        }
    }
    cli.ok("service remove-client --root image");
    assert!(!unit.exists());
}

#[test]
fn a_data_folder_that_systemd_would_misread_is_refused() {
    assert_eq!(
        Cli::new().fails(2, "service install --dry-run --data /srv/50%"),
        "error: \"/srv/50%\" can't stand in a systemd unit\n\
         cause: it is not absolute, or has a character other than A-Z a-z 0-9 / . _ - + : @\n\
         hint:  use another folder\n"
    );
}

#[test]
fn the_unit_names_the_running_binary() {
    let cli = Cli::new();
    cli.ok("service install --data /srv/handfast --root image");
    let unit = fs::read_to_string(cli.path(UNIT)).unwrap();
    let line = format!("ExecStart={} --data /srv/handfast up\n", env!("CARGO_BIN_EXE_handfast"));
    assert!(unit.contains(&line), "{unit}");
}

#[test]
fn the_two_capabilities_are_enough_to_reach_the_tun_device() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIP the_two_capabilities_are_enough_to_reach_the_tun_device: needs root");
        return;
    }
    let cli = Cli::with_data();
    let binary = cli.path("handfast");
    fs::copy(env!("CARGO_BIN_EXE_handfast"), &binary).unwrap();
    hand_over(&cli.path(""));
    let checked = Command::new("unshare")
        .args(["--mount", "sh", "-ec", LIMITED])
        .arg(&binary)
        .current_dir(cli.path(""))
        .output()
        .expect("unshare is not installed: apt-get install util-linux");
    let findings: serde_json::Value = serde_json::from_slice(&checked.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&checked.stderr)));
    let tun = findings.as_array().unwrap().iter().find(|f| f["subject"] == "/dev/net/tun");
    assert_eq!(tun.unwrap()["level"], "good", "{tun:?}");
}

/// By hand what the unit says: another user, the two capabilities, no way to get more; and a device
/// with the mode that udev gives it, seen by this command alone.
const LIMITED: &str = "\
mknod -m 666 tun c 10 200
mount --bind tun /dev/net/tun
two=-all,+net_admin,+net_bind_service
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
    --bounding-set $two --inh-caps $two --ambient-caps $two \
    $0 check --json --data data
";

/// Gives a folder and all in it to the user that the service runs as here.
pub(crate) fn hand_over(folder: &Path) {
    std::os::unix::fs::chown(folder, Some(65534), Some(65534)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
        if path.is_dir() {
            hand_over(&path);
        }
    }
}

#[test]
fn an_image_whose_links_lead_out_of_it_is_left_alone() {
    let cli = Cli::new();
    let victim = cli.path("outside/victim");
    fs::create_dir_all(cli.path("outside")).unwrap();
    fs::write(&victim, "precious").unwrap();
    fs::create_dir_all(cli.path("image/etc")).unwrap();
    symlink(cli.path("outside"), cli.path("image/etc/systemd")).unwrap();
    let install = "service install --data /var/lib/handfast --root image";
    let said = cli.fails(5, install);
    assert!(said.contains("cause: image/etc/systemd is a link, which is not followed\n"), "{said}");
    assert_eq!(crate::names_in(&cli.path("outside")), ["victim"]);
    fs::remove_file(cli.path("image/etc/systemd")).unwrap();
    fs::create_dir_all(cli.path("image/etc/systemd/system")).unwrap();
    symlink(&victim, cli.path(UNIT)).unwrap();
    let said = cli.fails(5, install);
    assert!(said.contains("handfast.service is a link, which is not followed\n"), "{said}");
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}
