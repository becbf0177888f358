//! Asking as a client would, in words and by exit code.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Cli;
use crate::running::Running;

#[test]
fn who_is_asked_about_a_certificate_and_what_each_says_is_told_and_the_exit_code_has_the_verdict() {
    let cli = Cli::with_data();
    let gateway = Running::publishing(&cli);
    cli.ok("user add alice");
    cli.ok("profile alice --out files --form split --os linux");
    let said = cli.ok("ocsp ask files/vpn.crt");
    assert!(said.contains("CN=alice/default") && said.ends_with("\nit holds\n"), "{said}");
    assert_eq!(said.matches("good, as of").count(), 2, "{said}");
    assert!(!said.contains("signed ahead"), "{said}");

    cli.ok("device revoke alice --reason key-compromise");
    let revoked = (0..50).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let output = cli.command("ocsp ask files/vpn.crt").output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (said.matches("revoked on").count() == 2).then_some((output.status.code(), said))
    });
    let (code, said) = revoked.expect("both say so");
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("keyCompromise") && said.ends_with("\nit was revoked\n"), "{said}");

    drop(gateway);
    let output = cli.command("ocsp ask files/vpn.crt").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(12), "{said}");
    assert_eq!(said.matches("no answer: its host was not reached").count(), 2, "{said}");
    assert!(said.ends_with("\nwhether it holds is not known\n"), "{said}");
}

#[test]
fn a_tls_server_is_looked_at_for_its_certificate_and_what_it_staples() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!(
            "SKIP a_tls_server_is_looked_at_for_its_certificate_and_what_it_staples: no openssl"
        );
        return;
    }
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("user add alice");
    cli.ok("profile alice --out files --form split --os linux");
    cli.ok("ca export --out ca.crt");
    let openssl = |words: &str| {
        let mut command = Command::new("openssl");
        command.args(words.split_whitespace()).current_dir(cli.path(""));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let url = openssl("x509 -in files/vpn.crt -noout -ocsp_uri").output().unwrap().stdout;
    let url = String::from_utf8(url).unwrap();
    let about = "-issuer ca.crt -cert files/vpn.crt -no_nonce -CAfile ca.crt -respout staple.der";
    let asked = openssl(&format!("ocsp {about} -url {}", url.trim())).output().unwrap();
    assert!(asked.status.success(), "{asked:?}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let identity = "-cert files/vpn.crt -key files/vpn.key -status_file staple.der -quiet";
    let mut server = openssl(&format!("s_server -accept {free} {identity}")).spawn().unwrap();
    let said = (0..50).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let output = cli.command(&format!("ocsp ask {free}")).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    });
    server.kill().unwrap();
    server.wait().unwrap();
    let said = said.expect("it answers");
    assert!(said.contains("CN=alice/default") && said.contains("stapled\n  good, as of"), "{said}");
    assert_eq!(said.matches("good, as of").count(), 3, "{said}");
}

#[test]
fn what_can_not_be_asked_is_said_with_the_mend() {
    let cli = Cli::with_data();
    let missing = cli.fails(3, "ocsp ask nothing.crt");
    assert!(missing.contains("there is no file nothing.crt"), "{missing}");
    fs::write(cli.path("empty.pem"), "").unwrap();
    let empty = cli.fails(2, "ocsp ask empty.pem");
    assert!(empty.contains("there is no certificate in empty.pem"), "{empty}");
    let away = cli.fails(12, "ocsp ask 127.0.0.1:1");
    assert!(away.contains("no TLS server showed itself at 127.0.0.1:1"), "{away}");
    let nowhere = cli.fails(12, "crl fetch http://127.0.0.1:1/ca/x.crl");
    assert!(nowhere.contains("nothing came from"), "{nowhere}");
    let no_http = cli.fails(12, "crl fetch https://127.0.0.1:1/ca/x.crl");
    assert!(no_http.contains("no address of plain HTTP"), "{no_http}");
}

#[test]
fn a_kept_file_has_the_newest_list_and_no_former_one_takes_its_place() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("user add alice");
    cli.ok("profile alice --out files --form split --os linux");
    let fetched = cli.ok("crl fetch files/vpn.crt --out crl.pem");
    assert!(fetched.contains("signed by") && fetched.contains("Handfast CA"), "{fetched}");
    let first = fs::read_to_string(cli.path("crl.pem")).unwrap();
    assert_eq!(first, cli.ok("crl show --pem"));
    cli.ok("device revoke alice");
    fs::write(cli.path("crl.pem"), cli.ok("crl show --pem")).unwrap();
    let newest = fs::read_to_string(cli.path("crl.pem")).unwrap();
    assert_ne!(first, newest);
    // Somebody else's file is no list, and is replaced by one.
    fs::write(cli.path("other.pem"), "nothing\n").unwrap();
    cli.ok("crl fetch files/vpn.crt --out other.pem");
    assert!(fs::read_to_string(cli.path("other.pem")).unwrap().starts_with("-----BEGIN X509 CRL"));
}
