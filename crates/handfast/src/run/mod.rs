//! Orders carried out, one module for each kind.

use std::path::Path;

use admin::failure::Failure;
use admin::request::Request;
use admin::response::Response;
use admin::timestamp::Timestamp;
use clock::{Clock as _, SystemClock};

use crate::args::order::{Action, Order};
use crate::show;

mod ask;
mod authority;
mod bench;
mod connect;
mod csr;
mod demo;
mod events;
mod guard;
mod log;
mod output;
mod process;
mod profile;
mod service;
mod unit;
mod up;

pub(crate) use output::Output;

use demo::DemoOptions;
use up::UpOptions;

/// Carries an order out.
pub(crate) fn run(order: Order) -> Result<Output, Failure> {
    let Order { data, json, action } = order;
    match action {
        Action::Ask(request) => ask_and_show(&data, json, request),
        Action::AskWithCsr { csr, renew, device } => {
            ask_and_show(&data, json, csr::request(&csr, renew, device)?)
        }
        Action::Profile(order) => profile::run(&data, json, order),
        Action::CrlPem => authority::crl_pem(&data),
        Action::CaExport { out } => authority::ca_export(&data, json, out.as_deref()),
        Action::Prometheus => authority::prometheus(&data),
        Action::FollowEvents { after, limit } => events::follow(&data, json, after, limit),
        Action::Up { public, state } => up::run_up(UpOptions { data, public, state }),
        Action::Demo { install } => demo::run_demo(DemoOptions { install }),
        Action::Connect(options) => connect::run_connect(options),
        Action::ConnectGuard(options) => guard::run_guard(&options),
        Action::Bench(options) => bench::run_bench(options, json),
        Action::Service(order) => service::run(order),
    }
}

fn ask_and_show(data: &Path, json: bool, request: Request) -> Result<Output, Failure> {
    let response = ask::ask(data, request.clone())?;
    let mut output = if json {
        as_json(&response)
    } else {
        Output::done(show::text(&request, &response, now()))
    };
    if let Response::Check(report) = &response
        && show::check::is_bad(report)
    {
        output.exit_code = admin::failure::FailureKind::FindingsBad.exit_code();
    }
    Ok(output)
}

/// The answer itself, without the envelope it came in.
fn as_json(response: &Response) -> Output {
    match response {
        Response::Users(answer) => Output::json(answer),
        Response::User(answer) => Output::json(answer),
        Response::Devices(answer) => Output::json(answer),
        Response::Device(answer) => Output::json(answer),
        Response::Changed(answer) => Output::json(answer),
        Response::Crl(answer) => Output::json(answer),
        Response::Ca(answer) => Output::json(answer),
        Response::Status(answer) => Output::json(answer),
        Response::Sessions(answer) => Output::json(answer),
        Response::Kicked(answer) => Output::json(answer),
        Response::Events(answer) => Output::json(&answer.events),
        Response::Check(answer) => Output::json(&answer.findings),
        // Holds keys; its command prints what was written instead.
        Response::Profile(answer) => Output::json(&answer.name),
    }
}

fn now() -> Timestamp {
    Timestamp::from_wall(SystemClock.now().wall)
}
