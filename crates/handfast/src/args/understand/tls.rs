//! TLS: the virtual servers, local ports, and looks at servers.

use admin::failure::{Failure, FailureKind};
use admin::request::Request;
use uplink::{Pin, Revocation, Target};

use crate::args::order::{Action, Own, TlsConnectOrder, TlsOrder, TlsTestOrder};
use crate::args::typed::client::RevocationWord;
use crate::args::typed::tls::{Tls, TlsConnect, TlsShow, TlsTest};

pub(super) fn understand_tls(typed: Tls) -> Result<Action, Failure> {
    match typed {
        Tls::List => Ok(Action::Ask(Request::TlsList)),
        Tls::Show(TlsShow { name }) => Ok(Action::Ask(Request::TlsShow { name })),
        Tls::Connect(typed) => understand_connect(typed).map(TlsOrder::Connect).map(Action::Tls),
        Tls::Test(typed) => understand_test(typed).map(TlsOrder::Test).map(Action::Tls),
    }
}

fn understand_test(typed: TlsTest) -> Result<TlsTestOrder, Failure> {
    let TlsTest { server, name, ca, device } = typed;
    let target = match server.parse::<Target>() {
        Err(uplink::NotATarget::NoPort) => target(&format!("{server}:443"), name.as_deref())?,
        _ => target(&server, name.as_deref())?,
    };
    Ok(TlsTestOrder { target, ca, device })
}

fn understand_connect(typed: TlsConnect) -> Result<TlsConnectOrder, Failure> {
    let TlsConnect { target: service, listen, name, ca, pin, profile, cert, key, revocation } =
        typed;
    let pin = pin.map(|pin| pin.parse::<Pin>()).transpose();
    let own = match (profile, cert, key) {
        (Some(profile), _, _) => Own::Profile(profile),
        (None, Some(cert), Some(key)) => Own::Files { cert, key },
        (None, _, _) => Own::None,
    };
    let revocation = match revocation {
        RevocationWord::Require => Revocation::Require,
        RevocationWord::Prefer => Revocation::Prefer,
        RevocationWord::Off => Revocation::Off,
    };
    Ok(TlsConnectOrder {
        target: target(&service, name.as_deref())?,
        listen,
        ca,
        pin: pin.map_err(|error| usage(&error))?,
        own,
        revocation,
    })
}

fn target(service: &str, name: Option<&str>) -> Result<Target, Failure> {
    let target: Target = service.parse().map_err(|error: uplink::NotATarget| usage(&error))?;
    match name {
        Some(name) => target.with_name(name).map_err(|error| usage(&error)),
        None => Ok(target),
    }
}

fn usage(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Usage, error.to_string())
}
