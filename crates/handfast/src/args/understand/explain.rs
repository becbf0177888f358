//! Handshakes in words: which, and in which shape.

use admin::failure::{Failure, FailureKind};
use uplink::Target;

use crate::args::order::{Action, ExplainOrder, Explained, Written};
use crate::args::typed::explain::{
    Explain, ExplainCapture, ExplainTls, ExplainVpn, FormatWord, Shape,
};

pub(super) fn understand_explain(typed: Explain, json: bool) -> Result<Action, Failure> {
    let (what, shape) = match typed {
        Explain::Capture(ExplainCapture { file, keylog, tls_auth, shape }) => {
            (Explained::Capture { file, keylog, tls_auth }, shape)
        }
        Explain::Tls(ExplainTls { server, name, ca, shape }) => {
            let target: Target =
                server.parse().map_err(|error: uplink::NotATarget| usage(&error))?;
            let target = match name {
                Some(name) => target.with_name(&name).map_err(|error| usage(&error))?,
                None => target,
            };
            (Explained::Tls { target, ca }, shape)
        }
        Explain::Vpn(ExplainVpn { profile, shape }) => (Explained::Vpn { profile }, shape),
        Explain::Diff { a, b } => return Ok(Action::ExplainDiff { a, b }),
    };
    Ok(Action::Explain(ExplainOrder { what, written: written(shape, json) }))
}

fn written(Shape { format, out, text_width }: Shape, json: bool) -> Written {
    let usual = if json { FormatWord::Json } else { FormatWord::Term };
    Written { format: format.unwrap_or(usual), out, text_width }
}

fn usage(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Usage, error.to_string())
}
