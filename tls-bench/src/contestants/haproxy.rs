//! haproxy: one thread, HTTP by names on one port, bytes and client certificates on ports of their own.

use super::{Ports, Started, each};
use crate::house::{BULK_PORT, HTTP_PORT, House, P256, RSA, on_its_own, quiet};

pub(super) fn start(house: &House, servers: usize) -> Started {
    let many = each(servers, |number| {
        format!("{} n{number}.many.test", house.path(&format!("many/{number}.pem")))
    });
    let own = |name: &str| format!("{} {name}\n", house.path(&format!("{name}.pem")));
    let list = house.write("haproxy.list", &(own(P256) + &own(RSA) + &many))?;
    let file = house.write("haproxy.cfg", &settings(house, &list))?;
    let mut command = on_its_own("haproxy");
    command.args(["-db", "-f", &file]);
    let child = quiet(&mut command, &house.folder.join("haproxy.log"))?;
    Ok((child, Ports { usual: PORT, rsa: PORT, closed: CLOSED_PORT, bulk: BYTES }))
}

fn settings(house: &House, list: &str) -> String {
    let (own, ca) = (house.path(&format!("{P256}.pem")), house.path("ca.pem"));
    format!(
        "global\n nbthread 1\n maxconn 12000\n no strict-limits\n ssl-default-bind-options ssl-min-ver TLSv1.2\n\
         \x20ssl-default-bind-curves X25519:P-256\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 300s\n timeout server 300s\n\
         \x20timeout http-request 300s\n timeout http-keep-alive 300s\n\
         frontend usual\n bind 127.0.0.1:{PORT} ssl crt-list {list} alpn h2,http/1.1\n default_backend requests\n\
         frontend closed\n bind 127.0.0.1:{CLOSED_PORT} ssl crt {own} ca-file {ca} verify required alpn h2,http/1.1\n\
         \x20default_backend requests\n\
         frontend bytes\n mode tcp\n bind 127.0.0.1:{BYTES} ssl crt {own}\n default_backend bytes\n\
         backend requests\n http-reuse always\n server one 127.0.0.1:{HTTP_PORT}\n\
         backend bytes\n mode tcp\n server one 127.0.0.1:{BULK_PORT}\n"
    )
}

const PORT: u16 = 7220;
const CLOSED_PORT: u16 = 7221;
const BYTES: u16 = 7222;
