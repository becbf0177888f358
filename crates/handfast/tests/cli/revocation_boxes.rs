//! The box of a server's certificate beside OpenSSL's word on the same: `openssl ocsp` judges the staple and the answer,
//! `openssl verify -crl_check` the list, and `openssl crl` when it was signed. The test's own table only says what each
//! certificate was made for, and OpenSSL is held to it too.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::Cli;
use crate::openssl_ca::{Authority, issuer};

/// Certificates by their names, and what is to be found by staple, OCSP and list.
const CASES: [(&str, [&str; 3]); 10] = [
    ("good", ["good", "good", "good"]),
    ("revoked", ["revoked", "revoked", "revoked"]),
    // A list has no word for it.
    ("unknown", ["unknown", "unknown", "good"]),
    ("expired", ["good", "good", "good"]),
    ("stale", ["stale", "stale", "stale"]),
    ("absent", ["not_asked", "none", "none"]),
    // By a responder that the CA has signed for that, and by somebody else of that CA's.
    ("delegated", ["good", "good", "good"]),
    ("undelegated", ["none", "none", "good"]),
    // By one that the CA has signed for that, of which nobody says whether it was revoked since.
    ("unchecked", ["none", "none", "good"]),
    // Of an intermediate CA.
    ("below", ["good", "good", "good"]),
];

#[test]
fn the_box_of_a_certificate_says_what_openssl_finds_by_staple_ocsp_and_list() {
    let name = "the_box_of_a_certificate_says_what_openssl_finds_by_staple_ocsp_and_list";
    for program in ["openssl", "faketime", "date"] {
        if Command::new(program).arg("--version").output().is_err() {
            return println!("SKIP {name}: no {program}");
        }
    }
    let cli = Cli::new();
    let authority = Authority::made(&cli, &CASES.map(|(name, _)| name));
    for (name, expected) in CASES {
        let (told, stapled) = authority.told(&cli, name);
        let answers = ["staple", "ocsp", "crl"].map(|means| answer(&told, means));
        assert_eq!(answers, expected, "{name}: {told:#}");
        let by_openssl = match stapled {
            true => authority.judged(name, &format!("-respin {name}.ocsp")),
            false => Judged { answer: "not_asked", times: [None, None] },
        };
        by_openssl.agrees_with(&told, "staple", name);
        let url = format!("-url http://{}/{name}.ocsp", authority.published);
        authority.judged(name, &url).agrees_with(&told, "ocsp", name);
        let (by_openssl, over_by_openssl) = authority.verified_by_openssl(name);
        by_openssl.agrees_with(&told, "crl", name);
        let is_over = told["not_after"].as_i64().unwrap() < now();
        assert_eq!((is_over, is_over), (name == "expired", over_by_openssl), "{name}");
    }
}

#[test]
fn nobody_is_asked_without_being_told_to() {
    let name = "nobody_is_asked_without_being_told_to";
    if Command::new("faketime").arg("--version").output().is_err() {
        return println!("SKIP {name}: no faketime");
    }
    let cli = Cli::new();
    let authority = Authority::made(&cli, &["good", "revoked", "unknown"]);
    let service = authority.service(&cli, "good").unwrap();
    let port = service.address.port();
    cli.ok(&format!("explain tls 127.0.0.1:{port} --ca ca.pem --format json -o good.json"));
    let told = certificate(&cli.path("good.json"));
    let answers = ["staple", "ocsp", "crl"].map(|means| answer(&told, means));
    assert_eq!(answers, ["good", "not_asked", "not_asked"]);
}

/// What OpenSSL finds by one means, with the times of the answer where there is one.
struct Judged {
    answer: &'static str,
    times: [Option<i64>; 2],
}

impl Judged {
    fn agrees_with(&self, told: &Value, means: &str, name: &str) {
        assert_eq!(answer(told, means), self.answer, "{name}, by {means}");
        let counts = !matches!(self.answer, "none" | "not_asked");
        assert_eq!(self.times.iter().all(Option::is_some), counts, "{name}, by {means}");
        if counts {
            assert_eq!(times_of(told, means), self.times, "{name}, by {means}: signed, good until");
        }
    }
}

impl Authority {
    /// What we tell of the certificate of a server that has this one, and whether that server staples to OpenSSL.
    fn told(&self, cli: &Cli, name: &str) -> (Value, bool) {
        let service = self.service(cli, name).unwrap();
        let port = service.address.port();
        let words =
            format!("explain tls 127.0.0.1:{port} --ca ca.pem --ask --format json -o {name}.json");
        let refused = matches!(name, "revoked" | "unknown" | "expired");
        assert_eq!(cli.run(&words).code, if refused { 11 } else { 0 }, "{name}");
        let seen = self.says(&format!("s_client -connect 127.0.0.1:{port} -status -CAfile ca.pem"));
        let stapled = seen.contains("OCSP Response Status: successful");
        assert_ne!(stapled, seen.contains("OCSP response: no response sent"), "{name}: {seen}");
        (certificate(&cli.path(&format!("{name}.json"))), stapled)
    }

    /// What OpenSSL finds in an answer, which it has or asks for.
    fn judged(&self, name: &str, from: &str) -> Judged {
        let said = self.says(&format!(
            "ocsp -issuer {}.pem -cert {name}.pem {from} -CAfile ca.pem -no_nonce -resp_text",
            issuer(name)
        ));
        let verified = said.contains("Response verify OK");
        let answer = match () {
            () if name == "absent" && said.contains("code=404") => "none",
            () if name == "undelegated" && said.contains("missing ocspsigning usage") => "none",
            () if !verified => panic!("{name}: {said}"),
            // OpenSSL believes it unasked. RFC 6960, 4.2.2.2.1, leaves that to whoever asks.
            () if name == "unchecked" => "none",
            () if said.contains("Status times invalid") => "stale",
            () if said.contains(&format!("{name}.pem: good")) => "good",
            () if said.contains(&format!("{name}.pem: revoked")) => "revoked",
            () if said.contains(&format!("{name}.pem: unknown")) => "unknown",
            () => panic!("{name}: {said}"),
        };
        let times = ["Produced At:", "Next Update:"].map(|what| time_behind(what, &said));
        Judged { answer, times: if answer == "none" { [None, None] } else { times } }
    }

    /// What OpenSSL finds by the list, and whether the certificate itself is over.
    fn verified_by_openssl(&self, name: &str) -> (Judged, bool) {
        let has_list = self.folder.join(format!("{name}.list")).exists();
        let list = if has_list { format!("-CRLfile {name}.list") } else { String::new() };
        let says = |more: &str| {
            self.says(&format!(
                "verify -CAfile ca.pem -untrusted intermediate.pem -crl_check {list} {more} {name}.pem"
            ))
        };
        let said = says("");
        let is_over = said.contains("error 10 at 0");
        let said = if is_over { says("-no_check_time") } else { said };
        let answer = match () {
            () if said.contains("error 23 ") => "revoked",
            () if said.contains("error 12 ") => "stale",
            () if said.contains("error 3 ") && !has_list => "none",
            () if said.contains(": OK") => "good",
            () => panic!("{name}: {said}"),
        };
        let signed = match has_list {
            true => self.says(&format!("crl -in {name}.list -noout -lastupdate -nextupdate")),
            false => String::new(),
        };
        let times = ["lastUpdate=", "nextUpdate="].map(|what| time_behind(what, &signed));
        (Judged { answer, times }, is_over)
    }

    fn says(&self, words: &str) -> String {
        let output = self.command("openssl", words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }
}

/// A time in what OpenSSL says, in seconds since 1970.
fn time_behind(what: &str, said: &str) -> Option<i64> {
    let line = said.lines().find_map(|line| line.trim().strip_prefix(what))?;
    let date = Command::new("date").args(["-u", "+%s", "-d", line.trim()]).output().unwrap();
    String::from_utf8_lossy(&date.stdout).trim().parse().ok()
}

/// The server's own certificate of a story.
fn certificate(file: &Path) -> Value {
    let stories: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    stories["stories"][0]["certificates"][0].clone()
}

fn inquiry<'a>(certificate: &'a Value, means: &str) -> &'a Value {
    let mut all = certificate["inquiries"].as_array().unwrap().iter();
    all.find(|one| one["means"] == means).unwrap()
}

fn answer<'a>(certificate: &'a Value, means: &str) -> &'a str {
    inquiry(certificate, means)["answer"].as_str().unwrap()
}

fn times_of(certificate: &Value, means: &str) -> [Option<i64>; 2] {
    ["signed_at", "good_until"].map(|time| inquiry(certificate, means)[time].as_i64())
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}
