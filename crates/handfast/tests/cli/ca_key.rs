//! The CA's key on the disk: sealed, opened, in the clear.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::running::Running;
use crate::{Cli, names_in};

#[test]
fn a_key_that_was_sealed_with_a_key_file_signs_by_itself_and_not_without_the_file() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    fs::write(cli.path("secret"), [7; 32]).unwrap();
    let before = open_keys(&cli);
    assert_eq!(before.len(), 1);
    let said = cli.ok("ca seal --key-file secret");
    assert!(said.starts_with("sealed 1 key with the key file [FOLDER]/secret;"), "{said}");
    assert_eq!(kinds(&cli), ["crl", "sealed"]);
    let sealed = fs::read(files(&cli, "sealed").remove(0)).unwrap();
    // The end of an RSA key is secret; its beginning is in the certificate too.
    assert!(!sealed.windows(16).any(|window| before[0].ends_with(window)));
    cli.ok("profile alice --out files");
    let check = cli.run("check").out;
    assert!(check.contains("sealed with the key file"), "{check}");

    fs::rename(cli.path("secret"), cli.path("away")).unwrap();
    let refused = cli.fails(5, "device renew alice --out more");
    assert!(refused.contains("the CA's key is sealed"), "{refused}");
    assert!(cli.run("check").out.contains("not open: nothing is signed"));
    cli.ok("user add bob");
    cli.ok("ca unseal --secret away");
    assert_eq!(kinds(&cli), ["crl", "pem"]);
    cli.ok("device renew alice --out more");
}

#[test]
fn a_passphrase_opens_the_key_for_the_running_gateway_and_another_one_does_not() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    assert_eq!(typed(&cli, "ca seal", "short").0, 2);
    assert_eq!(typed(&cli, "ca seal", "correct horse").0, 0);
    cli.fails(5, "profile alice --out files");
    assert_eq!(typed(&cli, "ca unlock", "correct horse").0, 6);
    {
        let _gateway = Running::on(&cli);
        cli.fails(5, "profile alice --out files");
        let (code, said) = typed(&cli, "ca unlock", "wrong horse");
        assert_eq!(code, 5, "{said}");
        assert!(said.contains("does not open with that"), "{said}");
        assert_eq!(typed(&cli, "ca unlock", "correct horse").0, 0);
        cli.ok("profile alice --out files");
        let (code, said) = typed(&cli, "ca unseal", "correct horse");
        assert_eq!(code, 13, "{said}");
    }
    // The gateway's last thread gives the folder up a moment later.
    let code = || typed(&cli, "ca unseal", "wrong horse").0;
    let code = (0..500).map(|_| code()).find(|code| *code != 13);
    assert_eq!(code, Some(5));
    assert_eq!(kinds(&cli), ["crl", "sealed"]);
    // Another passphrase in the place of the first: present one, then new one.
    assert_eq!(typed(&cli, "ca seal", "correct horse\nbattery staple").0, 0);
    assert_eq!(typed(&cli, "ca unseal", "correct horse").0, 5);
    assert_eq!(typed(&cli, "ca unseal", "battery staple").0, 0);
    cli.ok("device renew alice --out more");
}

#[test]
fn a_credential_of_the_service_manager_opens_the_key() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    fs::create_dir(cli.path("credentials")).unwrap();
    fs::write(cli.path("credentials/handfast-ca"), [9; 32]).unwrap();
    cli.ok("ca seal --credential handfast-ca --secret credentials/handfast-ca");
    cli.fails(5, "profile alice --out files");
    let mut command = cli.command("profile alice --out files");
    command.env("CREDENTIALS_DIRECTORY", cli.path("credentials"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_seal_that_was_cut_short_is_finished_by_the_next() {
    let cli = Cli::with_data();
    cli.ok("user add alice");
    fs::write(cli.path("secret"), [7; 32]).unwrap();
    let open = files(&cli, "pem").remove(0);
    let key = fs::read(&open).unwrap();
    cli.ok("ca seal --key-file secret");
    // Killed before the open one was removed.
    fs::write(&open, key).unwrap();
    cli.ok("profile alice --out files");
    cli.ok("ca seal --key-file secret");
    assert_eq!(kinds(&cli), ["crl", "sealed"]);
}

pub(crate) fn typed(cli: &Cli, words: &str, line: &str) -> (i32, String) {
    let mut command = cli.command(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses before it reads is gone by now.
    let _ = child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

fn files(cli: &Cli, kind: &str) -> Vec<std::path::PathBuf> {
    let folder = cli.path("data/ca");
    let named = names_in(&folder).into_iter().filter(|name| name.ends_with(kind));
    named.map(|name| folder.join(name)).collect()
}

fn kinds(cli: &Cli) -> Vec<String> {
    let names = names_in(&cli.path("data/ca"));
    let mut kinds: Vec<_> =
        names.iter().filter_map(|name| Some(name.rsplit_once('.')?.1.to_owned())).collect();
    kinds.sort();
    kinds
}

/// The octets of the keys that lie open.
fn open_keys(cli: &Cli) -> Vec<Vec<u8>> {
    let text = |path| fs::read_to_string(path).unwrap();
    let key = |path| pki::PrivateKey::from_pem(&text(path)).unwrap().pkcs8().to_vec();
    files(cli, "pem").into_iter().map(key).collect()
}
