//! Profiles from the outside: what is written, what is said of it, and what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use crate::ca_key::typed;
use crate::{Cli, names_in};

#[test]
fn the_first_profile_makes_the_key_and_a_later_one_says_that_it_is_gone() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    assert_eq!(
        cli.ok("profile alice --out one"),
        "wrote 5 files for alice/default to one\n  \
           alice-default-linux.ovpn\n  \
           alice-default-windows.ovpn\n  \
           alice-default-macos.ovpn\n  \
           alice-default-android.ovpn\n  \
           alice-default-ios.ovpn\n\
         certificate [SERIAL], valid until [DATE]\n\
         the private key is in these files and nowhere else: hand them over safely, then delete \
         them here\n"
    );
    assert_eq!(
        cli.ok("profile alice --out two"),
        "wrote 3 files for alice/default to two\n  \
           handfast-linux.ovpn\n  \
           handfast-windows.ovpn\n  \
           handfast-macos.ovpn\n\
         certificate [SERIAL], valid until [DATE]\n\
         the private key of alice/default was handed out before and is not kept, so these are the \
         common files only\n\
         new key and certificate: handfast profile alice/default --renew\n\
         or keep the key, with a profile that somebody has still: handfast profile --from OLD.ovpn\n\
         nothing for android, ios: their clients import one file with the key in it\n"
    );
}

#[test]
fn a_renewal_replaces_the_files_and_keeps_the_former_certificate_for_a_while() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok("profile alice --out one --os linux");
    let before = fs::read(cli.path("one/alice-default-linux.ovpn")).unwrap();
    assert_eq!(
        cli.ok("device renew alice --out one --os linux"),
        "wrote 1 file for alice/default to one\n  \
           alice-default-linux.ovpn\n\
         certificate [SERIAL], valid until [DATE]\n\
         the former one, [SERIAL], is revoked when this one connects, at the latest on [DATE]\n\
         the private key is in these files and nowhere else: hand them over safely, then delete \
         them here\n"
    );
    assert_ne!(fs::read(cli.path("one/alice-default-linux.ovpn")).unwrap(), before);
    assert!(cli.ok("device show alice").contains("superseded, revoked by [DATE]\n"));
    assert_eq!(names_in(&cli.path("one")), ["alice-default-linux.ovpn"]);
}

#[test]
fn the_split_set_is_private_and_the_same_for_everybody() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok("user add bob");
    cli.ok("profile alice --form split --out alice");
    let said = cli.ok("profile bob --form split --out bob --os linux");
    assert!(said.contains("  handfast-linux.ovpn\n  vpn.crt\n  vpn.key\n"), "{said}");
    let read = |name: &str| fs::read(cli.path(name)).unwrap();
    assert_eq!(read("alice/handfast-linux.ovpn"), read("bob/handfast-linux.ovpn"));
    assert_ne!(read("alice/vpn.key"), read("bob/vpn.key"));
    for name in names_in(&cli.path("alice")) {
        let mode = fs::metadata(cli.path("alice").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn another_devices_key_is_not_overwritten_and_nothing_is_made() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok("user add bob");
    cli.ok("profile alice --form split --out files");
    assert_eq!(
        cli.fails(4, "profile bob --form split --out files"),
        "error: files/vpn.crt does not belong to this device\n\
         cause: it would be replaced, and with it perhaps the only copy of a key\n\
         hint:  write to another folder: `handfast profile bob/default --out DIR`\n\
         hint:  or move that file away first\n"
    );
    assert!(cli.ok("device show bob").contains("no certificate yet"));
}

#[test]
fn a_folder_that_cannot_be_written_costs_no_key() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    fs::write(cli.path("file"), "").unwrap();
    let complaint = cli.fails(1, "profile alice --out file/below");
    assert!(complaint.starts_with("error: file/below can't be written\ncause: "), "{complaint}");
    assert!(cli.ok("device show alice").contains("no certificate yet"));
}

#[test]
fn a_revoked_or_disabled_device_gets_no_profile() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok("profile alice --out one");
    cli.ok("device revoke alice");
    let complaint = cli.fails(4, "profile alice --out two");
    assert!(complaint.contains("was revoked on [DATE]"), "{complaint}");
    // As the story of its refusal writes it.
    assert!(cli.ok("profile alice/default --renew").contains("for alice/default"));
    cli.ok("user disable alice");
    let complaint = cli.fails(4, "profile alice --renew --out two");
    assert_eq!(
        complaint,
        "error: alice/default is disabled\n\
         hint:  let it in again first: handfast user enable alice\n"
    );
}

#[test]
fn a_key_under_a_passphrase_opens_with_that_and_with_no_other_one() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    let order = "profile alice --passphrase --form split --os linux --out files";
    assert_eq!(typed(&cli, order, "short").0, 2);
    let (code, said) = typed(&cli, order, "correct horse");
    assert_eq!(code, 0, "a mistyped one costs no key: {said}");
    let key = fs::read_to_string(cli.path("files/vpn.key")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{key}");
    let opened = |passphrase: &str| {
        let pass = format!("pass:{passphrase}");
        let mut openssl = Command::new("openssl");
        openssl.args(["pkey", "-noout", "-check", "-passin", &pass, "-in"]);
        openssl.arg(cli.path("files/vpn.key")).output().expect("openssl is installed").status
    };
    assert!(opened("correct horse").success());
    assert!(!opened("wrong horse").success());

    // Inside one file, from a former one, too.
    cli.ok("user add bob");
    cli.ok("profile bob --os linux --out bob");
    let order = "profile --from bob/bob-default-linux.ovpn --passphrase --os ios --out again";
    assert_eq!(typed(&cli, order, "correct horse").0, 0);
    let text = fs::read_to_string(cli.path("again/bob-default-ios.ovpn")).unwrap();
    assert!(text.contains("<key>\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{text}");
    let said = cli.fails(2, "profile --from again/bob-default-ios.ovpn --out three");
    assert!(said.contains("passphrase") || said.contains("encrypted"), "{said}");
}

#[test]
fn a_former_profile_gives_others_with_the_settings_of_today_and_the_same_key() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok("profile alice --out one --os linux");
    cli.ok("config set vpn.listen udp:[::]:1194 tcp:[::]:443");
    cli.ok("config set public.names tcp:vpn.example.org:443");
    assert!(cli.ok("device list --outdated").contains("alice/default  active, outdated"));
    assert_eq!(
        cli.ok("profile --from one/alice-default-linux.ovpn --out two --os linux,android"),
        "wrote 2 files for alice/default to two\n  \
           alice-default-linux.ovpn\n  \
           alice-default-android.ovpn\n\
         certificate [SERIAL], valid until [DATE]\n\
         the private key is the former one: hand these files over safely in place of the old ones\n"
    );
    let list = cli.ok("device list");
    assert!(list.contains("alice/default  active, outdated"), "nobody knows which it uses: {list}");
    let block = |name: &str, part: &str| {
        let text = fs::read_to_string(cli.path(name)).unwrap();
        text.split_once(&format!("<{part}>")).unwrap().1.split_once("</").unwrap().0.to_owned()
    };
    for part in ["key", "cert"] {
        let former = block("one/alice-default-linux.ovpn", part);
        assert_eq!(block("two/alice-default-linux.ovpn", part), former);
        assert_eq!(block("two/alice-default-android.ovpn", part), former);
    }
    let text = fs::read_to_string(cli.path("two/alice-default-linux.ovpn")).unwrap();
    assert!(text.contains("\nproto tcp-client\nremote vpn.example.org 443\n"), "{text}");

    // From the split files too, and for whom it does not serve any more not at all.
    cli.ok("profile --from two/alice-default-linux.ovpn --out three --form split --os linux");
    cli.ok("profile --from three/handfast-linux.ovpn --out four --os macos");
    assert_eq!(
        block("four/alice-default-macos.ovpn", "key"),
        block("two/alice-default-linux.ovpn", "key")
    );
    fs::remove_file(cli.path("three/vpn.key")).unwrap();
    let said = cli.fails(2, "profile --from three/handfast-linux.ovpn --out five");
    assert!(said.contains("vpn.key can't be read"), "{said}");
    cli.ok("device revoke alice");
    let said = cli.fails(4, "profile --from one/alice-default-linux.ovpn --out five");
    assert!(said.contains("revoked"), "{said}");
    assert!(!cli.path("five").exists());
}

#[test]
fn one_profile_is_printed_and_nothing_else_with_it() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    let said = cli.fails(2, "profile alice --out -");
    assert!(said.contains("--out - --os linux"), "{said}");
    let printed = cli.ok("profile alice --out - --os linux");
    assert!(printed.starts_with("# Handfast profile of alice/default for linux\n"), "{printed}");
    assert!(printed.ends_with("</key>\n"), "{printed}");
    assert_eq!(names_in(&cli.path(".")).iter().filter(|name| name.ends_with(".ovpn")).count(), 0);
    let said = cli.fails(4, "profile alice --out - --os linux");
    assert!(said.contains("is not to be had here"), "{said}");
}

#[test]
fn a_profile_of_another_gateway_is_none_of_ours() {
    let (cli, other) = (Cli::with_data(), Cli::with_data());
    other.ok("user add alice");
    other.ok("profile alice --out one --os linux");
    cli.ok("user add alice");
    let theirs = other.path("one/alice-default-linux.ovpn");
    let said = cli.fails(3, &format!("profile --from {} --out two", theirs.display()));
    assert!(said.contains("none that this gateway has on record"), "{said}");
}

#[test]
fn a_device_that_keeps_its_key_sends_a_csr() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    make_csr(&cli, "phone.csr");
    assert_eq!(
        cli.ok("device add alice/phone --csr phone.csr"),
        "added device alice/phone with 10.71.0.3, [ULA]::3\n\
         issued certificate [SERIAL], valid until [DATE]\n\
         next: handfast profile alice/phone --out DIR\n"
    );
    assert_eq!(
        cli.ok("profile alice/phone --os linux,ios --form split --out files"),
        "wrote 2 files for alice/phone to files\n  \
           handfast-linux.ovpn\n  \
           vpn.crt\n\
         certificate [SERIAL], valid until [DATE]\n\
         the private key is on alice/phone: put it beside these files as vpn.key\n\
         nothing for ios: their clients import one file with the key in it\n"
    );
    make_csr(&cli, "next.csr");
    let renewed = cli.ok("device renew alice/phone --csr next.csr");
    assert!(renewed.contains("at the latest on [DATE]\n"), "{renewed}");
    fs::write(
        cli.path("bad.csr"),
        fs::read_to_string(cli.path("next.csr")).unwrap().replacen("MII", "AAA", 1),
    )
    .unwrap();
    let complaint = cli.run("device add alice/tablet --csr bad.csr");
    assert!(complaint.code != 0 && complaint.err.starts_with("error: "), "{complaint:?}");
}

#[test]
fn requests_that_other_programs_write_are_taken() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    make_csr(&cli, "usual.csr");
    let usual = fs::read_to_string(cli.path("usual.csr")).unwrap();
    let new = usual.replace(" CERTIFICATE", " NEW CERTIFICATE").replace('\n', "\r\n");
    let utf_16 = format!("\u{feff}{usual}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(cli.path("der.csr"), der(&cli, "usual.csr")).unwrap();
    let forms: [(&str, Vec<u8>); 4] = [
        ("new", new.into_bytes()),
        ("mark", format!("\u{feff}{usual}").into_bytes()),
        ("utf-16", utf_16),
        ("margin", usual.replace('\n', "\n\t").into_bytes()),
    ];
    for (name, bytes) in &forms {
        fs::write(cli.path(&format!("{name}.csr")), bytes).unwrap();
    }
    let added = cli.ok("device add alice/phone --csr new.csr");
    assert!(added.starts_with("added device alice/phone "), "{added}");
    for name in ["mark", "utf-16", "margin", "der"] {
        let renewed = cli.ok(&format!("device renew alice/phone --csr {name}.csr"));
        assert!(renewed.starts_with("renewed device alice/phone\n"), "{renewed}");
    }
    fs::write(cli.path("noise.csr"), [0x30, 0x82, 0xff, 0xfe]).unwrap();
    let complaint = cli.fails(2, "device add alice/noise --csr noise.csr");
    assert!(complaint.starts_with("error: noise.csr is no certificate request\n"), "{complaint}");
}

#[test]
fn a_key_is_certified_for_one_device_and_never_after_it_was_compromised() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    make_csr(&cli, "own.csr");
    cli.ok("device add alice/phone --csr own.csr");
    assert_eq!(
        cli.fails(4, "device add alice/tablet --csr own.csr"),
        "error: this key is that of alice/phone\n\
         hint:  make a key for each device, and a request with it\n"
    );
    cli.fails(3, "device show alice/tablet");
    cli.ok("device revoke alice/phone --reason key-compromise");
    for again in ["device renew alice/phone", "device add alice/tablet"] {
        let complaint = cli.fails(4, &format!("{again} --csr own.csr"));
        let said =
            "error: this key was revoked as compromised on [DATE] (it was that of alice/phone)\n";
        assert!(complaint.starts_with(said), "{complaint}");
    }
}

#[test]
fn a_key_may_turn_out_to_be_compromised_after_its_device_was_removed_or_revoked_for_less() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    let compromised =
        "error: this key was revoked as compromised on [DATE] (it was that of alice/phone)\n";
    for before in ["device remove alice/phone", "device revoke alice/phone"] {
        make_csr(&cli, "own.csr");
        cli.ok("device add alice/phone --csr own.csr");
        cli.ok(before);
        if before.contains("remove") {
            cli.fails(3, "device revoke alice/phone");
        }
        cli.ok("device revoke alice/phone --reason key-compromise");
        let complaint = cli.fails(4, "device add alice/tablet --csr own.csr");
        assert!(complaint.starts_with(compromised), "{before}: {complaint}");
        let again = cli.ok("device revoke alice/phone --reason key-compromise");
        assert!(again.contains("nothing was changed"), "{again}");
        let crl = cli.ok("crl show");
        assert!(crl.contains("key-compromise"), "{crl}");
    }
    cli.fails(3, "device revoke alice/never --reason key-compromise");
    assert!(cli.run("check").out.contains("they are what the log says"));
}

fn der(cli: &Cli, name: &str) -> Vec<u8> {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-outform", "DER", "-in", name]).current_dir(cli.path(""));
    openssl.output().unwrap().stdout
}

fn make_csr(cli: &Cli, name: &str) {
    let made = Command::new("openssl")
        .args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=phone"])
        .args(["-keyout", "own.key", "-out", name])
        .current_dir(cli.path(""))
        .output()
        .expect("openssl is not installed: apt-get install openssl");
    assert!(made.status.success());
}

#[test]
fn links_and_pipes_in_the_folder_are_refused_before_a_key_is_made() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    let (victim, profile) = (cli.path("victim"), cli.path("out/alice-default-linux.ovpn"));
    fs::write(&victim, "precious").unwrap();
    fs::create_dir(cli.path("out")).unwrap();
    symlink(&victim, &profile).unwrap();
    let said = cli.fails(1, "profile alice --out out --os linux");
    assert!(said.contains("cause: out/alice-default-linux.ovpn is a link, which is not"), "{said}");
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    fs::remove_file(&profile).unwrap();
    assert!(Command::new("mkfifo").arg(&profile).status().unwrap().success());
    let said = cli.fails(1, "profile alice --out out --os linux");
    assert!(said.contains("cause: out/alice-default-linux.ovpn is no plain file\n"), "{said}");
    fs::remove_file(&profile).unwrap();
    symlink(&victim, cli.path("out/vpn.key")).unwrap();
    let said = cli.fails(1, "profile alice --out out --os linux --form split");
    assert!(said.contains("cause: out/vpn.key is a link, which is not followed\n"), "{said}");
    let said = cli.ok("profile alice --out out --os linux");
    assert!(said.contains("the private key is in these files and nowhere else"), "{said}");
}

#[test]
fn a_folder_that_others_may_write_to_gets_no_key() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    let open = |mode| {
        fs::set_permissions(cli.path("out"), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir(cli.path("out")).unwrap();
    open(0o777);
    for out in ["out", "out/inner"] {
        let said = cli.fails(1, &format!("profile alice --out {out} --os linux"));
        assert!(said.contains("other users may write to"), "{said}");
        assert!(said.contains("hint:  name a folder that only you may write to"), "{said}");
    }
    open(0o755);
    cli.ok("profile alice --out out --os linux");
}

#[test]
fn a_command_that_may_see_keys_leaves_no_core_file() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    // It waits for its input, so that it can be looked at.
    let mut command = cli.command("device add alice/laptop --csr -");
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let limit = || {
        let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        line.split_whitespace().skip(4).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let began = std::time::Instant::now();
    while limit() != ["0", "0"] && began.elapsed().as_secs() < 5 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(limit(), ["0", "0"]);
    drop(child.stdin.take());
    assert!(!child.wait().unwrap().success());
}
