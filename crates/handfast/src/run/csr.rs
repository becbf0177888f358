//! A CSR from a file or from stdin, put into its request.

use std::io::Read as _;
use std::path::Path;

use admin::failure::{Failure, FailureKind};
use admin::names::DeviceName;
use admin::request::Request;

/// The request that carries this CSR.
pub(crate) fn request(csr: &Path, renew: bool, device: DeviceName) -> Result<Request, Failure> {
    let csr_pem = text(csr)?;
    Ok(match renew {
        true => Request::DeviceRenew { device, csr_pem },
        false => Request::DeviceAdd { device, csr_pem: Some(csr_pem) },
    })
}

/// The CSR in this file.
pub(crate) fn text(csr: &Path) -> Result<String, Failure> {
    let text = read(csr)?;
    match text.contains("CERTIFICATE REQUEST-----") {
        true => Ok(text),
        false => Err(not_a_csr(csr, &text)),
    }
}

fn read(csr: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = if csr == Path::new("-") {
        std::io::stdin().take(LARGEST).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(csr).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        Failure::new(FailureKind::Failed, format!("{} can't be read", csr.display()))
            .caused_by(&error)
            .hint("name the file with the certificate request: `--csr FILE`")
    })?;
    pki::csr_text(&bytes).ok_or_else(|| not_a_csr(csr, ""))
}

fn not_a_csr(csr: &Path, text: &str) -> Failure {
    let failure =
        Failure::new(FailureKind::Usage, format!("{} is no certificate request", csr.display()));
    let failure = if text.contains("PRIVATE KEY-----") {
        failure.because("it holds a private key, which must not leave the device")
    } else {
        failure.because("it has no \"BEGIN CERTIFICATE REQUEST\" line")
    };
    failure.hint(
        "make one on the device: `openssl req -new -newkey rsa:2048 -nodes -keyout vpn.key \
         -subj /CN=device -out device.csr`",
    )
}

/// Far above any CSR.
const LARGEST: u64 = 64 * 1024;
