//! Certificates of servers, and of whatever else is no device, with openssl as the judge.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::{Cli, squeezed};

#[test]
fn a_server_gets_a_certificate_whose_key_lies_beside_it_and_nowhere_else() {
    let cli = Cli::with_data();
    assert_eq!(cli.ok("cert list"), "no certificates yet; issue one: handfast cert issue NAME\n");
    let words = "cert issue www.example.org --san example.org,192.0.2.7 --days 90 --out web";
    assert_eq!(
        cli.ok(words),
        "issued certificate [SERIAL] for www.example.org, valid until [DATE]\n\
         wrote web/www.example.org.crt\n\
         wrote web/www.example.org.key\n"
    );
    let key = cli.path("web/www.example.org.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = fs::read_to_string(&key).unwrap().lines().nth(1).unwrap().to_owned();
    for name in fs::read_dir(cli.path("data")).unwrap() {
        let bytes = fs::read(name.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "it was kept");
    }
    cli.ok("ca export --out ca.pem");
    let verify = "verify -x509_strict -CAfile ca.pem -purpose sslserver -verify_hostname";
    for host in ["www.example.org", "example.org"] {
        let said = openssl(&cli, &format!("{verify} {host} web/www.example.org.crt"));
        assert!(said.contains("OK"), "{host}: {said}");
    }
    let text = openssl(&cli, "x509 -in web/www.example.org.crt -noout -text -pubkey");
    assert!(text.contains("IP Address:192.0.2.7"), "{text}");
    let of_key = openssl(&cli, "pkey -in web/www.example.org.key -pubout");
    assert!(text.contains(of_key.trim()), "key and certificate are no pair");
    assert_eq!(
        squeezed(&cli.ok("cert list --wide")),
        "NAME PROFILE STATE EXPIRES HOSTS\n\
         www.example.org server valid [DATE] 192.0.2.7, example.org, www.example.org\n"
    );
}

#[test]
fn a_certificate_is_renewed_revoked_and_issued_again() {
    let cli = Cli::with_data();
    cli.ok("cert issue mail.example.org --san imap.example.org");
    let twice = cli.fails(4, "cert issue mail.example.org");
    assert!(twice.contains("handfast cert renew mail.example.org"), "{twice}");
    assert_eq!(
        cli.ok("cert renew mail.example.org --key rsa2048"),
        "issued certificate [SERIAL] for mail.example.org, valid until [DATE]\n\
         the former one, [SERIAL], is revoked on [DATE]\n\
         wrote ./mail.example.org.crt\n\
         wrote ./mail.example.org.key\n"
    );
    let shown = squeezed(&cli.ok("cert show mail.example.org"));
    assert!(shown.contains("hosts imap.example.org, mail.example.org"), "{shown}");
    assert!(shown.contains("[SERIAL] rsa2048 [DATE] [DATE] valid\n"), "{shown}");
    assert!(shown.contains("[SERIAL] p256 [DATE] [DATE] superseded, revoked by [DATE]"), "{shown}");
    assert_eq!(
        cli.ok("cert revoke mail.example.org --reason key-compromise"),
        "revoked mail.example.org: 2 certificates revoked, CRL [NUMBER] signed\n\
         revoked certificate [SERIAL]\n\
         revoked certificate [SERIAL]\n"
    );
    cli.ok("ca export --out ca.pem");
    fs::write(cli.path("crl.pem"), cli.command("crl show --pem").output().unwrap().stdout).unwrap();
    let verify =
        "verify -x509_strict -crl_check -CAfile ca.pem -CRLfile crl.pem mail.example.org.crt";
    let said = openssl(&cli, verify);
    assert!(said.contains("certificate revoked"), "{said}");
    cli.ok("cert issue mail.example.org");
    assert!(openssl(&cli, verify).contains("OK"));
    let again = cli.ok("cert revoke mail.example.org");
    assert!(again.contains("1 certificate revoked, CRL [NUMBER] signed"), "{again}");
}

#[test]
fn a_client_that_is_no_device_shows_its_csr_and_gets_no_key() {
    let cli = Cli::with_data();
    let request = "req -new -newkey rsa:2048 -nodes -keyout own.key -subj /CN=any -out own.csr";
    openssl(&cli, request);
    assert_eq!(
        cli.ok("cert issue backup --profile client --csr own.csr"),
        "issued certificate [SERIAL] for backup, valid until [DATE]\nwrote ./backup.crt\n"
    );
    cli.ok("ca export --out ca.pem");
    let as_client = openssl(&cli, "verify -CAfile ca.pem -purpose sslclient backup.crt");
    assert!(as_client.contains("OK"), "{as_client}");
    let as_server = openssl(&cli, "verify -CAfile ca.pem -purpose sslserver backup.crt");
    assert!(!as_server.contains("OK"), "{as_server}");
    // The key is its own from now on.
    let other = cli.fails(4, "cert issue other --profile client --csr own.csr");
    assert!(other.contains("this key is that of backup"), "{other}");
}

#[test]
fn a_csr_whose_names_are_not_all_certified_is_told_which_and_how_to_have_them() {
    let cli = Cli::with_data();
    let hosts = "subjectAltName=DNS:git.example.org,DNS:code.example.org,IP:192.0.2.7";
    let request = "req -new -newkey rsa:2048 -nodes -keyout git.key -subj /CN=git.example.org -out git.csr -addext";
    openssl(&cli, &format!("{request} {hosts}"));
    assert_eq!(
        cli.ok("cert issue git.example.org --csr git.csr --san 192.0.2.7"),
        "issued certificate [SERIAL] for git.example.org, valid until [DATE]\n\
         it is for 192.0.2.7, git.example.org\n\
         the CSR asks for code.example.org too, which it is not for; to have them in it:\n  \
         handfast cert revoke git.example.org --reason superseded\n  \
         handfast cert issue git.example.org --csr FILE --san 192.0.2.7,git.example.org,code.example.org\n\
         wrote ./git.example.org.crt\n"
    );
    cli.ok("cert revoke git.example.org --reason superseded");
    let all = "cert issue git.example.org --csr git.csr --san 192.0.2.7,code.example.org";
    assert!(!cli.ok(all).contains("the CSR asks"));
}

#[test]
fn a_renewal_never_puts_another_key_in_the_place_of_one_that_came_by_csr() {
    let cli = Cli::with_data();
    let request =
        "req -new -newkey rsa:2048 -nodes -keyout own.key -subj /CN=git.example.org -out own.csr";
    openssl(&cli, request);
    cli.ok("cert issue git.example.org --csr own.csr --out srv");
    let former = fs::read(cli.path("srv/git.example.org.crt")).unwrap();
    assert_eq!(
        cli.fails(4, "cert renew git.example.org --out srv"),
        "error: the key of git.example.org was made elsewhere, and its certificate is for that one\n\
         hint:  have a CSR made with that key: handfast cert renew git.example.org --csr FILE\n\
         hint:  or begin anew with a key from here: handfast cert revoke git.example.org\n"
    );
    assert_eq!(crate::names_in(&cli.path("srv")), ["git.example.org.crt"]);
    assert_eq!(fs::read(cli.path("srv/git.example.org.crt")).unwrap(), former);
    cli.ok("cert renew git.example.org --csr own.csr --out srv");
    let again = cli.fails(4, "cert renew git.example.org --out srv");
    assert!(again.contains("was made elsewhere"), "{again}");
    // One that was made here is made here again.
    cli.ok("cert issue www.example.org --out srv");
    cli.ok("cert renew www.example.org --out srv");
}

#[test]
fn names_that_are_kept_or_stand_outside_the_settings_are_refused() {
    let cli = Cli::with_data();
    for (words, said) in [
        ("cert issue gateway.handfast.internal", "can't be used as a name"),
        ("cert issue a.example.org --san gateway.handfast.internal", "is kept for the gateway"),
        ("cert issue a_b", "cannot stand in a certificate"),
        ("cert issue alice/phone --profile client", "can't be used as a name"),
        ("cert issue backup --profile client --san a.example.org", "has no host names"),
        ("cert issue a.example.org --days 400", "cert.validity_days, 365"),
    ] {
        let refused = cli.fails(2, words);
        assert!(refused.contains(said), "{words}: {refused}");
    }
    cli.ok("config set cert.domains example.org");
    cli.ok("config set cert.key_types p256");
    let elsewhere = cli.fails(2, "cert issue www.example.net");
    assert!(elsewhere.contains("in none of cert.domains: example.org"), "{elsewhere}");
    let rsa = cli.fails(2, "cert issue www.example.org --key rsa2048");
    assert!(rsa.contains("the key is rsa; cert.key_types has p256"), "{rsa}");
    cli.ok("cert issue www.example.org");
    cli.ok("cert issue mx.example.org --profile peer");
    let text = openssl(&cli, "x509 -in mx.example.org.crt -noout -ext extendedKeyUsage");
    assert!(text.contains("Server Authentication, TLS Web Client Authentication"), "{text}");
    assert!(cli.ok("cert list").contains("mx.example.org   peer"));
    cli.ok("config set cert.profiles client");
    let server = cli.fails(2, "cert issue mail.example.org");
    assert!(server.contains("it would be a server's; cert.profiles has client"), "{server}");
    cli.fails(3, "cert show www.example.net");
    cli.fails(3, "cert revoke www.example.net");
    assert!(!cli.path("www.example.net.key").exists(), "a key without a certificate was left");
}

fn openssl(cli: &Cli, arguments: &str) -> String {
    let run = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(cli.path(""))
        .output();
    let output = run.expect("openssl is not installed: apt-get install openssl");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
