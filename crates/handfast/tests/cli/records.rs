//! Users, devices, CA, CRL and events, on a data folder that no gateway runs on.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::{Cli, squeezed};

#[test]
fn a_user_comes_with_a_first_device() {
    let cli = Cli::with_data();
    assert_eq!(cli.ok("user list"), "no users yet; add one: handfast user add NAME\n");
    assert_eq!(
        cli.ok("user add alice"),
        "added user alice\n\
         added device alice/default with 10.71.0.2, [ULA]::2\n\
         next: handfast profile alice --out DIR\n"
    );
    assert_eq!(
        cli.ok("user list"),
        "USER   STATE   DEVICES  CONNECTED  ADDED\n\
         alice  active  1        -          [DATE]\n"
    );
    assert_eq!(
        squeezed(&cli.ok("user show alice")),
        "user alice\n\
         state active\n\
         added [DATE] [TIME] (just now)\n\
         \n\
         DEVICE STATE CONNECTED ADDRESSES EXPIRES LAST SEEN\n\
         alice/default new - 10.71.0.2 - never\n"
    );
}

#[test]
fn disabling_enabling_and_removing_tell_what_changed() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    assert_eq!(cli.ok("user disable alice"), "disabled user alice\n");
    let again = "user alice is disabled already; nothing was changed\n";
    assert_eq!(cli.ok("user disable alice"), again);
    assert!(cli.ok("user list").contains("alice  disabled"));
    assert_eq!(cli.ok("user enable alice"), "enabled user alice\n");
    cli.ok("profile alice --out files");
    assert_eq!(
        cli.ok("user remove alice"),
        "removed user alice: 1 certificate revoked, CRL [NUMBER] signed\n\
         revoked certificate [SERIAL]\n"
    );
    assert_eq!(cli.ok("user list"), "no users yet; add one: handfast user add NAME\n");
}

#[test]
fn a_device_goes_from_new_to_revoked() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    assert_eq!(
        cli.ok("device add alice/phone"),
        "added device alice/phone with 10.71.0.3, [ULA]::3\n\
         next: handfast profile alice/phone --out DIR\n"
    );
    assert_eq!(
        cli.ok("device show alice/phone"),
        "device     alice/phone\n\
         state      new\n\
         addresses  10.71.0.3, [ULA]::3\n\
         connected  -\n\
         last seen  never\n\
         added      [DATE] [TIME] (just now)\n\
         \n\
         no certificate yet; make it: handfast profile alice/phone --out DIR\n"
    );
    cli.ok("profile alice/phone --out files");
    assert_eq!(
        cli.ok("device revoke alice/phone --reason key-compromise"),
        "revoked device alice/phone: 1 certificate revoked, CRL [NUMBER] signed\n\
         revoked certificate [SERIAL]\n"
    );
    let again = "device alice/phone is revoked already; nothing was changed\n";
    assert_eq!(cli.ok("device revoke alice/phone"), again);
    assert_eq!(
        squeezed(&cli.ok("device list alice")),
        "DEVICE STATE CONNECTED ADDRESSES EXPIRES LAST SEEN\n\
         alice/default new - 10.71.0.2 - never\n\
         alice/phone revoked - 10.71.0.3 [DATE] never\n\
         2 devices\n"
    );
    assert!(squeezed(&cli.ok("device show alice/phone")).ends_with(
        "CERTIFICATE KEY VALID FROM VALID UNTIL STATE\n\
         [SERIAL] rsa2048 [DATE] [DATE] revoked [DATE] [TIME] (key-compromise)\n"
    ));
}

#[test]
fn the_crl_lists_what_was_revoked_and_openssl_agrees() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok("user add bob");
    cli.ok("profile alice --form split --out alice");
    cli.ok("profile bob --form split --out bob");
    cli.ok("device revoke alice --reason cessation-of-operation");
    assert_eq!(
        squeezed(&cli.ok("crl show")),
        "CRL number [NUMBER]\n\
         issuer CN=Handfast CA [ID]\n\
         signed [DATE] [TIME] (just now)\n\
         next update [DATE] [TIME] (in 6 days)\n\
         revoked 1\n\
         \n\
         CERTIFICATE WHOSE REVOKED AT (UTC) REASON\n\
         [SERIAL] alice/default [DATE] [TIME] cessation-of-operation\n"
    );
    let crl = cli.command("crl show --pem").output().unwrap().stdout;
    fs::write(cli.path("crl.pem"), crl).unwrap();
    assert_eq!(cli.ok("ca export --out ca.crt"), "wrote the CA's certificate to ca.crt\n");
    let verify = |certificate: &str| {
        openssl(
            &cli,
            &[
                "verify",
                "-crl_check",
                "-x509_strict",
                "-CAfile",
                "ca.crt",
                "-CRLfile",
                "crl.pem",
                certificate,
            ],
        )
    };
    assert!(verify("bob/vpn.crt").contains("bob/vpn.crt: OK"));
    assert!(verify("alice/vpn.crt").contains("certificate revoked"));
    assert!(
        openssl(&cli, &["crl", "-in", "crl.pem", "-CAfile", "ca.crt", "-noout"])
            .contains("verify OK")
    );
}

#[test]
fn the_ca_is_shown_and_exported() {
    let cli = Cli::with_data();
    assert_eq!(
        cli.ok("ca show"),
        "CA           CN=Handfast CA [ID]\n\
         serial       [SERIAL]\n\
         key          rsa3072\n\
         valid from   [DATE]\n\
         valid until  [DATE] (in 3649 days)\n\
         SHA-256      [SHA-256]\n\
         issued       2\n\
         revoked      0\n\
         public URL   http://vpn.example.net\n"
    );
    assert!(cli.ok("ca export").starts_with("-----BEGIN CERTIFICATE-----\n"));
}

#[test]
fn every_change_is_an_event_with_its_author() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    let before = json(&cli, "events").as_array().unwrap().len();
    cli.ok("profile alice --out files");
    cli.ok("device revoke alice");
    let events = json(&cli, &format!("events --after {before}"));
    let seen: Vec<String> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{} {}", e["what"].as_str().unwrap(), e["subject"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen[..2],
        ["certificate_recorded alice/default", "certificate_revoked alice/default"]
    );
    assert!(events[0]["actor"].as_str().unwrap().starts_with("uid:"));
    let listed = squeezed(&cli.ok(&format!("events --after {before} --limit 1 --wide")));
    assert!(listed.starts_with("ID AT (UTC) WHAT SUBJECT BY DETAILS\n"), "{listed}");
    assert!(listed.contains("certificate_recorded alice/default"), "{listed}");
}

#[test]
fn every_listing_has_json() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    for words in ["user list", "device list", "events", "check"] {
        assert!(json(&cli, words).as_array().is_some_and(|list| !list.is_empty()), "{words}");
    }
    for words in ["user show alice", "device show alice", "crl show", "ca show", "ca export"] {
        assert!(json(&cli, words).is_object(), "{words}");
    }
    let failed = cli.run("user show bob --json");
    let failure: Value = serde_json::from_str(&failed.err).unwrap();
    assert_eq!((failed.code, &failure["error"]["kind"]), (3, &Value::from("not_found")));
}

#[test]
fn what_only_a_running_gateway_can_do_says_so() {
    let cli = Cli::with_data();
    for words in ["status", "status --prometheus", "sessions", "tls list", "kick alice"] {
        assert_eq!(
            cli.fails(6, words),
            "error: no gateway runs on [FOLDER]/data\n\
             hint:  start one: handfast up\n"
        );
    }
    assert!(cli.fails(6, "events --follow").contains("so nothing will happen\n"));
}

#[test]
fn a_folder_without_a_gateway_says_how_to_make_one() {
    assert_eq!(
        Cli::new().fails(3, "user list"),
        "error: there is no gateway in [FOLDER]/data\n\
         hint:  start it once, which makes CA, keys and settings: handfast up\n\
         hint:  or name another folder with --data or HANDFAST_DATA\n"
    );
}

#[test]
fn what_does_not_exist_or_exists_already_is_told_apart() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    assert_eq!(
        cli.fails(4, "user add alice"),
        "error: there is a user `alice` already\n\
         hint:  choose another name, by more than case, or remove that one\n"
    );
    assert!(cli.fails(4, "user add Alice").starts_with("error: there is a user `alice` already\n"));
    assert!(cli.fails(4, "device add alice/default").starts_with("error: "));
    for words in ["user show bob", "user disable bob", "device add bob/x", "profile bob"] {
        let complaint = cli.fails(3, words);
        assert!(complaint.starts_with("error: there is no user `bob`"), "{words}: {complaint}");
    }
    for words in ["device show alice/x", "device revoke alice/x", "profile alice/x"] {
        let complaint = cli.fails(3, words);
        assert_eq!(
            complaint,
            "error: `alice` has no device `x`\n\
             hint:  `handfast device list alice` shows all\n"
        );
    }
}

fn json(cli: &Cli, words: &str) -> Value {
    let output = cli.command(&format!("{words} --json")).output().unwrap();
    assert!(output.status.success(), "{words}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn openssl(cli: &Cli, arguments: &[&str]) -> String {
    let run = Command::new("openssl").args(arguments).current_dir(cli.path("")).output();
    let output = run.expect("openssl is not installed: apt-get install openssl");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn a_device_is_disabled_enabled_and_removed_and_its_name_used_again() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok("device add alice/phone");
    cli.ok("profile alice/phone --out files");
    assert_eq!(
        cli.ok("device disable alice/phone"),
        "disabled device alice/phone: 1 certificate put on hold, CRL [NUMBER] signed\n"
    );
    assert!(cli.ok("crl show").contains("certificate-hold"));
    assert!(cli.ok("device show alice/phone").contains("on hold since [DATE]"));
    let again = "device alice/phone is disabled already; nothing was changed\n";
    assert_eq!(cli.ok("device disable alice/phone"), again);
    assert!(cli.ok("device show alice/phone").contains("disabled"));
    let refused = cli.fails(4, "profile alice/phone --renew --out more");
    assert!(refused.contains("handfast device enable alice/phone\n"), "{refused}");
    assert!(cli.ok("device show alice").contains("new"), "the others are as before");
    assert_eq!(
        cli.ok("device enable alice/phone"),
        "enabled device alice/phone: 1 certificate good again, CRL [NUMBER] signed\n"
    );
    assert!(!cli.ok("crl show").contains("certificate-hold"));
    assert_eq!(
        cli.ok("device remove alice/phone"),
        "removed device alice/phone: 1 certificate revoked, CRL [NUMBER] signed\n\
         revoked certificate [SERIAL]\n"
    );
    cli.fails(3, "device show alice/phone");
    assert_eq!(
        cli.ok("device add alice/phone"),
        "added device alice/phone with 10.71.0.3, [ULA]::3\n\
         next: handfast profile alice/phone --out DIR\n"
    );
    let whole = cli.fails(2, "device remove alice");
    assert!(whole.contains("handfast user remove alice"), "{whole}");
}

#[test]
fn a_user_is_renamed_with_all_devices() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    cli.ok("user add bob");
    cli.ok("profile alice --out files");
    assert_eq!(cli.ok("user rename alice alicia"), "renamed user alice to alicia\n");
    assert_eq!(
        cli.ok("user rename alicia alicia"),
        "user alicia has that name already; nothing was changed\n"
    );
    assert!(cli.ok("device show alicia").contains("active"));
    cli.fails(3, "user show alice");
    cli.fails(4, "user rename bob alicia");
    cli.fails(2, "user rename bob all");
}
