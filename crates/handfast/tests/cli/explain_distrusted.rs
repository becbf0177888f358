//! `handfast explain tls` at servers of OpenSSL's whose certificates no client should take: our own looks on, so that all is
//! seen, and the story's end, its exit code and the client's Finished say what one that acts by it would do.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::Cli;
use crate::running::Running;
use crate::tls::Service;

/// A certificate, the words behind the command, the code of the end, and what stands in its sentence and its mends.
const CASES: [(&str, &str, &str, &str, &str); 6] = [
    (
        "expired",
        "--ca ca.pem",
        "expired",
        "expired on 2020-02-01",
        "Renew the server's certificate",
    ),
    ("early", "--ca ca.pem", "not_yet_valid", "not valid before 2049", "if it is slow, mend it"),
    (
        "good",
        "--ca ca.pem --name other.test",
        "name_mismatch",
        "`other.test` was asked for, and the server's certificate is for localhost",
        "`handfast cert issue other.test`",
    ),
    ("good", "", "unknown_ca", "comes from a CA that is not trusted here", "by `--ca FILE`"),
    (
        "alone",
        "--ca ca.pem",
        "unknown_ca",
        "names itself as its issuer",
        "issued by a CA that the clients trust",
    ),
    (
        "revoked",
        "--ca ca.pem",
        "revoked",
        "The CA says that the server's certificate was revoked on",
        "First find out who revoked it",
    ),
];

#[test]
fn whom_no_client_should_take_is_refused_in_the_end_and_everything_seen_is_told() {
    let cli = Cli::new();
    made(&cli);
    for (name, words, code, sentence, mend) in CASES {
        for version in ["-tls1_3", "-tls1_2"] {
            let service = service(&cli, name, version);
            let at = format!("explain tls localhost:{} {words}", service.address.port());
            let ran = cli.run(&format!("{at} --format json -o story.json"));
            let case = format!("{name} {words} {version}");
            assert_eq!(ran.code, 11, "{case}: {ran:?}");
            let story = story(&cli);
            let ending = &story["ending"];
            assert_eq!(
                (&ending["how"], &ending["code"]),
                (&"distrusted".into(), &code.into()),
                "{case}: {ending:#}"
            );
            assert_eq!(ending["by"], "client", "{case}");
            assert!(ending["sentence"].as_str().unwrap().contains(sentence), "{case}: {ending:#}");
            assert!(ending["mends"][0].as_str().unwrap().contains(mend), "{case}: {ending:#}");
            let at_step = number(&story, "server_certificate");
            assert_eq!(ending["at_step"], at_step, "{case}");
            for entry in ["server_finished", "client_finished", "close_notify"] {
                assert!(number(&story, entry) > at_step, "{case}: what was seen is told: {entry}");
            }
            let finished = step(&story, "client_finished")["proves"].as_str().unwrap();
            assert!(!finished.contains("content"), "{case}: {finished}");
            assert!(finished.contains(&format!("stops at step {at_step}.")), "{case}: {finished}");
            assert!(
                story["title"].as_str().unwrap().ends_with(&format!(
                    " that clients refuse: {}",
                    code.replace('_', " ").replace("ca", "CA")
                )),
                "{case}: {}",
                story["title"]
            );
            assert_eq!(story["missing"], Value::Array(Vec::new()), "{case}");
        }
    }
}

#[test]
fn every_format_says_that_clients_refuse_it_and_none_that_all_is_well() {
    let cli = Cli::new();
    made(&cli);
    let service = service(&cli, "expired", "-tls1_3");
    let at = format!("explain tls localhost:{} --ca ca.pem", service.address.port());
    for format in ["term", "html", "svg", "mermaid", "json"] {
        let ran = cli.run(&format!("{at} --format {format} -o story"));
        assert_eq!((ran.code, ran.out.as_str()), (11, "story\n"), "{format}: {ran:?}");
        let text = flat(&fs::read_to_string(cli.path("story")).unwrap());
        assert!(!text.contains("handshake is complete."), "{format}: {text}");
        assert!(text.contains("expired"), "{format}: {text}");
    }
    let short = cli.run(&format!("{at} --short"));
    assert_eq!(short.code, 11);
    let short = flat(&short.out);
    for said in [
        "A TLS 1.3 HANDSHAKE THAT CLIENTS REFUSE: EXPIRED",
        "The server's certificate",
        "END: complete, and to be refused in step",
        "(expired; by: client)",
        "this client only looks",
        "- Renew the server's certificate",
        "this client says: the chain of the server's certificate is wrong",
    ] {
        assert!(short.contains(said), "{said}: {short}");
    }
}

#[test]
fn all_that_is_wrong_is_said_and_the_first_of_it_gives_the_code() {
    let cli = Cli::new();
    made(&cli);
    let service = service(&cli, "expired", "-tls1_3");
    let port = service.address.port();
    cli.run(&format!("explain tls localhost:{port} --name other.test --format json -o story.json"));
    let ending = &story(&cli)["ending"];
    assert_eq!(ending["code"], "unknown_ca");
    let sentence = ending["sentence"].as_str().unwrap();
    for said in ["not trusted here", "expired on 2020-02-01", "`other.test` was asked for"] {
        assert!(sentence.contains(said), "{said}: {sentence}");
    }
}

#[test]
fn whom_a_ca_that_is_asked_calls_revoked_is_refused() {
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    let service = Service::begin(&cli, "-tls1_3").unwrap();
    let at = format!("explain tls localhost:{}", service.address.port());
    cli.ok(&format!("{at} --ask"));
    cli.ok("cert revoke localhost --reason key-compromise");
    let unasked = cli.run(&at);
    assert_eq!(unasked.code, 0, "nobody was asked, and nobody said it: {unasked:?}");
    let asked = cli.run(&format!("{at} --ask"));
    assert_eq!(asked.code, 11, "{asked:?}");
    let said = flat(&asked.out);
    assert!(said.contains("was revoked on") && said.contains("(keyCompromise)"), "{said}");
    assert!(said.contains("(revoked; by: client)"), "{said}");
}

#[test]
fn a_certificate_that_names_no_use_is_refused_by_nobody_but_our_own() {
    let cli = Cli::new();
    made(&cli);
    let service = service(&cli, "unsaid", "-tls1_3");
    let text = cli.ok(&format!("explain tls localhost:{} --ca ca.pem", service.address.port()));
    assert!(
        flat(&text)
            .contains("the chain of the server's certificate is to note: it leads to a CA that is trusted, and names no use"),
        "{text}"
    );
    let client = self::service(&cli, "client", "-tls1_3");
    let refused = cli.run(&format!("explain tls localhost:{} --ca ca.pem", client.address.port()));
    assert_eq!(refused.code, 11);
    assert!(refused.out.contains("(wrong_usage; by: client)"), "{}", refused.out);
}

#[test]
fn a_server_that_falls_silent_or_hangs_up_in_the_handshake_is_no_success() {
    let cli = Cli::new();
    let hangs_up = listening(Duration::ZERO);
    let ran = cli.run(&format!("explain tls 127.0.0.1:{hangs_up} --short"));
    assert_eq!(ran.code, 11, "{ran:?}");
    assert!(ran.out.contains("(connection_closed; by: server)"), "{}", ran.out);
    let silent = listening(Duration::from_secs(20));
    let ran = cli.run(&format!("explain tls 127.0.0.1:{silent} --short"));
    assert_eq!(ran.code, 12, "{ran:?}");
    assert!(ran.out.contains("(silent_in_handshake; by: nobody refused)"), "{}", ran.out);
}

#[test]
fn a_server_that_cuts_the_connection_off_is_told_as_that_and_one_that_is_silent_by_how_long() {
    let cli = Cli::new();
    for _ in 0..5 {
        let cuts = cutting();
        let ran = cli.run(&format!("explain tls 127.0.0.1:{cuts} --short"));
        assert_eq!(ran.code, 11, "{ran:?}");
        assert!(ran.out.contains("(connection_reset; by: server)"), "{}", ran.out);
    }
    let silent = listening(Duration::from_secs(20));
    let said = cli.fails(12, &format!("explain tls smtp://127.0.0.1:{silent}"));
    assert!(said.contains("cause: it was silent for 5 s\nhint: "), "{said}");
    assert!(!said.contains("os error"), "{said}");
}

/// A server that leaves the first words unread, which makes a reset of its goodbye.
fn cutting() -> u16 {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    thread::spawn(move || {
        let Ok((peer, _)) = door.accept() else { return };
        let _ = peer.peek(&mut [0]);
    });
    port
}

/// A server that hears the first words and says nothing for so long.
fn listening(silence: Duration) -> u16 {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    thread::spawn(move || {
        let Ok((mut peer, _)) = door.accept() else { return };
        let _ = peer.read(&mut [0; 4096]);
        thread::sleep(silence);
    });
    port
}

fn service(cli: &Cli, name: &str, version: &str) -> Service {
    fs::create_dir_all(cli.path("web")).unwrap();
    for (from, to) in [("pem", "crt"), ("key", "key")] {
        let to = cli.path("web").join(format!("localhost.{to}"));
        fs::copy(cli.path(&format!("{name}.{from}")), to).unwrap();
    }
    let staple = match cli.path(&format!("{name}.ocsp")).exists() {
        true => format!("-status_file {name}.ocsp"),
        false => String::new(),
    };
    Service::begin(cli, &format!("{version} {staple}")).unwrap()
}

/// A CA of OpenSSL's, and what it has issued.
fn made(cli: &Cli) {
    for (name, content) in [("ca.cnf", SETTINGS), ("index.txt", ""), ("serial", "1000\n")] {
        fs::write(cli.path(name), content).unwrap();
    }
    openssl(cli, "ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl(
        cli,
        "req -x509 -new -key ca.key -subj /CN=house -days 30 -out ca.pem -addext keyUsage=critical,keyCertSign,cRLSign",
    );
    for (name, dates, kind) in [
        ("good", "-days 20", "server"),
        ("expired", "-startdate 20200101000000Z -enddate 20200201000000Z", "server"),
        ("early", "-startdate 20490101000000Z -enddate 20490201000000Z", "server"),
        ("revoked", "-days 20", "server"),
        ("unsaid", "-days 20", "unsaid"),
        ("client", "-days 20", "client"),
    ] {
        openssl(cli, &format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"));
        openssl(cli, &format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr"));
        openssl(
            cli,
            &format!(
                "ca -batch -notext -config ca.cnf -extensions {kind} -in {name}.csr -out {name}.pem {dates}"
            ),
        );
    }
    openssl(cli, "ecparam -name prime256v1 -genkey -noout -out alone.key");
    openssl(
        cli,
        "req -x509 -new -key alone.key -subj /CN=alone -days 30 -out alone.pem -addext subjectAltName=DNS:localhost",
    );
    openssl(cli, "ca -config ca.cnf -revoke revoked.pem -crl_reason keyCompromise");
    openssl(cli, "ocsp -issuer ca.pem -cert revoked.pem -no_nonce -reqout revoked.request");
    openssl(
        cli,
        "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin revoked.request -ndays 2 -respout revoked.ocsp",
    );
}

fn openssl(cli: &Cli, words: &str) {
    let mut command = Command::new("openssl");
    command.args(words.split_whitespace()).current_dir(cli.path("")).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "openssl {words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn story(cli: &Cli) -> Value {
    let stories = fs::read_to_string(cli.path("story.json")).unwrap();
    let stories: Value = serde_json::from_str(&stories).unwrap();
    stories["stories"][0].clone()
}

fn step<'a>(story: &'a Value, entry: &str) -> &'a Value {
    let mut steps = story["steps"].as_array().unwrap().iter();
    steps.find(|step| step["entry"] == entry).unwrap_or_else(|| panic!("no {entry}: {story:#}"))
}

fn number(story: &Value, entry: &str) -> u64 {
    step(story, entry)["number"].as_u64().unwrap()
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const SETTINGS: &str = "
[ca]
default_ca = d
[d]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = p
[p]
commonName = supplied
[server]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[unsaid]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
subjectAltName = DNS:localhost, IP:127.0.0.1
";
