//! nginx: one worker, HTTP by names on one port, bytes by its stream module on another.

use super::{Ports, Started, each};
use crate::house::{BULK_PORT, CLOSED, HTTP_PORT, House, P256, RSA, on_its_own, quiet};

pub(super) fn start(house: &House, servers: usize) -> Started {
    let file = house.write("nginx.conf", &settings(house, servers))?;
    let mut command = on_its_own("nginx");
    command.args(["-c", &file, "-e", "stderr"]);
    let child = quiet(&mut command, &house.folder.join("nginx.log"))?;
    Ok((child, Ports { usual: PORT, rsa: PORT, closed: PORT, bulk: STREAM }))
}

fn settings(house: &House, servers: usize) -> String {
    let folder = house.folder.display();
    let server = |name: &str, certificate: &str, more: &str| {
        format!(
            "server {{ listen 127.0.0.1:{PORT} ssl http2; server_name {name};\n\
             ssl_certificate {folder}/{certificate}; ssl_certificate_key {folder}/{certificate}; {more}\n\
             location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}"
        )
    };
    let asks = format!("ssl_verify_client on; ssl_client_certificate {folder}/ca.pem;");
    format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off; user root; worker_processes 1; worker_rlimit_nofile 20000; error_log stderr crit;\n\
         pid {folder}/nginx.pid;\n\
         events {{ worker_connections 20000; }}\n\
         http {{ access_log off; server_names_hash_max_size 8192; client_body_temp_path {folder}/body;\n\
         proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi;\n\
         scgi_temp_path {folder}/scgi; keepalive_timeout 300s; client_header_timeout 300s;\n\
         keepalive_requests 100000000; http2_max_concurrent_streams 128;\n\
         ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:prime256v1; ssl_session_cache off;\n\
         upstream behind {{ server 127.0.0.1:{HTTP_PORT}; keepalive 128; keepalive_requests 100000000; }}\n\
         {}\n{}\n{}\n{} }}\n\
         stream {{ ssl_protocols TLSv1.2 TLSv1.3; server {{ listen 127.0.0.1:{STREAM} ssl;\n\
         ssl_certificate {folder}/{P256}.pem; ssl_certificate_key {folder}/{P256}.pem;\n\
         proxy_pass 127.0.0.1:{BULK_PORT}; }} }}\n",
        server(P256, &format!("{P256}.pem"), ""),
        server(RSA, &format!("{RSA}.pem"), ""),
        server(CLOSED, &format!("{P256}.pem"), &asks),
        each(servers, |number| server(
            &format!("n{number}.many.test"),
            &format!("many/{number}.pem"),
            ""
        )),
    )
}

const PORT: u16 = 7210;
const STREAM: u16 = 7211;
