//! Answers as text for people. `--json` prints the answer itself, so nothing here is for programs.

use admin::request::Request;
use admin::response::Response;
use clock::Timestamp;

pub(crate) mod authority;
pub(crate) mod bench;
pub(crate) mod cert;
pub(crate) mod change;
pub(crate) mod check;
pub(crate) mod columns;
pub(crate) mod device;
pub(crate) mod event;
pub(crate) mod progress;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod standing;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod tls;
pub(crate) mod user;
pub(crate) mod virtual_servers;
pub(crate) mod words;

use table::Width;

/// The answer to a request, in words.
pub(crate) fn text(request: &Request, response: &Response, now: Timestamp, width: Width) -> String {
    match (request, response) {
        (Request::UserAdd { .. }, Response::User(user)) => user::added(user),
        (_, Response::Users(users)) => user::listing(users, width),
        (_, Response::User(user)) => user::detail(user, now, width),
        (Request::DeviceAdd { .. }, Response::Device(device)) => device::added(device),
        (Request::DeviceRenew { .. }, Response::Device(device)) => device::renewed(device),
        (_, Response::Devices(devices)) => device::listing(devices, width),
        (_, Response::Device(device)) => device::detail(device, now),
        (_, Response::NamedList(all)) => cert::listing(all, width),
        (_, Response::Named(named)) => cert::detail(named, now),
        (_, Response::Changed(changed)) => change::text(request, changed),
        (_, Response::ChangedAll(changed)) => change::of_many(request, changed),
        (_, Response::Crl(crl)) => authority::crl(crl, now),
        (_, Response::Rollover(rollover)) => authority::rollover(rollover, now),
        (_, Response::Ca(ca)) => authority::ca(ca, now),
        (_, Response::Status(status)) => status::text(status, now, width),
        (_, Response::Sessions(sessions)) => session::listing(sessions, now, width),
        (Request::SessionHistory(asked), Response::History(sessions)) => {
            session::history(sessions, Some(asked.limit), width)
        }
        (_, Response::History(sessions)) => session::history(sessions, None, width),
        (_, Response::TlsServers(all)) => virtual_servers::listing(all, now, width),
        (_, Response::TlsServer(server)) => virtual_servers::detail(server, now),
        (_, Response::Kicked(kicked)) => session::kicked(kicked),
        (_, Response::Events(page)) => event::listing(&page.events, width),
        (_, Response::Check(report)) => check::text(report),
        (Request::ConfigSet { .. }, Response::Settings(settings)) => settings::changed(settings),
        (_, Response::Settings(settings)) => settings::listing(settings),
        (_, Response::Reloaded(reloaded)) => settings::reloaded(reloaded),
        // Its command writes it in the format that was asked for.
        (_, Response::Stories(stories)) => format!("{}\n", stories.0),
        // Profiles are written to files, never printed: they hold keys.
        (_, Response::Profile(material)) => format!("{}\n", material.name),
    }
}
