//! What is told of a server, and what each judge finds, in the same words.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What is told.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) version: &'static str,
    pub(crate) cipher: String,
    pub(crate) group: String,
    /// Serial numbers.
    pub(crate) chain: Vec<String>,
    pub(crate) staple: Option<String>,
    pub(crate) ticket: Option<u64>,
}

/// What sslyze finds: all that is accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) version: &'static str,
    pub(crate) ciphers: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) chain: Vec<String>,
    pub(crate) staple: Option<String>,
}

/// What the server picks, and how long its ticket holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Picked {
    pub(crate) version: &'static str,
    pub(crate) cipher: String,
    pub(crate) group: String,
    pub(crate) ticket: Option<u64>,
}

/// What testssl finds.
pub(crate) struct Found {
    pub(crate) picked: Picked,
    pub(crate) serial: String,
    pub(crate) staples: bool,
}

/// What our client offers, in OpenSSL's words.
pub(crate) struct Offer {
    pub(crate) suites: String,
    pub(crate) groups: String,
}

impl Offer {
    pub(crate) fn of(story: &Value) -> Offer {
        let mut steps = story["steps"].as_array().expect("steps").iter();
        let hello = steps.find(|step| step["entry"] == "client_hello").expect("a hello");
        let named = |name: &'static str| {
            let fields = hello["fields"].as_array().expect("fields").iter();
            let fields = fields.filter(move |field| field["name"] == name);
            fields.filter_map(|field| field["meaning"].as_str())
        };
        let suites = named("cipher_suite")
            .filter(|name| !name.contains("_WITH_") && !name.ends_with("_SCSV"));
        let of_openssl = |name: &str| match name.split(':').next().unwrap_or_default() {
            "x25519" => Some("X25519"),
            "secp256r1" => Some("P-256"),
            "secp384r1" => Some("P-384"),
            // Debian's knows no hybrid, and none of these servers does.
            _ => None,
        };
        Offer {
            suites: suites.collect::<Vec<_>>().join(":"),
            groups: named("supported_group").filter_map(of_openssl).collect::<Vec<_>>().join(":"),
        }
    }
}

impl Ours {
    pub(crate) fn picked(&self) -> Picked {
        Picked {
            version: self.version,
            cipher: self.cipher.clone(),
            group: self.group.clone(),
            ticket: self.ticket,
        }
    }

    pub(crate) fn of(story: &Value) -> Ours {
        let steps = || story["steps"].as_array().expect("steps").iter();
        let hello = |step: &&Value| {
            step["entry"].as_str().is_some_and(|entry| entry.starts_with("server_hello"))
                && step["entry"] != "server_hello_done"
        };
        let hello = steps().find(hello).expect("a ServerHello");
        let of = |step: &Value, name: &str| {
            let fields = step["fields"].as_array()?.iter();
            let field = fields.into_iter().find(|field| field["name"] == name)?.clone();
            Some(field["meaning"].as_str().or(field["value"].as_str())?.to_owned())
        };
        let any = |name: &str| steps().find_map(|step| of(step, name));
        let is_new = hello["entry"] == "server_hello";
        let group = if is_new { of(hello, "key_share_group") } else { any("named_group") };
        let shown = story["certificates"].as_array().expect("certificates");
        let chain: Vec<&Value> =
            shown.iter().filter(|certificate| certificate["shown_by"] == "server").collect();
        let inquiries = chain[0]["inquiries"].as_array().expect("inquiries");
        let staple =
            inquiries.iter().find(|one| one["means"] == "staple").expect("a staple's line");
        let answer = staple["answer"].as_str().expect("an answer").to_owned();
        Ours {
            version: if is_new { "1.3" } else { "1.2" },
            cipher: of(hello, "cipher_suite").expect("a cipher"),
            // Behind a colon stands what that means.
            group: group.expect("a group").split(':').next().unwrap_or_default().to_lowercase(),
            chain: chain.iter().map(|one| serial(one["serial"].as_str().expect("it"))).collect(),
            staple: (answer != "not_asked").then_some(answer),
            ticket: any("ticket_lifetime").and_then(|seconds| seconds.parse().ok()),
        }
    }
}

impl Accepted {
    pub(crate) fn of(result: &Value, file: &Path) -> Accepted {
        let scan = &result["scan_result"];
        let highest = &result["connectivity_result"]["highest_tls_version_supported"];
        let version = if highest == "TLS_1_3" { "1.3" } else { "1.2" };
        let suites = &scan[format!("tls_1_{}_cipher_suites", &version[2..])]["result"];
        let suites = suites["accepted_cipher_suites"].as_array().expect("ciphers").iter();
        let curves = &scan["elliptic_curves"]["result"]["supported_curves"];
        let named = |one: &Value| one["name"].as_str().map(group);
        let shown = &scan["certificate_info"]["result"]["certificate_deployments"][0];
        let chain = shown["received_certificate_chain"].as_array().expect("a chain").iter();
        let serial_of = |one: &Value| {
            fs::write(file, one["as_pem"].as_str().expect("PEM")).expect("written");
            let mut openssl = Command::new("openssl");
            openssl.args(["x509", "-noout", "-serial", "-in"]).arg(file);
            let said = String::from_utf8(openssl.output().expect("it starts").stdout);
            serial(said.expect("text").trim().trim_start_matches("serial="))
        };
        let staple = shown["ocsp_response"]["certificate_status"].as_str();
        Accepted {
            version,
            ciphers: suites
                .filter_map(|one| one["cipher_suite"]["name"].as_str().map(str::to_owned))
                .collect(),
            groups: curves.as_array().into_iter().flatten().filter_map(named).collect(),
            chain: chain.map(serial_of).collect(),
            staple: staple.map(str::to_lowercase),
        }
    }
}

impl Picked {
    pub(crate) fn by_openssl(said: &str) -> Picked {
        let behind = |what: &str| {
            let line = said.lines().find_map(|line| line.trim().strip_prefix(what))?;
            line.trim().split([',', ' ']).next().map(str::to_owned)
        };
        // As in: Server Temp Key: ECDH, prime256v1, 256 bits
        let key = said.lines().find_map(|line| line.strip_prefix("Server Temp Key: "));
        let key = key.unwrap_or_else(|| panic!("no key exchange: {said}"));
        let key = key.strip_prefix("ECDH, ").unwrap_or(key);
        let cipher = said.lines().find_map(|line| line.strip_prefix("New, TLSv1.3, Cipher is "));
        Picked {
            version: "1.3",
            cipher: cipher.unwrap_or_else(|| panic!("no TLS 1.3: {said}")).trim().to_owned(),
            group: group(key.split(',').next().unwrap_or_default()),
            ticket: behind("TLS session ticket lifetime hint: ")
                .map(|seconds| seconds.parse().expect("seconds")),
        }
    }
}

impl Found {
    pub(crate) fn of(found: &Value) -> Found {
        let said = |id: &str| {
            let one = found.as_array().expect("findings").iter().find(|one| one["id"] == id);
            one.and_then(|one| one["finding"].as_str()).unwrap_or_default().to_owned()
        };
        // As in: TLS_AES_256_GCM_SHA384, 253 bit ECDH (X25519) (limited sense ...)
        let cipher = said("cipher_negotiated");
        let (cipher, key) = cipher.split_once(',').unwrap_or((cipher.as_str(), ""));
        let named = key.split_once('(').map_or("", |(_, rest)| rest);
        let named = named.split(')').next().unwrap_or_default();
        let ticket = said("TLS_session_ticket");
        let ticket = ticket.strip_prefix("valid for ").and_then(|rest| rest.split(' ').next());
        let is_new = said("protocol_negotiated").ends_with("1.3");
        Found {
            picked: Picked {
                version: if is_new { "1.3" } else { "1.2" },
                cipher: cipher.trim().to_owned(),
                group: group(named),
                ticket: ticket.and_then(|seconds| seconds.parse().ok()),
            },
            serial: serial(&said("cert_serialNumber")),
            staples: said("OCSP_stapling") == "offered",
        }
    }
}

/// A group by the name that TLS gives it.
fn group(name: &str) -> String {
    match name {
        "prime256v1" | "P-256" => "secp256r1".to_owned(),
        "P-384" => "secp384r1".to_owned(),
        "P-521" => "secp521r1".to_owned(),
        other => other.to_lowercase(),
    }
}

/// JSON with serial numbers and the like as texts, since they are larger than numbers are read.
pub(crate) fn without_large_numbers(json: &str) -> String {
    let line = |line: &str| match line.split_once("\": ") {
        Some((name, value)) => {
            let digits = value.trim_end_matches(',');
            let large = digits.len() > 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let rest = &value[digits.len()..];
            if large { format!("{name}\": \"{digits}\"{rest}\n") } else { format!("{line}\n") }
        }
        None => format!("{line}\n"),
    };
    json.lines().map(line).collect()
}

/// A serial number, however it is written.
fn serial(text: &str) -> String {
    text.to_lowercase().replace(':', "").trim_start_matches('0').to_owned()
}
