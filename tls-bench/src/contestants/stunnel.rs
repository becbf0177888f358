//! stunnel: bytes alone, a port for each service.

use super::{Ports, Started};
use crate::house::{BULK_PORT, HTTP_PORT, House, P256, RSA, on_its_own, quiet};

pub(super) fn start(house: &House, _: usize) -> Started {
    let service = |name: &str, port: u16, to: u16, certificate: &str, more: &str| {
        format!(
            "[{name}]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{to}\ncert = {}\n{more}\n",
            house.path(&format!("{certificate}.pem"))
        )
    };
    let asks = format!("verifyChain = yes\nCAfile = {}", house.path("ca.pem"));
    let text = "foreground = yes\nsyslog = no\ndebug = err\npid =\nsslVersionMin = TLSv1.2\n"
        .to_owned()
        + "curves = X25519:P-256\nTIMEOUTclose = 1\n"
        + &service("usual", PORT, HTTP_PORT, P256, "")
        + &service("rsa", PORT + 1, HTTP_PORT, RSA, "")
        + &service("closed", PORT + 2, HTTP_PORT, P256, &asks)
        + &service("bytes", PORT + 3, BULK_PORT, P256, "");
    let file = house.write("stunnel.conf", &text)?;
    let mut command = on_its_own("stunnel");
    command.arg(&file);
    let child = quiet(&mut command, &house.folder.join("stunnel.log"))?;
    Ok((child, Ports { usual: PORT, rsa: PORT + 1, closed: PORT + 2, bulk: PORT + 3 }))
}

const PORT: u16 = 7230;
