//! Handfast's TLS door: everything on one port, by name.

use std::fs;

use super::{Ports, Started, each};
use crate::house::{BULK, BULK_PORT, CLOSED, HTTP_PORT, House, P256, RSA};

pub(super) fn start(house: &House, servers: usize) -> Started {
    let (file, first) = (house.folder.join("data/handfast.toml"), house.folder.join("first.toml"));
    if !first.exists() {
        fs::copy(&file, &first)?;
    }
    fs::write(&file, fs::read_to_string(&first)? + &settings(servers))?;
    let child = house.gateway(&[])?;
    Ok((child, Ports { usual: PORT, rsa: PORT, closed: PORT, bulk: PORT }))
}

fn settings(servers: usize) -> String {
    let server = |name: &str, backend: &str, more: &str| {
        format!(
            "\n[[tls.server]]\nnames = [\"{name}\"]\nbackend = \"{backend}\"\nmax_connections = 40000\n{more}\n"
        )
    };
    let http = format!("http://127.0.0.1:{HTTP_PORT}");
    format!("\n[[tls.listen]]\naddress = \"127.0.0.1:{PORT}\"\nmax_connections = 40000\n")
        + &server(P256, &http, "")
        + &server(RSA, &http, "key_types = [\"rsa\"]")
        + &server(CLOSED, &http, "clients = \"required\"")
        + &server(BULK, &format!("tcp:127.0.0.1:{BULK_PORT}"), "")
        + &each(servers, |number| server(&format!("n{number}.many.test"), &http, ""))
}

const PORT: u16 = 7200;
