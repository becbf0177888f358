//! A throw-away CA for the stock servers, made by `openssl` so that it owes nothing to ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contestants::Workshop;
use crate::error::BenchError;

/// The folder with `ca.pem`, `server.pem`, `client.pem`, their keys, and `tls-auth.key`; P-256.
pub(super) fn folder(workshop: &Workshop) -> Result<PathBuf, BenchError> {
    let folder = workshop.folder("trust")?;
    if folder.join("tls-auth.key").exists() {
        return Ok(folder);
    }
    let ca = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
    certificate(&folder, "ca", &ca, &[])?;
    for (side, usage) in [("server", "serverAuth"), ("client", "clientAuth")] {
        let usage = format!("extendedKeyUsage={usage}");
        let extensions = [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            usage.as_str(),
        ];
        certificate(&folder, side, &extensions, &["-CA", "ca.pem", "-CAkey", "ca.key"])?;
    }
    run(&folder, "openvpn", &["--genkey", "secret", "tls-auth.key"])?;
    Ok(folder)
}

fn certificate(
    folder: &Path,
    name: &str,
    extensions: &[&str],
    more: &[&str],
) -> Result<(), BenchError> {
    let (subject, key, cert) =
        (format!("/CN={name}"), format!("{name}.key"), format!("{name}.pem"));
    let mut arguments = vec!["req", "-x509", "-newkey", "ec", "-pkeyopt"];
    arguments.extend(["ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", &subject]);
    arguments.extend(["-keyout", &key, "-out", &cert]);
    for extension in extensions {
        arguments.extend(["-addext", extension]);
    }
    arguments.extend(more);
    run(folder, "openssl", &arguments)
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<(), BenchError> {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.map_err(|e| BenchError::Unavailable(format!("{program}: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(BenchError::tool(program, String::from_utf8_lossy(&output.stderr)))
}
