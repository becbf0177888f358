//! docs/json-schema.json against what the commands print with `--json`: every field is there that it names,
//! every field that is there is named, and no definition is left unseen.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use admin::names::DeviceName;
use admin::response::{PastSession, RefusalEntry};
use admin::transport::Transport;
use clock::Timestamp;
use serde_json::Value;

use crate::Cli;
use crate::running::Running;

#[test]
fn every_json_answer_is_as_the_schema_says() {
    let cli = Cli::with_data();
    let gateway = Running::publishing(&cli);
    let schema = Schema::read();
    for (command, words) in [
        ("user add", "user add alice"),
        ("user add", "user add bob"),
        ("device add", "device add alice/phone"),
        ("profile", "profile alice --out files"),
        ("profile", "profile alice/phone --out split --form split"),
        ("ocsp ask", "ocsp ask split/vpn.crt"),
        ("crl fetch", "crl fetch --verify split/vpn.crt"),
        ("profile", "profile alice --renew --out again"),
        ("device renew", "device renew alice --out third"),
        ("device show", "device show alice"),
        ("device revoke", "device revoke alice/phone --reason key-compromise"),
        ("device show", "device show alice/phone"),
        ("device list", "device list"),
        ("cert issue", "cert issue www.example.org --out certs"),
        ("cert renew", "cert renew www.example.org --out certs"),
        ("cert list", "cert list"),
        ("cert show", "cert show www.example.org"),
        ("cert revoke", "cert revoke www.example.org"),
        ("profile", "profile bob --out bobs"),
        ("user disable", "user disable bob"),
        ("device show", "device show bob"),
        ("user disable", "user disable bob"),
        ("user enable", "user enable bob"),
        ("user add", "user add carol"),
        ("user rename", "user rename carol dave"),
        ("device disable", "device disable dave"),
        ("device enable", "device enable dave"),
        ("device add", "device add dave/tablet"),
        ("device remove", "device remove dave/tablet"),
        ("device revoke|disable|enable|remove, of several", "device disable dave bob"),
        ("device revoke|disable|enable|remove, of several", "device enable dave bob"),
        ("user disable|enable|remove, of several", "user enable dave bob"),
        ("profile, of several", "profile dave bob/default --out several"),
        ("kick, of several", "kick -"),
        ("profile", "profile --from files/alice-default-linux.ovpn --out former"),
        ("backup", "backup all.backup"),
        ("user list", "user list"),
        ("user show", "user show alice"),
        ("crl show", "crl show"),
        ("ca show", "ca show"),
        ("ca export", "ca export"),
        ("ca rollover", "ca rollover start"),
        ("ca rollover", "ca rollover status"),
        ("crl show", "crl show"),
        ("ca show", "ca show"),
        ("ca rollover", "ca rollover finish --force"),
        ("status", "status"),
        ("sessions", "sessions"),
        ("sessions --history", "sessions --history"),
        ("tls list", "tls list"),
        ("tls show", "tls show wiki.example.org"),
        ("kick", "kick --session 7"),
        ("events", "events"),
        ("user remove", "user remove alice"),
        ("config set", "config set vpn.ping 7"),
        ("config show", "config show"),
        ("reload", "reload"),
    ] {
        let output = cli.command(&format!("{words} --json")).output().unwrap();
        assert!(output.status.success(), "{words}: {output:?}");
        schema.holds(command, &serde_json::from_slice(&output.stdout).unwrap());
    }
    let check = cli.command("check --json").output().unwrap().stdout;
    schema.holds("check", &serde_json::from_slice(&check).unwrap());
    schema.holds("tls test", &look_at_what_is_no_tls(&cli));
    let failed = cli.command("user add alice/phone --json").output().unwrap();
    schema.holds("a failure", &serde_json::from_slice(&failed.stderr).unwrap());
    let mistyped = cli.command("user lst --json").output().unwrap();
    assert_eq!(mistyped.status.code(), Some(2));
    schema.holds("a failure", &serde_json::from_slice(&mistyped.stderr).unwrap());
    let restored = cli.command("restore all.backup --json --data second").output().unwrap();
    schema.holds("restore", &serde_json::from_slice(&restored.stdout).unwrap());
    schema.holds("events --follow", &first_event(&cli));
    schema.holds("connect", &first_line_of_connect(&cli));
    schema.holds("bench", &bench_report());
    drop(gateway);
    schema.holds_for("Refusal", &refusal());
    schema.holds_for("PastSession", &past_session());
    schema.has_been_seen_whole();
}

/// It says that there is no TLS, which has every field.
fn look_at_what_is_no_tls(cli: &Cli) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
        }
    });
    let output = cli.command(&format!("tls test {address} --json")).output().unwrap();
    server.join().unwrap();
    assert_eq!(output.status.code(), Some(10), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Nobody is refused here, so it comes from the type.
fn refusal() -> Value {
    let entry = RefusalEntry {
        number: 3,
        at: Timestamp::from_unix_secs(1_795_000_000),
        source: "192.0.2.9:4000".parse().unwrap(),
        device: Some(DeviceName::parse("alice/phone").unwrap()),
        reason: "revoked".into(),
        sentence: "the peer's certificate was revoked".into(),
    };
    serde_json::to_value(entry).unwrap()
}

/// Nor does anybody come and go.
fn past_session() -> Value {
    let moment = Timestamp::from_unix_secs(1_795_000_000);
    let past = PastSession {
        id: 7,
        device: DeviceName::parse("alice/phone").unwrap(),
        transport: Transport::Udp,
        source: "192.0.2.9:4000".parse().unwrap(),
        addresses: vec!["10.71.0.2".parse().unwrap()],
        client: "OpenVPN 2.6.14 linux".into(),
        opened_at: moment,
        seen_at: moment,
        bytes_in: 1,
        bytes_out: 2,
        ended: Some("peer_exit".into()),
    };
    serde_json::to_value(past).unwrap()
}

/// Nobody is put under load.
fn bench_report() -> Value {
    let seconds = 1.0;
    let connect = load::ConnectFigures {
        begun: 2,
        connected: 1,
        failed: [("no_answer".to_owned(), 1)].into(),
        seconds,
        per_second: 1.0,
        handshake_ms: load::Spread::default(),
    };
    let hold = load::HoldFigures {
        seconds,
        sessions: 1,
        lost: [("ping_timeout".to_owned(), 1)].into(),
        pings_sent: 1,
        pings_received: 1,
    };
    let packets = load::PacketFigures {
        size: 64,
        seconds,
        sessions: 1,
        sent: 2,
        answered: 1,
        sent_per_second: 2.0,
        answered_per_second: 1.0,
        lost_percent: 50.0,
    };
    let report = load::Report { connect, hold: Some(hold), packets: vec![packets] };
    serde_json::to_value(report).unwrap()
}

/// Of a client that finds nobody, or may make no tunnel: the first line is that it tries.
fn first_line_of_connect(cli: &Cli) -> Value {
    let mut command = cli.command("connect files/alice-default-linux.ovpn --json --state client");
    let mut client = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
    client.kill().unwrap();
    client.wait().unwrap();
    serde_json::from_str(&line).unwrap()
}

/// A line of those who follow.
fn first_event(cli: &Cli) -> Value {
    let mut command = cli.command("events --follow --json --limit 1");
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(following.stdout.take().unwrap()).read_line(&mut line).unwrap();
    following.kill().unwrap();
    following.wait().unwrap();
    serde_json::from_str(&line).unwrap()
}

/// The part of JSON Schema that the document uses. Properties that it does not name are mistakes here;
/// to its readers they are fields of a later version.
struct Schema {
    whole: Value,
    seen: RefCell<BTreeSet<String>>,
}

impl Schema {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json-schema.json");
        let whole = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        Self { whole, seen: RefCell::default() }
    }

    fn holds(&self, command: &str, answer: &Value) {
        let rule = &self.whole["commands"][command];
        assert!(rule.is_object(), "the schema has no command `{command}`");
        self.seen.borrow_mut().insert(command.to_owned());
        if let Err(fault) = self.fits(rule, answer, "") {
            panic!("{command} --json{fault}\n{answer:#}");
        }
    }

    fn holds_for(&self, name: &str, value: &Value) {
        let rule = serde_json::json!({ "$ref": format!("#/$defs/{name}") });
        self.fits(&rule, value, name).unwrap();
    }

    fn has_been_seen_whole(&self) {
        for part in ["commands", "$defs"] {
            for name in self.whole[part].as_object().unwrap().keys() {
                assert!(self.seen.borrow().contains(name), "nothing printed what `{name}` says");
            }
        }
    }

    fn fits(&self, rule: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(name) = rule["$ref"].as_str() {
            let name = name.strip_prefix("#/$defs/").unwrap();
            self.seen.borrow_mut().insert(name.to_owned());
            return self.fits(&self.whole["$defs"][name], value, at);
        }
        if let Some(rules) = rule["anyOf"].as_array() {
            let fits = rules.iter().any(|rule| self.fits(rule, value, at).is_ok());
            return if fits { Ok(()) } else { Err(format!("{at}: {value} is none of {rule}")) };
        }
        if let Some(words) = rule["enum"].as_array() {
            return if words.contains(value) { Ok(()) } else { Err(format!("{at}: {value}")) };
        }
        match rule["type"].as_str() {
            Some("null") if value.is_null() => Ok(()),
            Some("boolean") if value.is_boolean() => Ok(()),
            Some("integer") if value.is_i64() || value.is_u64() => Ok(()),
            Some("number") if value.is_number() => Ok(()),
            Some("string") if value.is_string() => Ok(()),
            Some("array") if value.is_array() => {
                let items = value.as_array().unwrap().iter().enumerate();
                items.into_iter().try_for_each(|(number, item)| {
                    self.fits(&rule["items"], item, &format!("{at}[{number}]"))
                })
            }
            Some("object") if value.is_object() => self.has_fields(rule, value, at),
            other => Err(format!("{at}: {value} is no {}", other.unwrap_or("known thing"))),
        }
    }

    fn has_fields(&self, rule: &Value, value: &Value, at: &str) -> Result<(), String> {
        let missing = rule["required"].as_array().into_iter().flatten();
        if let Some(name) = missing.filter_map(Value::as_str).find(|name| value.get(name).is_none())
        {
            return Err(format!("{at}: `{name}` is missing"));
        }
        for (name, value) in value.as_object().unwrap() {
            let at = format!("{at}.{name}");
            match rule["properties"].get(name) {
                Some(rule) => self.fits(rule, value, &at)?,
                None if rule["additionalProperties"].is_object() => {
                    self.fits(&rule["additionalProperties"], value, &at)?;
                }
                None => return Err(format!("{at} is not in docs/json-schema.json")),
            }
        }
        Ok(())
    }
}
