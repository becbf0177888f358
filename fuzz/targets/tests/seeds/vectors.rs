//! Seeds from the protocol's vectors: every byte string in them is given to each target of its kind.

use serde_json::Value;

use super::seed;

pub(crate) fn write() {
    let text = include_str!("../../../../crates/wire/tests/data/vectors.json");
    let file: Value = serde_json::from_str(text).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let (name, kind) = (vector["name"].as_str().unwrap(), vector["kind"].as_str().unwrap());
        if let Some(text) = vector["file_text"].as_str() {
            seed("wire_static_key", name, text);
        }
        for &target in targets(kind) {
            leaves(vector, "", &mut |field, bytes| {
                // Keys and digests are no input of a parser.
                if (8..3000).contains(&bytes.len()) && is_message(field) {
                    // Received datagrams stand behind their stride.
                    let front: &[u8] = if target == "datapath_datagram" { &[0, 0] } else { &[] };
                    seed(target, &format!("{name}{field}"), [front, &bytes].concat());
                }
            });
        }
    }
}

fn targets(kind: &str) -> &'static [&'static str] {
    match kind {
        "control_plain" => &["wire_control", "wire_tls_auth"],
        "tls_auth" => &["wire_tls_auth", "wire_control"],
        "key_method_2" => &["wire_key_method"],
        "data_aead" | "data_cbc" | "data_epoch" => &["wire_data_header", "datapath_datagram"],
        _ => &[],
    }
}

fn is_message(field: &str) -> bool {
    ["packet", "message", "reply"].iter().any(|word| field.contains(word))
}

fn leaves(value: &Value, path: &str, take: &mut impl FnMut(&str, Vec<u8>)) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| leaves(value, &format!("{path}-{key}"), take));
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}-{at}"), take);
            }
        }
        Value::String(text) => {
            if let Some(bytes) = path.ends_with("_hex").then(|| unhex(text)).flatten() {
                take(path.trim_end_matches("_hex"), bytes);
            }
        }
        _ => {}
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}
