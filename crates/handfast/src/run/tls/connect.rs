//! `handfast tls connect`: a local port in the clear, and TLS from there to a remote service.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use admin::failure::{Failure, FailureKind};
use client::Profile;
use clock::SystemClock;
use pki::identity_from_pem;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use uplink::{Event, Local, LocalError, Settings, Uplink};

use super::super::output::Output;
use super::super::standing::{certificates, trusted};
use crate::args::order::{Own, TlsConnectOrder};
use crate::show::tls::event_json;

/// Runs until it is told to stop.
pub(super) fn run(data: &Path, json: bool, order: TlsConnectOrder) -> Result<Output, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(FailureKind::Environment, "no threads to run on").caused_by(&error)
    })?;
    let listen = order.listen;
    let settings = settings(data, order)?;
    let uplink = Uplink::new(settings, Arc::new(SystemClock)).map_err(|error| {
        Failure::new(FailureKind::Configuration, "the CAs can't be used").caused_by(&error)
    })?;
    let ended = runtime.block_on(async {
        let stop = client::stop_signal().map_err(|error| {
            Failure::new(FailureKind::Environment, "signals cannot be heard").caused_by(&error)
        })?;
        let local =
            Local::open(listen, Arc::new(uplink)).await.map_err(|error| not_open(&error))?;
        tokio::select! {
            () = local.run(move |event| say(&event, json)) => {}
            () = stop => {}
        }
        Ok(())
    });
    runtime.shutdown_background();
    ended.map(|()| Output::done(""))
}

fn settings(data: &Path, order: TlsConnectOrder) -> Result<Settings, Failure> {
    let TlsConnectOrder { target, ca, pin, own, revocation, .. } = order;
    let (identity, profiles_cas) = own_certificate(&own)?;
    let cas = match (ca, profiles_cas) {
        (Some(file), _) => certificates(&file)?,
        (None, Some(cas)) => cas,
        (None, None) => {
            trusted(None, data)?.iter().map(|ca| CertificateDer::from(ca.der().to_vec())).collect()
        }
    };
    if cas.is_empty() {
        return Err(Failure::new(
            FailureKind::Usage,
            "no CA is known that could vouch for the service",
        )
        .hint("name it with --ca FILE, or a profile that has it with --profile FILE"));
    }
    Ok(Settings { target, cas, pin, identity, revocation })
}

type OwnCertificate = (Option<Arc<CertifiedKey>>, Option<Vec<CertificateDer<'static>>>);

fn own_certificate(own: &Own) -> Result<OwnCertificate, Failure> {
    match own {
        Own::None => Ok((None, None)),
        Own::Profile(file) => {
            let profile = Profile::load(file, &SystemClock)
                .map_err(|error| Failure::new(FailureKind::Configuration, error.to_string()))?;
            Ok((Some(profile.identity), Some(profile.ca)))
        }
        Own::Files { cert, key } => {
            let identity = identity_from_pem(&text(cert)?, &text(key)?)
                .map_err(|error| Failure::new(FailureKind::Configuration, error.to_string()))?;
            Ok((Some(identity), None))
        }
    }
}

fn text(file: &Path) -> Result<zeroize::Zeroizing<String>, Failure> {
    fs::read_to_string(file).map(zeroize::Zeroizing::new).map_err(|error| {
        Failure::new(FailureKind::NotFound, format!("{} can't be read", file.display()))
            .caused_by(&error)
    })
}

/// One line for each thing that happened. Nobody may be reading any more.
fn say(event: &Event, json: bool) {
    let mut stdout = std::io::stdout().lock();
    let line = if json { event_json(event) } else { event.to_string() };
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn not_open(error: &LocalError) -> Failure {
    match error {
        LocalError::NotLoopback(_) => Failure::new(FailureKind::Usage, error.to_string())
            .hint("listen on 127.0.0.1 or ::1; for other machines, let the gateway stand in front"),
        LocalError::Bind(..) => Failure::new(FailureKind::Environment, error.to_string())
            .hint("end what has the port, or take another with --listen"),
    }
}
