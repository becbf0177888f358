//! No output of `explain` holds a secret of its run: none of a key log, none of the keys that came of it, and none of the
//! profile. That the search can find one is shown by the files that do hold them.

use std::fs;

use testkit::Authority;
use testkit::secrets::{Secrets, of_key_log, of_profile, written};

use crate::Cli;
use crate::explain::captures;
use crate::logging::Gateway;
use crate::running::Running;
use crate::tls::Service;

const FORMATS: [&str; 5] = ["term", "svg", "html", "json", "mermaid"];

/// Its name, and what was written as it was written: nothing of it is replaced before it is looked through.
type Outputs = Vec<(String, Vec<u8>)>;

#[test]
fn no_output_of_a_handshake_with_a_tls_server_holds_a_secret_of_it() {
    let name = "no_output_of_a_handshake_with_a_tls_server_holds_a_secret_of_it";
    let cli = Cli::with_data();
    let _gateway = Running::publishing(&cli);
    cli.ok("cert issue localhost --out web");
    let Some(service) = Service::begin(&cli, "-rev -keylogfile secrets") else {
        return println!("SKIP {name}: no openssl");
    };
    let at = format!("localhost:{}", service.address.port());
    let outputs = in_every_format(&cli, &format!("explain tls {at} --ask"));
    let log = fs::read_to_string(cli.path("secrets")).unwrap();
    let secrets = of_key_log(&log);
    assert!(secrets.len() >= 5 * outputs.len(), "{log}");
    none_holds(&outputs, &secrets);
    all_hold(&log, &secrets);
}

#[test]
fn no_output_of_a_handshake_with_a_gateway_holds_a_secret_of_it_or_of_the_profile() {
    let cli = Cli::new();
    let gateway = Gateway::open(&Authority::new("a CA"));
    fs::write(cli.path("alice.ovpn"), gateway.profile()).unwrap();
    let mut outputs = in_every_format(&cli, "explain vpn alice.ovpn");
    let stranger = Authority::new("another CA").client("mallory");
    fs::write(cli.path("mallory.ovpn"), gateway.profile_of(&stranger)).unwrap();
    outputs.push(("broken".to_owned(), said(&cli, 11, "explain vpn mallory.ovpn")));
    outputs.push(diff(&cli, 0, "explain vpn alice.ovpn", "explain vpn alice.ovpn"));
    let told = &outputs.iter().find(|(name, _)| name == "json").unwrap().1;
    let told = String::from_utf8_lossy(told);
    assert!(told.contains("\"client_certificate_verify\"") && told.contains("\"push_reply\""));
    let (log, keys) = gateway.secrets();
    let sessions = outputs.len();
    let mut secrets = of_key_log(&log);
    assert!(secrets.len() >= 5 * sessions && keys.len() >= sessions, "{} keys\n{log}", keys.len());
    all_hold(&log, &secrets);
    let of_profile = of_profile(&gateway.profile());
    all_hold(&gateway.profile(), &of_profile);
    secrets.extend(keys);
    secrets.extend(of_profile);
    none_holds(&outputs, &secrets);
}

#[test]
fn no_output_of_a_capture_holds_a_secret_of_its_key_log() {
    let cli = Cli::new();
    for capture in ["vpn-data", "tls1_3-p256-mutual", "tls1_2-p256-mutual", "tls1_3-p256-update"] {
        let file = captures(&format!("{capture}.pcap")).display().to_string();
        let keys = captures(&format!("{capture}.keys"));
        let words = format!("explain capture {file} --keylog {}", keys.display());
        let mut outputs = in_every_format(&cli, &words);
        outputs.push(diff(&cli, 10, &words, &format!("explain capture {file}")));
        if capture == "vpn-data" {
            let opened = said(&cli, 0, &format!("{words} --open-data opened.pcap"));
            outputs.push(("opened".to_owned(), opened));
            outputs.push(("packets".to_owned(), fs::read(cli.path("opened.pcap")).unwrap()));
        }
        let log = fs::read_to_string(&keys).unwrap();
        let secrets = of_key_log(&log);
        assert!(!secrets.is_empty(), "{capture}");
        none_holds(&outputs, &secrets);
        all_hold(&log, &secrets);
    }
}

/// What a command tells, in every format, and in short.
fn in_every_format(cli: &Cli, words: &str) -> Outputs {
    let mut outputs = Vec::new();
    for format in FORMATS {
        let printed = said(cli, 0, &format!("{words} --format {format} -o told.{format}"));
        let told = fs::read(cli.path(&format!("told.{format}"))).unwrap();
        outputs.push((format.to_owned(), [told, printed].concat()));
    }
    outputs.push(("short".to_owned(), said(cli, 0, &format!("{words} --short"))));
    outputs
}

/// Two stories beside each other.
fn diff(cli: &Cli, code: i32, one: &str, other: &str) -> (String, Vec<u8>) {
    for (words, file) in [(one, "one"), (other, "other")] {
        said(cli, 0, &format!("{words} --format json -o {file}.json"));
    }
    ("diff".to_owned(), said(cli, code, "explain diff one.json other.json"))
}

/// All that a command prints. [`Cli::run`] would put words in brackets where digits stand.
fn said(cli: &Cli, code: i32, words: &str) -> Vec<u8> {
    let output = cli.command(words).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "handfast {words}: {output:?}");
    let printed = [output.stdout, output.stderr].concat();
    assert!(!printed.is_empty(), "{words}");
    printed
}

/// And each would be found there, in whatever form.
fn none_holds(outputs: &Outputs, secrets: &[Vec<u8>]) {
    let search = Secrets::of(secrets);
    for (name, output) in outputs {
        let text = String::from_utf8_lossy(output);
        assert_eq!(search.found_in(output), None, "{name} holds a secret: {text}");
    }
    let mut places = outputs.iter().cycle();
    for secret in [secrets.first(), secrets.last()].into_iter().flatten() {
        for ((form, text), (name, output)) in written(secret).iter().zip(&mut places) {
            let (before, behind) = output.split_at(output.len() / 2);
            let planted = [before, text, behind].concat();
            assert!(search.found_in(&planted).is_some(), "as {form} in {name}");
        }
    }
}

fn all_hold(text: &str, secrets: &[Vec<u8>]) {
    let found = |secret: &Vec<u8>| Secrets::of([secret]).found_in(text.as_bytes()).is_some();
    assert!(secrets.iter().all(found), "the search finds what is there");
}
