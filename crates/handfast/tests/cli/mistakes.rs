//! The usual mistakes: each says what happened, why, and what to do, and has its exit code.

use std::fs;

use crate::Cli;

#[test]
fn a_name_that_cannot_be_used_is_explained() {
    assert_eq!(
        Cli::new().fails(2, "user add al/ice"),
        "error: \"al/ice\" names a device, this command takes a user\n\
         hint:  the user is \"al\"; for \"ice\" see `handfast device --help`\n"
    );
    assert_eq!(
        Cli::new().fails(2, "user add ../x"),
        "error: \"../x\" names a device, this command takes a user\n\
         hint:  the user is \"..\"; for \"x\" see `handfast device --help`\n"
    );
    assert_eq!(
        Cli::new().fails(2, "user show _alice"),
        "error: \"_alice\" can't be used as a name\n\
         cause: a name starts with '_' instead of a letter or digit\n\
         hint:  names have letters, digits and . _ - @, and start with a letter or a digit\n\
         hint:  a device is named USER/DEVICE: alice/phone\n"
    );
}

#[test]
fn an_answer_that_can_not_be_written_is_said_and_one_that_nobody_reads_is_no_failure() {
    let cli = Cli::with_data();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = cli.command("crl show --pem").stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("error: the answer could not be written") && said.contains("hint:"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = cli.command("crl show --pem").stdout(writer).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_device_needs_a_name_of_its_own() {
    assert_eq!(
        Cli::new().fails(2, "device add alice"),
        "error: \"alice\" names no device\n\
         cause: `handfast user add` made alice/default already\n\
         hint:  name the further device: `handfast device add alice/phone`\n"
    );
}

#[test]
fn the_split_form_for_a_phone_is_refused_with_the_reason() {
    assert_eq!(
        Cli::new().fails(2, "profile alice --os ios --form split"),
        "error: the split form can't be used on Android and iOS\n\
         cause: their clients import one file and can't read vpn.crt and vpn.key beside it\n\
         hint:  leave out `--form split` for them\n"
    );
}

#[test]
fn a_private_key_in_place_of_a_csr_is_noticed() {
    let cli = Cli::new();
    std::fs::write(cli.path("x"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let complaint = cli.fails(2, "device add alice/phone --csr x");
    assert!(
        complaint.starts_with(
            "error: x is no certificate request\n\
             cause: it holds a private key, which must not leave the device\n"
        ),
        "{complaint}"
    );
    let complaint = cli.fails(1, "device add alice/phone --csr missing.csr");
    assert_eq!(
        complaint,
        "error: missing.csr can't be read\n\
         cause: No such file or directory (os error 2)\n\
         hint:  name the file with the certificate request: `--csr FILE`\n"
    );
}

#[test]
fn a_mistyped_setting_is_named_with_its_place_and_the_nearest_key() {
    let cli = Cli::with_data();
    let path = cli.path("data/handfast.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings.replace("\nlisten = ", "\nlissten = ")).unwrap();
    let complaint = cli.fails(7, "user list");
    assert!(complaint.starts_with("error: [FOLDER]/data/handfast.toml:"), "{complaint}");
    assert!(complaint.contains("lissten") && complaint.contains("listen"), "{complaint}");
}

#[test]
fn a_mistyped_word_is_answered_with_the_nearest_one() {
    let complaint = Cli::new().fails(2, "sesions");
    assert!(complaint.contains("a similar subcommand exists: 'sessions'"), "{complaint}");
    let complaint = Cli::new().fails(2, "device revoke alice --reason key-compromised");
    assert!(complaint.contains("a similar value exists: 'key-compromise'"), "{complaint}");
    let complaint = Cli::new().fails(2, "kick");
    assert!(complaint.contains("<USER[/DEVICE]|--session <ID>|--server <NAME>>"), "{complaint}");
}

#[test]
fn the_help_of_every_command_is_there() {
    for command in [
        "",
        "up",
        "demo",
        "connect",
        "user",
        "user add",
        "device",
        "device add",
        "device renew",
        "profile",
        "crl show",
        "ca show",
        "ca export",
        "status",
        "sessions",
        "tls list",
        "kick",
        "events",
        "check",
        "service install",
        "service remove",
    ] {
        let help = Cli::new().ok(&format!("{command} --help"));
        assert!(help.contains("Usage: handfast"), "{command}: {help}");
        assert!(help.contains("--json"), "{command}: {help}");
    }
}

#[test]
fn lost_records_are_told_and_no_new_ca_takes_their_place() {
    let cli = Cli::with_data();
    for name in ["handfast.db", "handfast.db-wal", "handfast.db-shm"] {
        let _ = fs::remove_file(cli.path("data").join(name));
    }
    let said = cli.fails(9, "user list");
    assert!(said.contains("are gone"), "{said}");
    assert!(said.contains("restore"), "{said}");
}

#[test]
fn an_export_does_not_overwrite_what_is_not_a_certificate() {
    let cli = Cli::with_data();
    let before = fs::read(cli.path("data/handfast.toml")).unwrap();
    let said = cli.fails(4, "ca export --out data/handfast.toml");
    assert!(said.contains("is not a certificate"), "{said}");
    assert_eq!(fs::read(cli.path("data/handfast.toml")).unwrap(), before);
}

#[test]
fn a_device_without_a_certificate_is_not_said_to_be_revoked() {
    let cli = Cli::with_data();
    cli.ok("user add carol");
    let said = cli.fails(4, "device revoke carol");
    assert!(said.contains("nothing to revoke"), "{said}");
}

#[test]
fn settings_that_a_start_goes_without_are_shown_and_mended_key_by_key() {
    let cli = Cli::with_data();
    let file = cli.path("data/handfast.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("\nroutes = []", "\nroutes = [\"127.0.0.0/8\"]");
    fs::write(&file, text.replace("\ndns = []", "\ndns = [\"127.0.0.53\"]")).unwrap();
    assert!(cli.ok("config show").contains("vpn.push.routes = []"));
    cli.ok("config set public.names vpn.example.org");
    let said = cli.fails(7, "config set vpn.push.dns 127.0.0.53");
    assert!(said.contains("vpn.push.dns has 127.0.0.53"), "{said}");
    cli.ok("config set vpn.push.routes 10.9.0.0/16");
    assert!(fs::read_to_string(&file).unwrap().contains("127.0.0.53"), "not touched");
    cli.ok("config set vpn.push.dns");
    assert!(!fs::read_to_string(&file).unwrap().contains("127.0.0."), "both are mended");
}

#[test]
fn a_port_that_profiles_name_is_not_given_up_without_a_word() {
    let cli = Cli::with_data();
    cli.ok("config set public.names vpn.example.org");
    assert!(!cli.ok("config set vpn.listen tcp:[::]:443").contains("warning"), "nobody has one");
    cli.ok("config set vpn.listen udp:[::]:1194");
    cli.ok("user add alice");
    cli.ok("profile alice --out files");
    let said = cli.ok("config set vpn.listen tcp:[::]:443");
    assert!(
        said.contains(
            "warning: 1 device may have a profile that names udp 1194 alone, which would not reach this gateway: \
             keep that beside the new one until each has another profile\n"
        ),
        "{said}"
    );
    cli.ok("config set vpn.listen udp:[::]:1194");
    let beside = cli.ok("config set vpn.listen tcp:[::]:443 udp:[::]:1194");
    assert!(!beside.contains("warning"), "{beside}");
}

#[test]
fn a_setting_that_is_wrong_is_refused_and_the_file_stays_as_it_was() {
    let cli = Cli::with_data();
    let file = cli.path("data/handfast.toml");
    let before = fs::read_to_string(&file).unwrap();
    assert_eq!(
        cli.fails(2, "config set vpn.push.rutes 10.9.0.0/16"),
        "error: there is no key `vpn.push.rutes`; did you mean `vpn.push.routes`?\n\
         hint:  all keys and their values: handfast config show\n"
    );
    for (typed, meant) in [
        ("vpn.full_tunnel", "vpn.push.redirect_gateway"),
        ("vpn.push.full-tunnel", "vpn.push.redirect_gateway"),
        ("dns", "vpn.push.dns"),
    ] {
        let said = cli.fails(2, &format!("config set {typed} true"));
        assert!(said.contains(&format!("did you mean `{meant}`?")), "{said}");
    }
    let said = cli.fails(7, "config set vpn.ping 0");
    assert!(said.contains("vpn.ping is 0 s; choose 1 to 3600"), "{said}");
    cli.fails(2, "config set vpn.nat perhaps");
    cli.fails(6, "reload");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    cli.ok("config set vpn.ping 7");
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with("ping =")).count();
    assert_eq!(lines(&fs::read_to_string(&file).unwrap()), lines(&before));
}
