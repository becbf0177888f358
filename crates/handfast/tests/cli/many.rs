//! The same done to many: typed, or read from standard input as listings give them.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::running::Running;
use crate::{Cli, squeezed};

#[test]
fn devices_that_are_named_together_are_changed_by_one_change_and_one_crl() {
    let cli = with_three();
    let disabled = "disabled 2 devices: 2 certificates put on hold, CRL [NUMBER] signed\n";
    assert_eq!(cli.ok("device disable alice bob/default"), disabled);
    assert_eq!(
        cli.ok("device disable alice bob alice/default carol"),
        "disabled 1 device: 1 certificate put on hold, CRL [NUMBER] signed\n\
         disabled already: alice/default, bob/default\n"
    );
    assert_eq!(
        cli.ok("device enable alice bob carol"),
        "enabled 3 devices: 3 certificates good again, CRL [NUMBER] signed\n"
    );
    let before = signed(&cli);
    assert_eq!(
        cli.ok("device revoke alice bob --reason superseded"),
        "revoked 2 devices: 2 certificates revoked, CRL [NUMBER] signed\n"
    );
    assert_eq!(
        cli.ok("device revoke alice bob"),
        "nothing was changed\nrevoked already: alice/default, bob/default\n"
    );
    assert_eq!(signed(&cli), before + 1, "one list for both");
    assert_eq!(
        cli.ok("device remove alice/default carol/default"),
        "removed 2 devices: 1 certificate revoked, CRL [NUMBER] signed\n"
    );
    assert_eq!(cli.ok("user remove alice bob carol"), "removed 3 users\n");
}

#[test]
fn devices_that_were_removed_are_revoked_beside_others_once_their_keys_are_in_other_hands() {
    let cli = with_three();
    cli.ok("device remove alice/default");
    cli.ok("user remove carol");
    let said = cli.fails(3, "device revoke alice bob --reason superseded");
    assert!(said.contains("1 of 2"), "{said}");
    let said = cli.fails(3, "device revoke alice dora bob --reason key-compromise");
    assert!(said.contains("1 of 3") && said.contains("dora"), "{said}");
    assert_eq!(
        cli.ok("device revoke alice bob carol --reason key-compromise"),
        "revoked 3 devices: 3 certificates revoked, CRL [NUMBER] signed\n"
    );
    assert_eq!(
        cli.ok("device revoke alice bob carol --reason key-compromise"),
        "nothing was changed\nrevoked already: alice/default, bob/default, carol/default\n"
    );
    // The same of one alone.
    assert!(cli.ok("device revoke alice --reason key-compromise").contains("revoked already"));
    assert!(cli.fails(3, "device revoke dora --reason key-compromise").contains("dora"));
}

#[test]
fn where_one_of_them_can_not_be_changed_none_is_and_each_that_can_not_is_told() {
    let cli = with_three();
    let events = cli.ok("events");
    let said = cli.fails(3, "device remove alice/default bob/tv dora/default");
    assert!(said.starts_with("error: nothing was changed: 2 of 3 can't be\n"), "{said}");
    assert!(said.contains("bob") && said.contains("tv") && said.contains("dora"), "{said}");
    assert!(said.contains("hint:  leave these out"), "{said}");
    cli.ok("user add dora");
    let said = cli.fails(4, "device revoke alice dora");
    assert!(said.contains("1 of 2") && said.contains("dora/default has no certificate"), "{said}");
    assert!(cli.fails(2, "device remove alice/default bob").contains("\"bob\" names no device"));
    assert!(cli.fails(2, "user disable alice bob/tv").contains("names a device"));
    assert!(cli.fails(2, "device disable alice -").contains("names are typed"));
    let after = cli.ok("events");
    assert_eq!(after.lines().count(), events.lines().count() + 2, "the added user: {after}");
}

#[test]
fn names_are_read_from_standard_input_as_listings_print_them() {
    let cli = with_three();
    for listing in [
        "device list --begins al --columns name",
        "device list --begins al --columns state,name,expires_at",
        "device list --begins al --json",
    ] {
        let names = cli.command(listing).output().unwrap().stdout;
        let done = fed(&cli, "device disable - --json", &names);
        let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(answer["changed"], serde_json::json!(["alice/default"]), "{listing}");
        fed(&cli, "device enable -", b"alice\n");
    }
    let users = cli.command("user list --columns name").output().unwrap().stdout;
    fed(&cli, "user disable -", &users);
    assert_eq!(cli.ok("user list --disabled --columns name"), "NAME\nalice\nbob\ncarol\n");
    // What fits nothing names nobody, and not somebody who is called like the words for it.
    let nobody = cli.command("device list --begins x --columns name").output().unwrap().stdout;
    let none = fed(&cli, "device remove -", &nobody);
    assert_eq!(String::from_utf8_lossy(&none.stdout), "no name was given; nothing was done\n");
    let whole = cli.command("device list").output().unwrap().stdout;
    let output = feed(&cli, "device remove -", &whole);
    assert_eq!(output.status.code(), Some(2), "a total is no name: {output:?}");
    assert_eq!(cli.ok("device list --columns name").lines().count(), 4);
}

#[test]
fn the_profiles_of_several_are_written_and_before_the_first_key_it_is_seen_whether_all_can_be() {
    let cli = with_three();
    cli.ok("user add dora");
    cli.ok("user add eve");
    cli.ok("user disable eve");
    let said = cli.fails(4, "profile dora eve --out more");
    assert!(said.contains("1 of 2") && said.contains("eve/default is disabled"), "{said}");
    assert!(!cli.path("more").exists());
    cli.ok("user add frank");
    let text = cli.ok("profile dora frank --out more --os linux");
    assert_eq!(
        text,
        "wrote 1 file for dora/default, valid until [DATE]\n\
         wrote 1 file for frank/default, valid until [DATE]\n\
         the profiles of 2 devices are in more\n\
         the private key is in these files and nowhere else: hand them over safely, then delete them here\n"
    );
    assert!(cli.path("more/frank-default-linux.ovpn").exists());
    let devices = cli.command("device list --begins d --columns name").output().unwrap().stdout;
    let written = fed(&cli, "profile - --renew --os linux --out again --json", &devices);
    let written: Value = serde_json::from_slice(&written.stdout).unwrap();
    assert_eq!(written[0]["device"]["id"], "dora/default");
    assert_eq!(written.as_array().map(Vec::len), Some(1));
    assert!(cli.fails(2, "profile dora frank --out - --os linux").contains("only one"));
}

#[test]
fn whoever_shuts_out_the_first_device_hears_of_the_users_others() {
    let cli = with_three();
    cli.ok("device add alice/phone");
    cli.ok("profile alice/phone --out files");
    let text = cli.ok("device revoke alice");
    assert!(text.ends_with("alice has 1 more device in use: alice/phone\n"), "{text}");
    assert!(!cli.ok("device revoke alice/phone").contains("in use"));
    assert!(!cli.ok("device revoke bob").contains("in use"));
    let json = cli.command("device disable carol --json").output().unwrap().stdout;
    assert!(serde_json::from_slice::<Value>(&json).is_ok());
}

#[test]
fn sessions_of_several_are_closed_and_who_is_not_connected_is_told() {
    let cli = Cli::with_data();
    let _gateway = Running::on(&cli);
    assert_eq!(
        cli.ok("kick alice/phone bob carol/tv"),
        "closed 1 session: alice/phone\nnot connected: bob, carol/tv\n"
    );
    let absent = cli.run("kick bob carol");
    assert_eq!(absent.code, 3, "{absent:?}");
    assert!(absent.out.ends_with("not connected: bob, carol\n"), "{absent:?}");
    let who = cli.command("sessions --columns device").output().unwrap().stdout;
    let done = fed(&cli, "kick -", &who);
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("closed 1 session"), "{done:?}");
    // Two of one device, and two of nobody who is known.
    let rows = "DEVICE       ADDRESSES\nalice/phone  10.71.0.2\n-            -\nalice/phone  10.71.0.3\n\
                -            -\n";
    let done = fed(&cli, "kick -", rows.as_bytes());
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "closed 1 session: alice/phone\nleft out, as they name nobody: 2 rows\n"
    );
    let rows = br#"[{"id": 8, "device": null}, {"id": 7, "device": {"id": "alice/phone"}}]"#;
    let done: Value = serde_json::from_slice(&fed(&cli, "kick - --json", rows).stdout).unwrap();
    assert_eq!((&done["sessions"][0]["id"], &done["nameless"]), (&"alice/phone".into(), &1.into()));
    let done = fed(&cli, "kick -", br#"[{"id": 8, "device": null}]"#);
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "no name was given; nothing was done\nleft out, as they name nobody: 1 row\n"
    );
    let done = fed(&cli, "kick -", b"alice/phone\nalice\nalice/phone\n");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "closed 1 session: alice/phone\n");
}

#[test]
fn a_rollovers_rows_are_a_listing_too() {
    let cli = with_three();
    cli.ok("ca rollover start");
    let listed = cli.ok("ca rollover status --columns name");
    assert_eq!(squeezed(&listed), "NAME\nalice/default\nbob/default\ncarol/default\n");
    let names = cli.command("ca rollover status --columns name").output().unwrap().stdout;
    fed(&cli, "profile - --renew --os linux --out rolled", &names);
    assert!(cli.path("rolled/carol-default-linux.ovpn").exists());
}

fn with_three() -> Cli {
    let cli = Cli::with_data();
    for user in ["alice", "bob", "carol"] {
        cli.ok(&format!("user add {user}"));
    }
    cli.ok("profile alice bob carol --os linux --out files");
    cli
}

/// How many lists were signed.
fn signed(cli: &Cli) -> usize {
    cli.ok("events --limit 1000").matches("crl_signed").count()
}

/// Runs what must succeed with this on standard input.
fn fed(cli: &Cli, words: &str, text: &[u8]) -> Output {
    let output = feed(cli, words, text);
    assert!(output.status.success(), "{words}: {output:?}");
    output
}

fn feed(cli: &Cli, words: &str, text: &[u8]) -> Output {
    let mut command = cli.command(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap()
}
