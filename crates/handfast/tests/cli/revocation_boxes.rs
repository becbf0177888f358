//! The box of a server's certificate beside OpenSSL's word on the same: a CA of OpenSSL's own issues, revokes and signs
//! answers and lists, and `openssl ocsp` and `openssl verify -crl_check` say what they find.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::Cli;
use crate::tls::Service;

/// Certificates by their names, and what is to be found by staple, OCSP and list.
const CASES: [(&str, [&str; 3]); 6] = [
    ("good", ["good", "good", "good"]),
    ("revoked", ["revoked", "revoked", "revoked"]),
    // A list has no word for it.
    ("unknown", ["unknown", "unknown", "good"]),
    ("expired", ["good", "good", "good"]),
    ("stale", ["stale", "stale", "stale"]),
    ("absent", ["not_asked", "none", "none"]),
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
    let authority = Authority::made(&cli);
    for (name, expected) in CASES {
        let told = authority.told(&cli, name);
        let answers = ["staple", "ocsp", "crl"].map(|means| answer(&told, means));
        assert_eq!(answers, expected, "{name}: {told:#}");
        let (by_openssl, times) = authority.asked_by_openssl(name);
        assert_eq!(answers[1], by_openssl, "{name}, by OCSP");
        if by_openssl != "none" && by_openssl != "stale" {
            assert_eq!(times_of(&told, "ocsp"), times, "{name}: signed, and good until");
        }
        let is_over = told["not_after"].as_i64().unwrap() < now();
        assert_eq!(is_over, name == "expired");
        let (by_openssl, over_by_openssl) = authority.verified_by_openssl(name);
        assert_eq!(
            (answers[2], is_over),
            (by_openssl.as_str(), over_by_openssl),
            "{name}, by list"
        );
    }
}

#[test]
fn nobody_is_asked_without_being_told_to() {
    let name = "nobody_is_asked_without_being_told_to";
    if Command::new("faketime").arg("--version").output().is_err() {
        return println!("SKIP {name}: no faketime");
    }
    let cli = Cli::new();
    let authority = Authority::made(&cli);
    let service = authority.service(&cli, "good").unwrap();
    let port = service.address.port();
    cli.ok(&format!("explain tls 127.0.0.1:{port} --ca ca.pem --format json -o good.json"));
    let told = certificate(&cli.path("good.json"));
    let answers = ["staple", "ocsp", "crl"].map(|means| answer(&told, means));
    assert_eq!(answers, ["good", "not_asked", "not_asked"]);
}

/// A CA of OpenSSL's, and where its answers and lists lie.
struct Authority {
    folder: PathBuf,
    published: SocketAddr,
}

impl Authority {
    fn made(cli: &Cli) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self { folder: cli.path(""), published: socket.local_addr().unwrap() };
        publish(socket, this.folder.clone());
        let settings = SETTINGS.replace("PLACE", &this.published.to_string());
        fs::write(cli.path("ca.cnf"), settings).unwrap();
        fs::write(cli.path("index.txt"), "").unwrap();
        fs::write(cli.path("serial"), "1000\n").unwrap();
        fs::write(cli.path("crlnumber"), "01\n").unwrap();
        this.openssl("ecparam -name prime256v1 -genkey -noout -out ca.key");
        this.openssl(
            "req -x509 -new -key ca.key -subj /CN=judged -days 30 -out ca.pem -addext keyUsage=critical,keyCertSign,cRLSign",
        );
        CASES.iter().for_each(|(name, _)| this.issue(name));
        this.openssl("ca -config ca.cnf -revoke revoked.pem -crl_reason keyCompromise");
        let index = fs::read_to_string(cli.path("index.txt")).unwrap();
        let known: String =
            index.split_inclusive('\n').filter(|line| !line.contains("/CN=unknown")).collect();
        fs::write(cli.path("index.txt"), known).unwrap();
        // Numbers of lists go up, so the former one is signed first.
        this.list(&["stale"], true);
        this.list(&["good", "revoked", "unknown", "expired"], false);
        CASES.iter().filter(|(name, _)| *name != "absent").for_each(|(name, _)| this.answer(name));
        this
    }

    fn issue(&self, name: &str) {
        self.openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"));
        self.openssl(&format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr"));
        let dates = match name {
            "expired" => "-startdate 20200101000000Z -enddate 20200201000000Z",
            _ => "-days 10",
        };
        let words = format!(
            "ca -batch -notext -config ca.cnf -extensions leaf -in {name}.csr -out {name}.pem {dates}"
        );
        let made = self.command("openssl", &words).env("NAME", name).output().unwrap();
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// The list for these, signed now or long ago.
    fn list(&self, names: &[&str], long_ago: bool) {
        let words = "ca -config ca.cnf -gencrl -crlexts crl -crldays 2 -out list.pem";
        self.at(long_ago, words);
        for name in names {
            fs::copy(self.folder.join("list.pem"), self.folder.join(format!("{name}.list")))
                .unwrap();
            self.openssl(&format!("crl -in list.pem -outform DER -out {name}.crl"));
        }
    }

    /// Signs an answer about this one ahead.
    fn answer(&self, name: &str) {
        self.openssl(&format!(
            "ocsp -issuer ca.pem -cert {name}.pem -no_nonce -reqout {name}.request"
        ));
        let words = format!(
            "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin {name}.request -ndays 2 -respout {name}.ocsp"
        );
        self.at(name == "stale", &words);
    }

    fn at(&self, long_ago: bool, words: &str) {
        match long_ago {
            false => self.openssl(words),
            true => self.runs("faketime", &format!("-f -20d openssl {words}")),
        }
    }

    fn openssl(&self, words: &str) {
        self.runs("openssl", words);
    }

    fn runs(&self, program: &str, words: &str) {
        let output = self.command(program, words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {words}: {said}");
    }

    fn command(&self, program: &str, words: &str) -> Command {
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).current_dir(&self.folder).env("NAME", "nobody");
        command.stdin(Stdio::null());
        command
    }

    /// A TLS server with this certificate, which staples what there is about it.
    fn service(&self, cli: &Cli, name: &str) -> Option<Service> {
        let web = cli.path("web");
        fs::create_dir_all(&web).unwrap();
        for end in ["pem", "key"] {
            let to = if end == "pem" { "localhost.crt" } else { "localhost.key" };
            fs::copy(self.folder.join(format!("{name}.{end}")), web.join(to)).unwrap();
        }
        let staple = match self.folder.join(format!("{name}.ocsp")).exists() {
            true => format!("-status_file {name}.ocsp"),
            false => String::new(),
        };
        Service::begin(cli, &staple)
    }

    /// What we tell of the certificate of a server that has this one.
    fn told(&self, cli: &Cli, name: &str) -> Value {
        let service = self.service(cli, name).unwrap();
        let port = service.address.port();
        let words =
            format!("explain tls 127.0.0.1:{port} --ca ca.pem --ask --format json -o {name}.json");
        cli.ok(&words);
        certificate(&cli.path(&format!("{name}.json")))
    }

    /// What OpenSSL finds by OCSP, with the times of the answer.
    fn asked_by_openssl(&self, name: &str) -> (&'static str, [Option<i64>; 2]) {
        let words = format!(
            "ocsp -issuer ca.pem -cert {name}.pem -url http://{}/{name}.ocsp -CAfile ca.pem -no_nonce",
            self.published
        );
        let output = self.command("openssl", &words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let time = |what: &str| {
            let line = said.lines().find_map(|line| line.trim().strip_prefix(what))?;
            let date =
                Command::new("date").args(["-u", "+%s", "-d", line.trim()]).output().unwrap();
            String::from_utf8_lossy(&date.stdout).trim().parse().ok()
        };
        let answer = match () {
            () if said.contains("Status times invalid") => "stale",
            () if said.contains(&format!("{name}.pem: good")) => "good",
            () if said.contains(&format!("{name}.pem: revoked")) => "revoked",
            () if said.contains(&format!("{name}.pem: unknown")) => "unknown",
            () => "none",
        };
        assert!(answer == "none" || said.contains("Response verify OK"), "{name}: {said}");
        (answer, [time("This Update:"), time("Next Update:")])
    }

    /// What OpenSSL finds by the list, and whether the certificate itself is over.
    fn verified_by_openssl(&self, name: &str) -> (String, bool) {
        let list = self.folder.join(format!("{name}.list"));
        let list = if list.exists() { format!("-CRLfile {name}.list") } else { String::new() };
        let says = |more: &str| {
            let words = format!("verify -CAfile ca.pem -crl_check {list} {more} {name}.pem");
            let output = self.command("openssl", &words).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr)
        };
        let said = says("");
        let is_over = said.contains("error 10 at 0");
        let said = if is_over { says("-no_check_time") } else { said };
        let answer = match () {
            () if said.contains("error 23 ") => "revoked",
            () if said.contains("error 12 ") => "stale",
            () if said.contains("error 3 ") => "none",
            () if said.contains(": OK") => "good",
            () => panic!("{name}: {said}"),
        };
        (answer.to_owned(), is_over)
    }
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

/// Gives the files of a folder out over HTTP, whatever is asked with them.
fn publish(socket: TcpListener, folder: PathBuf) {
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            give(stream, &folder);
        }
    });
}

fn give(mut stream: TcpStream, folder: &Path) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    let _ = reader.read_line(&mut line);
    let name = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    let mut length = 0;
    loop {
        let mut field = String::new();
        if reader.read_line(&mut field).unwrap_or(0) == 0 || field.trim().is_empty() {
            break;
        }
        if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let _ = reader.read_exact(&mut vec![0; length]);
    let kind = match name.ends_with(".crl") {
        true => "application/pkix-crl",
        false => "application/ocsp-response",
    };
    let (status, body) = match fs::read(folder.join(&name)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

const SETTINGS: &str = "
[ca]
default_ca = d
[d]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = p
[p]
commonName = supplied
[crl]
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1
authorityInfoAccess = OCSP;URI:http://PLACE/$ENV::NAME.ocsp
crlDistributionPoints = URI:http://PLACE/$ENV::NAME.crl
";
