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
    let gateway = Serviced::Gateway;
    let (install, what, how) = match command {
        Service::Install { first, how } => (true, gateway(first_start(first)?), how),
        Service::Remove { how } => (false, gateway(FirstStart::default()), how),
        Service::InstallClient { how } => (true, Serviced::Client, how),
        Service::RemoveClient { how } => (false, Serviced::Client, how),
    };
    Ok(ServiceOrder { install, what, data, dry_run: how.dry_run, root: how.root })
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
