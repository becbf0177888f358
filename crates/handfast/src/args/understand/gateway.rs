//! The gateway: its first start, its settings and its service.

use std::path::PathBuf;

use admin::failure::{Failure, FailureKind};
use admin::request::Request;
use gateway::FirstStart;
use gateway::config::{Listen, Net, PublicName};

use crate::args::order::{Action, ServiceOrder, Serviced};
use crate::args::typed::gateway::{Config, First, Service, Up};

pub(super) fn understand_up(up: Up) -> Result<Action, Failure> {
    Ok(Action::Up { first: first_start(up.first)?, state: up.state })
}

pub(super) fn understand_config(command: Config) -> Request {
    match command {
        Config::Show => Request::ConfigShow,
        Config::Set { key, values } => Request::ConfigSet { key, values },
    }
}

pub(super) fn understand_service(command: Service, data: PathBuf) -> Result<ServiceOrder, Failure> {
    let (install, what, how) = match command {
        Service::Install { first, unit, how } => {
            (true, Serviced::Gateway(unit_name(unit.name)?, first_start(first)?), how)
        }
        Service::Remove { unit, how } => {
            (false, Serviced::Gateway(unit_name(unit.name)?, FirstStart::default()), how)
        }
        Service::InstallClient { how } => (true, Serviced::Client, how),
        Service::RemoveClient { how } => (false, Serviced::Client, how),
    };
    Ok(ServiceOrder {
        install,
        what,
        data,
        data_typed: false,
        dry_run: how.dry_run,
        root: how.root,
    })
}

fn unit_name(name: String) -> Result<String, Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match (1..=64).contains(&name.len()) && !name.starts_with('.') && name.chars().all(fits) {
        true => Ok(name),
        false => Err(Failure::new(FailureKind::Usage, format!("{name:?} can't name a unit"))
            .hint("use letters, digits and -, without .service: `--name handfast2`")),
    }
}

fn first_start(typed: First) -> Result<FirstStart, Failure> {
    let listen = typed.listen.iter().map(|text| text.parse::<Listen>());
    let routes = typed.routes.into_iter().map(Net::try_from);
    Ok(FirstStart {
        public: public(typed.public)?,
        listen: listen.collect::<Result<_, _>>().map_err(|error| wrong(&error))?,
        tcp: typed.tcp,
        routes: routes.collect::<Result<_, _>>().map_err(|error| wrong(&error))?,
        dns: typed.dns,
        full_tunnel: typed.full_tunnel,
    })
}

/// What says itself what would be right.
fn wrong(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Usage, error.to_string())
}

/// A host name or an address, as it goes into profiles and onto the service's command line.
fn public(name: Option<String>) -> Result<Option<PublicName>, Failure> {
    let parse = |name: String| {
        name.parse().map_err(|_| {
            let message = format!("{name:?} is neither a host name nor an address");
            Failure::new(FailureKind::Usage, message)
                .hint("give what clients reach this machine by: `--public vpn.example.net`")
                .hint("with a port, where theirs is another: `--public vpn.example.net:443`")
        })
    };
    name.map(parse).transpose()
}
