//! A CA of OpenSSL's own, with an intermediate one and a responder that it delegates to: it issues, revokes and signs
//! answers and lists, and gives them out over HTTP.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::Cli;
use crate::tls::Service;

/// A CA of OpenSSL's, and where its answers and lists lie.
pub(crate) struct Authority {
    pub(crate) folder: PathBuf,
    pub(crate) published: SocketAddr,
}

impl Authority {
    /// With certificates of these names; what is wrong with each follows from its name.
    pub(crate) fn made(cli: &Cli, names: &[&str]) -> Self {
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
        for helper in ["intermediate", "responder", "unvouched", "stranger"] {
            this.issue(helper);
        }
        names.iter().for_each(|name| this.issue(name));
        this.openssl("ca -config ca.cnf -revoke revoked.pem -crl_reason keyCompromise");
        let index = fs::read_to_string(cli.path("index.txt")).unwrap();
        let known: String =
            index.split_inclusive('\n').filter(|line| !line.contains("/CN=unknown")).collect();
        fs::write(cli.path("index.txt"), known).unwrap();
        let published = names.iter().filter(|name| **name != "absent");
        published.clone().for_each(|name| this.answer(name));
        // Numbers of lists go up, so the former one is signed first.
        for (long_ago, when) in [(true, "then"), (false, "now")] {
            for signer in ["ca", "intermediate"] {
                let words = format!(
                    "ca -config ca.cnf -keyfile {signer}.key -cert {signer}.pem -gencrl -crlexts crl -crldays 2 -out {signer}.{when}"
                );
                this.at(long_ago, &words);
            }
        }
        for name in published {
            let when = if *name == "stale" { "then" } else { "now" };
            fs::copy(
                cli.path(&format!("{}.{when}", issuer(name))),
                cli.path(&format!("{name}.list")),
            )
            .unwrap();
            this.openssl(&format!("crl -in {name}.list -outform DER -out {name}.crl"));
        }
        this
    }

    fn issue(&self, name: &str) {
        self.openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"));
        self.openssl(&format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr"));
        let dates = match name {
            "expired" => "-startdate 20200101000000Z -enddate 20200201000000Z",
            _ => "-days 10",
        };
        let kind = match name {
            "intermediate" | "responder" | "unvouched" => name,
            _ => "leaf",
        };
        let signer = issuer(name);
        let words = format!(
            "ca -batch -notext -config ca.cnf -keyfile {signer}.key -cert {signer}.pem -extensions {kind} -in {name}.csr -out {name}.pem {dates}"
        );
        let made = self.command("openssl", &words).env("NAME", name).output().unwrap();
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// Signs an answer about this one ahead.
    fn answer(&self, name: &str) {
        let issuer = issuer(name);
        self.openssl(&format!(
            "ocsp -issuer {issuer}.pem -cert {name}.pem -no_nonce -reqout {name}.request"
        ));
        let signer = match name {
            "delegated" => "responder",
            "unchecked" => "unvouched",
            "undelegated" => "stranger",
            _ => issuer,
        };
        let words = format!(
            "ocsp -index index.txt -CA {issuer}.pem -rsigner {signer}.pem -rkey {signer}.key -reqin {name}.request -ndays 2 -respout {name}.ocsp"
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

    pub(crate) fn command(&self, program: &str, words: &str) -> Command {
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).current_dir(&self.folder).env("NAME", "nobody");
        command.stdin(Stdio::null());
        command
    }

    /// A TLS server with this certificate, which staples what there is about it.
    pub(crate) fn service(&self, cli: &Cli, name: &str) -> Option<Service> {
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
        let chain = match issuer(name) {
            "ca" => String::new(),
            other => format!("-cert_chain {other}.pem"),
        };
        Service::begin(cli, &format!("{staple} {chain}"))
    }
}

/// Who issued the certificate of this name.
pub(crate) fn issuer(name: &str) -> &'static str {
    if name == "below" { "intermediate" } else { "ca" }
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
[intermediate]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[responder]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
authorityKeyIdentifier = keyid
[unvouched]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = OCSPSigning
authorityKeyIdentifier = keyid
";
