//! No output of `explain` holds a secret of its run: none of a key log, none of the keys that came of it, and none of the
//! profile. That the search can find one is shown by the files that do hold them.

use std::collections::BTreeSet;
use std::fs;

use testkit::Authority;

use crate::Cli;
use crate::explain::captures;
use crate::logging::Gateway;
use crate::running::Running;
use crate::tls::Service;

const FORMATS: [&str; 5] = ["term", "svg", "html", "json", "mermaid"];
/// Of a longer secret each piece of so many bytes is looked for.
const PIECE: usize = 16;

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
    let broken = cli.run("explain vpn mallory.ovpn");
    assert_eq!(broken.code, 11, "{broken:?}");
    outputs.push(("broken".to_owned(), [broken.out, broken.err].concat()));
    outputs.push(diff(&cli, "explain vpn alice.ovpn", "explain vpn alice.ovpn"));
    let told = &outputs.iter().find(|(name, _)| name == "json").unwrap().1;
    assert!(told.contains("\"client_certificate_verify\"") && told.contains("\"push_reply\""));
    let (log, keys) = gateway.secrets();
    let sessions = outputs.len();
    let mut secrets = of_key_log(&log);
    assert!(secrets.len() >= 5 * sessions && keys.len() >= sessions, "{} keys\n{log}", keys.len());
    all_hold(&log, &secrets);
    all_hold(&gateway.profile(), &gateway.of_profile());
    secrets.extend(keys);
    secrets.extend(gateway.of_profile());
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
        outputs.push(diff(&cli, &words, &format!("explain capture {file}")));
        if capture == "vpn-data" {
            let opened = cli.run(&format!("{words} --open-data opened.pcap"));
            outputs.push(("opened".to_owned(), [opened.out, opened.err].concat()));
            let packets = fs::read(cli.path("opened.pcap")).unwrap();
            outputs.push(("packets".to_owned(), String::from_utf8_lossy(&packets).into_owned()));
        }
        let log = fs::read_to_string(&keys).unwrap();
        let secrets = of_key_log(&log);
        assert!(!secrets.is_empty(), "{capture}");
        none_holds(&outputs, &secrets);
        all_hold(&log, &secrets);
    }
}

/// What a command tells, in every format, and in short.
fn in_every_format(cli: &Cli, words: &str) -> Vec<(String, String)> {
    let mut outputs = Vec::new();
    for format in FORMATS {
        let ran = cli.run(&format!("{words} --format {format} -o told.{format}"));
        assert_eq!(ran.code, 0, "{ran:?}");
        let told = fs::read_to_string(cli.path(&format!("told.{format}"))).unwrap();
        outputs.push((format.to_owned(), [told, ran.out, ran.err].concat()));
    }
    let short = cli.run(&format!("{words} --short"));
    assert_eq!(short.code, 0, "{short:?}");
    outputs.push(("short".to_owned(), [short.out, short.err].concat()));
    outputs
}

/// Two stories beside each other.
fn diff(cli: &Cli, one: &str, other: &str) -> (String, String) {
    for (words, file) in [(one, "one"), (other, "other")] {
        let told = cli.run(&format!("{words} --format json -o {file}.json"));
        assert_eq!(told.code, 0, "{told:?}");
    }
    let parted = cli.run("explain diff one.json other.json");
    ("diff".to_owned(), [parted.out, parted.err].concat())
}

fn of_key_log(log: &str) -> Vec<Vec<u8>> {
    let lines = log.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(' ').nth(2)).map(bytes).collect()
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn none_holds(outputs: &[(String, String)], secrets: &[Vec<u8>]) {
    let search = Search::of(secrets);
    for (name, text) in outputs {
        assert!(!search.finds_any(text), "{name} holds a secret: {text}");
    }
}

fn all_hold(text: &str, secrets: &[Vec<u8>]) {
    let found = |secret: &Vec<u8>| Search::of(std::slice::from_ref(secret)).finds_any(text);
    assert!(secrets.iter().all(found), "the search finds what is there");
}

/// Pieces of secrets, as they are and as digits.
struct Search(BTreeSet<Vec<u8>>);

impl Search {
    fn of(secrets: &[Vec<u8>]) -> Search {
        let pieces = secrets.iter().flat_map(|secret| secret.chunks_exact(PIECE));
        let digits = |piece: &[u8]| piece.iter().map(|byte| format!("{byte:02x}")).collect();
        let both = |piece: &[u8]| [piece.to_vec(), String::into_bytes(digits(piece))];
        Search(pieces.flat_map(both).collect())
    }

    fn finds_any(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        let has = |text: &str, length| text.as_bytes().windows(length).any(|w| self.0.contains(w));
        has(text, PIECE) || has(&lower, 2 * PIECE)
    }
}

#[test]
fn the_search_finds_a_piece_of_a_secret_however_it_is_written() {
    let secret: Vec<u8> = (0..48).map(|n| n * 5).collect();
    let digits = |from: usize, to: usize| {
        secret[from..to].iter().map(|byte| format!("{byte:02X}")).collect::<String>()
    };
    let found = |text: &str| Search::of(std::slice::from_ref(&secret)).finds_any(text);
    assert!(found(&format!("x{}y", digits(0, 48))));
    assert!(found(&format!("x{}", digits(16, 32).to_lowercase())), "its middle alone");
    assert!(!found(&format!("x{}", digits(16, 31))), "less than a piece");
    let text = b"MIGHAgEAMBMGByqG".to_vec();
    assert!(Search::of(std::slice::from_ref(&text)).finds_any("a line: MIGHAgEAMBMGByqGSM"));
}
