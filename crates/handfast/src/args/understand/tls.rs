//! TLS: local ports and looks at servers.

use admin::failure::{Failure, FailureKind};
use uplink::{Pin, Revocation, Target};

use crate::args::order::{Action, Own, TlsConnectOrder, TlsOrder, TlsTestOrder};
use crate::args::typed::client::RevocationWord;
use crate::args::typed::tls::{Tls, TlsConnect, TlsTest};

pub(super) fn understand_tls(typed: Tls) -> Result<Action, Failure> {
    understand(typed).map(Action::Tls)
}

fn understand(typed: Tls) -> Result<TlsOrder, Failure> {
    match typed {
        Tls::Connect(typed) => understand_connect(typed).map(TlsOrder::Connect),
        Tls::Test(TlsTest { server, name, ca }) => {
            let target = match server.parse::<Target>() {
                Err(uplink::NotATarget::NoPort) => {
                    target(&format!("{server}:443"), name.as_deref())?
                }
                _ => target(&server, name.as_deref())?,
            };
            Ok(TlsOrder::Test(TlsTestOrder { target, ca }))
        }
    }
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
