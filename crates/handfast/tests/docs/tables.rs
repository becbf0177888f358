//! The tables of docs/operation.md and docs/tls.md against settings and codes as the code has them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gateway::config::Config;
use serde_json::{Map, Value, json};

use crate::root;

#[test]
fn the_table_of_settings_has_every_key_with_its_default_and_when_it_takes_effect() {
    let rows = rows("| key | default | at |");
    let mut config = Config::default();
    let absent = [
        "vpn.network6",
        "ca.public_url",
        "hooks.url",
        "acme.email",
        "acme.ca",
        "acme.eab_id",
        "acme.eab_key_file",
    ];
    config.vpn.network6 = "fd00:1::/64".parse().ok();
    config.ca.public_url = "http://vpn.example.net".parse().ok();
    config.hooks.url = "https://ops.example.net/".parse().ok();
    config.acme.email = Some("admin@example.net".to_owned());
    config.acme.ca = Some("/ca.pem".into());
    config.acme.eab_id = Some("me".to_owned());
    config.acme.eab_key_file = Some("/key".into());
    let value = serde_json::to_value(&config).unwrap();
    let mut keys = Vec::new();
    walk("", &value, &mut keys);
    let listed: Vec<_> = rows.iter().map(|row| code(&row[0])).collect();
    let actual: Vec<_> = keys.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(sorted(&listed), sorted(&actual));
    for (key, default) in &keys {
        let row = rows.iter().find(|row| code(&row[0]) == *key).unwrap();
        if !absent.contains(&key.as_str()) {
            let written: Value = serde_json::from_str(code(&row[1])).unwrap();
            assert_eq!(written, *default, "{key}");
        }
        let other = with(&value, key, changed(key, default));
        let other: Config = serde_json::from_value(other).unwrap();
        let waits = config.only_at_start(&other) == [key.as_str()];
        assert_eq!(row[2], if waits { "start" } else { "reload" }, "{key}");
    }
}

#[test]
fn the_tables_of_reasons_have_every_code_and_no_other() {
    let endings = [
        codes_in("pki/src/refusal.rs"),
        codes_in("tunnel/src/end.rs"),
        codes_in("engine/src/disconnect.rs"),
        codes_in("engine/src/denied.rs"),
    ];
    assert_codes("| reason | what it means | what to do |", endings.concat());
    let drops = [
        codes_in("tunnel/src/dropped.rs"),
        codes_in("datapath/src/counters.rs"),
        suspects_in("engine/src/data/ingress.rs"),
        added_in("engine/src/figures.rs"),
    ];
    assert_codes("| cause | what it means | what to do |", drops.concat());
}

#[test]
fn the_table_of_tcp_connections_has_every_reason() {
    let ends = codes_in("engine/src/data/streams/end.rs");
    assert_codes("| connection | what it means | what to do |", ends);
}

#[test]
fn the_table_of_refusals_by_virtual_servers_has_every_code() {
    let files = ["front/src/refused.rs", "starttls/src/fault.rs", "uplink/src/reach_error.rs"];
    let codes = files.map(codes_in).concat();
    assert_codes("| code | what happened | what to do |", codes);
}

#[test]
fn the_table_of_ends_at_virtual_servers_has_every_reason() {
    let ends = codes_in("front/src/registry.rs");
    assert_codes("| end | what happened | what to do |", ends);
}

#[test]
fn the_table_of_refused_requests_has_every_code() {
    let text = source("web/src/refusal.rs");
    let codes = text.split('"').skip(1).step_by(2).filter(|word| word.starts_with("http-"));
    let head = "| request | status | what happened | what to do |";
    assert_codes(head, codes.map(str::to_owned).collect());
}

#[test]
fn the_table_of_events_has_every_kind() {
    let text = source("store/src/event.rs");
    let kinds = text.lines().filter(|line| line.starts_with("    ") && line.contains(" = \""));
    let kinds = kinds.map(|line| line.split('"').nth(1).unwrap().to_owned());
    assert_codes("| event | what happened |", kinds.collect());
}

#[test]
fn the_lines_of_the_log_and_the_names_of_figures_are_those_of_the_code() {
    let folders = [
        "handfast/src/run",
        "gateway/src",
        "gateway/src/operations",
        "gateway/src/vpn_door",
        "vpn/src",
        "vpn/src/network",
        "authority/src",
    ];
    let code: String = folders.iter().map(|folder| sources(folder)).collect();
    for row in rows("| line | what happened |") {
        let line = row[0].trim_matches('`');
        let words = line.split([':', '=']).next().unwrap();
        let words = if line.contains('=') { words.split(' ').next().unwrap() } else { words };
        assert!(code.contains(&format!("\"{words}")), "{words}");
    }
    let text = fs::read_to_string(root().join("docs/operation.md")).unwrap();
    let name = |c: char| !(c.is_ascii_lowercase() || c == '_');
    let names: BTreeSet<_> = text.split(name).filter(|w| w.starts_with("handfast_")).collect();
    assert!(names.len() > 3, "{names:?}");
    for name in names {
        assert!(code.contains(&format!("\"{name}\"")), "{name}");
    }
}

fn assert_codes(head: &str, codes: Vec<String>) {
    let rows = rows(head);
    // What is mended alike may stand in one row.
    let listed: Vec<_> = rows.iter().flat_map(|row| row[0].split(", ").map(code)).collect();
    assert_eq!(sorted(&listed), sorted(&codes), "below {head}");
}

/// The rows of the table with this head.
#[test]
fn every_field_situation_names_tests_that_exist_and_two_where_it_failed() {
    let text = fs::read_to_string(root().join("docs/field-cases.md")).unwrap();
    let (tests, rows) = (tests(), only_table(&text));
    assert!(rows.len() > 30, "{rows:?}");
    for row in &rows {
        let [situation, then, named @ ..] = row.as_slice() else { panic!("{row:?}") };
        let named: BTreeSet<_> =
            named.iter().map(|cell| code(cell)).filter(|cell| !cell.is_empty()).collect();
        for test in &named {
            assert!(tests.contains(*test), "{situation}: there is no test {test}");
        }
        assert!(named.len() >= if *then == "failed" { 2 } else { 1 }, "{situation}");
        assert!(["failed", "held"].contains(then), "{situation}: {then}");
    }
}

#[test]
fn no_line_of_the_log_has_a_value_in_the_form_that_rust_programmers_read() {
    let mut lines = 0;
    let mut found = Vec::new();
    sources_below(&root().join("crates"), &mut |path, text| {
        for call in ["tracing::error!(", "tracing::warn!(", "tracing::info!("] {
            for (at, _) in text.match_indices(call) {
                let end = text[at..].find(");").map_or(text.len(), |end| at + end);
                let line = &text[at..end];
                lines += 1;
                if ["(?", " ?", "=?", ":?}"].iter().any(|sigil| line.contains(sigil)) {
                    found.push(format!("{}: {line}", path.display()));
                }
            }
        }
    });
    assert!(lines > 100, "{lines}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What stands in the `src` folders below this one.
fn sources_below(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources_below(&path, look);
        } else if path.components().any(|part| part.as_os_str() == "src")
            && path.extension().is_some_and(|ending| ending == "rs")
        {
            look(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn everything_of_an_operators_day_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("docs/operators-day.md")).unwrap();
    let (tests, rows) = (tests(), last_table(&text));
    assert!(rows.len() > 25, "{rows:?}");
    for row in &rows {
        let [what, then, named] = row.as_slice() else { panic!("{row:?}") };
        assert!(["wrong", "missing"].contains(then), "{what}: {then}");
        for test in named.split(", ").map(code) {
            assert!(tests.contains(test), "{what}: there is no test {test}");
        }
    }
}

/// The rows of a document's last table.
fn last_table(text: &str) -> Vec<Vec<&str>> {
    let end = text.rfind("\n|").map_or(0, |at| at + 1);
    let begin = text[..end].rfind("\n\n").map_or(0, |at| at + 2);
    only_table(&text[begin..])
}

/// The rows of a document that has one table.
fn only_table(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for folder in ["crates", "interop", "xtask"] {
        tests_below(&root().join(folder), &mut tests);
    }
    tests
}

/// The names of what stands behind a `#[test]` or the like, in all files below a folder.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let is_test = |line: &&str| line.starts_with("#[test]") || line.contains("::test");
            let lines: Vec<_> = text.lines().map(str::trim).collect();
            for (at, _) in lines.iter().enumerate().filter(|(_, line)| is_test(line)) {
                let next = lines[at..].iter().find_map(|line| line.split_once("fn "));
                let name = next.and_then(|(_, rest)| rest.split_once('('));
                found.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
}

fn rows(head: &str) -> Vec<Vec<String>> {
    let text = ["docs/operation.md", "docs/tls.md"]
        .map(|document| fs::read_to_string(root().join(document)).unwrap())
        .concat();
    let mut tables = text.lines().skip_while(|line| !line.starts_with(head));
    let rows = tables.by_ref().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split(" | ").map(|c| c.trim().into()).collect();
    let rows: Vec<_> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "no table has the head {head}");
    rows
}

fn code(cell: &str) -> &str {
    cell.trim_matches('`')
}

fn sorted<T: AsRef<str>>(words: &[T]) -> BTreeSet<&str> {
    words.iter().map(AsRef::as_ref).collect()
}

/// The names in the functions `code` of a file: a name that is added there is missing here at once.
fn codes_in(file: &str) -> Vec<String> {
    let text = source(file);
    let functions = text.split("fn code(").skip(1);
    functions.flat_map(|rest| words(rest.split("\n    }\n").next().unwrap())).collect()
}

fn suspects_in(file: &str) -> Vec<String> {
    let text = source(file);
    let between = |start: &str, end: &str| {
        let from = &text[text.find(start).unwrap()..];
        words(&from[..from.find(end).unwrap()])
    };
    let malformed = between("let suspect", "figures.forged_control.entry");
    [malformed, between("impl Diagnosis", "\n}\n")].concat()
}

fn added_in(file: &str) -> Vec<String> {
    let text = source(file);
    let start = text.find("let ours").unwrap();
    words(&text[start..start + text[start..].find("];").unwrap()])
}

/// Everything in quotes that is a name.
fn words(text: &str) -> Vec<String> {
    let quoted = text.split('"').skip(1).step_by(2).map(str::to_owned);
    let name = |word: &String| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    quoted.filter(name).collect()
}

/// The Rust files of a folder.
fn sources(folder: &str) -> String {
    let entries = fs::read_dir(root().join("crates").join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    paths.map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn source(file: &str) -> String {
    fs::read_to_string(root().join("crates").join(file)).unwrap()
}

fn walk(path: &str, value: &Value, keys: &mut Vec<(String, Value)>) {
    for (name, value) in value.as_object().unwrap_or(&Map::new()) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Object(_) => walk(&path, value, keys),
            leaf => keys.push((path, leaf.clone())),
        }
    }
}

/// Another value that the key could have.
fn changed(key: &str, value: &Value) -> Value {
    match (key, value) {
        (_, Value::Bool(on)) => json!(!on),
        (_, Value::Number(n)) => json!(n.as_i64().unwrap() + 1),
        ("vpn.allow_in", _) => json!(["10.0.0.0/8"]),
        ("vpn.auth", _) => json!("SHA512"),
        ("vpn.ciphers", _) => json!(["AES-128-GCM"]),
        ("vpn.without", _) => json!(["gro"]),
        ("explain.keep", _) => json!("all"),
        ("vpn.push.dns", _) => json!(["10.0.0.1"]),
        ("vpn.listen", _) => json!(["udp:[::]:1195"]),
        ("vpn.push.routes", _) => json!(["10.0.0.0/8"]),
        ("cert.key_types", _) => json!(["p256"]),
        ("cert.profiles", _) => json!(["client"]),
        ("acme.challenges", _) => json!(["http-01"]),
        ("acme.directory", _) => json!("https://other.example/"),
        ("publish.listen", _) => json!(["[::]:8080"]),
        ("hooks.revocation" | "acme.revocation", _) => json!("off"),
        (_, Value::Array(_)) => json!(["other.example"]),
        ("vpn.network", _) => json!("10.0.0.0/16"),
        ("vpn.network6", _) => json!("fd00:2::/64"),
        ("ca.key_type" | "device.key_type", _) => json!("p256"),
        ("ca.gateway_validity", _) => json!("90d"),
        ("ca.public_url", _) => json!("http://other.example"),
        ("hooks.url", _) => json!("https://other.example/"),
        _ => json!("other"),
    }
}

fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    *config.pointer_mut(&format!("/{}", key.replace('.', "/"))).unwrap() = value;
    config
}
