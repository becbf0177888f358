//! Handshakes in words: which, and in which shape.

use std::path::PathBuf;

use admin::failure::{Failure, FailureKind};
use admin::request::ExplainTarget;
use explain::capture::{Endpoint, NotAnEndpoint};
use uplink::Target;

use super::words::device_name;
use crate::args::order::{
    Action, ExplainCaptureOrder, ExplainOrder, ExplainTlsOrder, ExplainVpnOrder, Explained,
    KeptOrder, Written,
};
use crate::args::typed::explain::{
    Explain, ExplainCapture, ExplainDemo, ExplainDiff, ExplainFailure, ExplainSession, ExplainTls,
    ExplainVpn, FormatWord, Keep, Shape,
};

pub(super) fn understand_explain(typed: Explain, json: bool) -> Result<Action, Failure> {
    let (what, shape) = match typed {
        Explain::Capture(ExplainCapture { file, keylog, tls_auth, only, open_data, shape }) => {
            let only = only.as_deref().map(endpoint).transpose()?;
            let order = ExplainCaptureOrder { file, keylog, tls_auth, only, open_data };
            (Explained::Capture(order), shape)
        }
        Explain::Tls(ExplainTls { server, name, starttls, device, ask, http, ca, keep, shape }) => {
            let target = target(&server, starttls.as_deref(), name.as_deref())?;
            let http = http || (target.port() == HTTPS && target.starttls().is_none());
            let order = ExplainTlsOrder { target, ca, device, ask, http, kept: kept(keep) };
            (Explained::Tls(order), shape)
        }
        Explain::Vpn(ExplainVpn { profile, keep, shape }) => {
            (Explained::Vpn(ExplainVpnOrder { profile, kept: kept(keep) }), shape)
        }
        Explain::Session(ExplainSession { session, shape }) => {
            (Explained::Gateway { which: session_of(&session)? }, shape)
        }
        Explain::Failure(ExplainFailure { event, shape }) => {
            (Explained::Gateway { which: failure_of(event) }, shape)
        }
        Explain::Demo(ExplainDemo { shape }) => (Explained::Demo, shape),
        Explain::Diff(ExplainDiff { a, b, shape }) => return diff(a, b, written(shape, json)),
    };
    Ok(Action::Explain(ExplainOrder { what, written: written(shape, json) }))
}

fn kept(Keep { capture, keylog }: Keep) -> KeptOrder {
    KeptOrder { capture, keylog }
}

const HTTPS: u16 = 443;

/// Where two stories part is one place: there is no sequence to draw of it.
fn diff(a: PathBuf, b: PathBuf, written: Written) -> Result<Action, Failure> {
    match written.format {
        FormatWord::Svg | FormatWord::Mermaid => Err(Failure::new(
            FailureKind::Usage,
            "where two stories part is one place, of which there is no picture",
        )
        .hint(
            "--format is term, html or json here; `explain capture` and the others draw a story",
        )),
        FormatWord::Term | FormatWord::Html | FormatWord::Json => {
            Ok(Action::ExplainDiff { a, b, written })
        }
    }
}

fn endpoint(typed: &str) -> Result<Endpoint, Failure> {
    typed.parse().map_err(|error: NotAnEndpoint| {
        Failure::new(FailureKind::Usage, format!("--only {typed} is no end of a conversation"))
            .caused_by(&error)
            .hint("write 192.0.2.1, :443, 192.0.2.1:443 or [2001:db8::1]:443; a capture has no names, and `getent hosts NAME` says which address one has")
    })
}

fn target(server: &str, starttls: Option<&str>, name: Option<&str>) -> Result<Target, Failure> {
    let service = match starttls {
        Some(protocol) => format!("{protocol}://{server}"),
        None => server.to_owned(),
    };
    let target: Target = service.parse().map_err(|error: uplink::NotATarget| usage(&error))?;
    match name {
        Some(name) => target.with_name(name).map_err(|error| usage(&error)),
        None => Ok(target),
    }
}

fn written(Shape { format, out, short, text_width }: Shape, json: bool) -> Written {
    let usual = if json { FormatWord::Json } else { FormatWord::Term };
    Written { format: format.unwrap_or(usual), out, short, text_width }
}

fn session_of(typed: &str) -> Result<ExplainTarget, Failure> {
    Ok(match typed.parse() {
        Ok(id) => ExplainTarget::Session { id },
        Err(_) => ExplainTarget::Device { device: device_name(typed)? },
    })
}

fn failure_of(typed: Option<String>) -> ExplainTarget {
    match typed {
        None => ExplainTarget::LastRefusal,
        Some(typed) => match typed.parse() {
            Ok(number) => ExplainTarget::Refusal { number },
            Err(_) => ExplainTarget::Reason { code: typed },
        },
    }
}

fn usage(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Usage, error.to_string())
}
