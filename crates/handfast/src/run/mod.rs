//! Orders carried out, one module for each kind.

use std::io::IsTerminal as _;
use std::path::Path;

use admin::failure::Failure;
use admin::request::Request;
use admin::response::Response;
use clock::Timestamp;
use clock::{Clock as _, SystemClock};

use crate::args::order::{Action, Only, Order};
use crate::show::{self, table::Width};

mod ask;
mod authority;
mod backup;
mod bench;
mod ca_key;
mod cert;
mod client_unit;
mod connect;
mod crl_fetch;
mod csr;
mod demo;
mod events;
mod explain;
mod guard;
mod key_logs;
mod listing;
mod locked_key;
mod log;
mod many;
mod names;
mod others;
mod output;
mod packaged;
mod passphrase;
mod patience;
mod process;
mod profile;
mod profiles;
mod reference;
mod service;
mod signer;
mod standing;
mod tls;
mod told;
mod unit;
mod up;

pub(crate) use output::Output;

use demo::DemoOptions;
use up::UpOptions;

/// Carries an order out.
pub(crate) fn run(order: Order) -> Result<Output, Failure> {
    let Order { data, json, wide, columns, action } = order;
    // The demo makes a namespace of its own where an ordinary user runs it, which only a process that may
    // be looked at can do; its keys are worth nothing.
    if !action.is_a_demo() {
        process::keep_memory_private();
    }
    signer::declare(matches!(action, Action::Up { .. }));
    if action.speaks_tls() {
        key_logs::say();
    }
    let width = width(wide, std::io::stdout().is_terminal());
    let form = Form { json, width, columns: &columns };
    match action {
        Action::Ask(request) => ask_and_show(&data, form, request),
        Action::List { request, only } => list(&data, form, &request, &only),
        Action::AskWithCsr { csr, renew, device } => {
            ask_and_show(&data, form, csr::request(&csr, renew, device)?)
        }
        Action::Cert(order) => cert::run(&data, json, order),
        Action::Many(order) => many::run(&data, json, order),
        Action::Profile(order) => profile::run(&data, json, order),
        Action::Profiles { devices, wish } => profiles::run(&data, json, devices, &wish),
        Action::ProfileFrom(order) => profile::run_from(&data, json, order),
        Action::CrlPem => authority::crl_pem(&data),
        Action::CrlFetch(order) => crl_fetch::run(&data, json, &order),
        Action::OcspAsk(order) => standing::ocsp_ask(&data, json, &order),
        Action::Tls(order) => tls::run(&data, json, order),
        Action::Explain(order) => explain::run(&data, order),
        Action::ExplainDiff { a, b, written } => explain::run_diff(&a, &b, &written),
        Action::CaExport { out } => authority::ca_export(&data, json, out.as_deref()),
        Action::CaSeal(order) => ca_key::seal(&data, json, order),
        Action::CaUnseal { secret } => ca_key::unseal(&data, json, secret.as_deref()),
        Action::CaUnlock => ca_key::unlock(&data, json),
        Action::Prometheus => authority::prometheus(&data),
        Action::Events { after, since, limit } => {
            let request = events::request((after, since), limit);
            form.output(&request, &events::read(&data, (after, since), limit)?)
        }
        Action::FollowEvents { after, since, limit } => {
            events::follow(&data, json, (after, since), limit)
        }
        Action::Backup { to } => backup::back_up(&data, json, &to),
        Action::Restore { from } => backup::restore(&data, json, &from),
        Action::Up { first, state } => up::run_up(UpOptions { data, first, state }),
        Action::Demo { install, page } => demo::run_demo(&DemoOptions { install, page }),
        Action::Connect(options) => connect::run_connect(options, json),
        Action::ConnectGuard(options) => guard::run_guard(&options),
        Action::Signer(order) => signer::run_signer(order),
        Action::Bench(options) => bench::run_bench(options, json),
        Action::Service(order) => service::run(order),
        Action::Completions { shell } => Ok(reference::completions(shell)),
        Action::Manual { out } => reference::manual(&out),
        Action::Packaged { out } => packaged::write(&out),
    }
}

/// What is read by a program is not cut, as it can't ask for the rest.
fn width(wide: bool, to_terminal: bool) -> Width {
    match (wide, to_terminal) {
        (true, _) => Width::Whole,
        (false, true) => Width::Terminal,
        (false, false) => Width::Pipe,
    }
}

/// In which form an answer is printed.
#[derive(Clone, Copy)]
struct Form<'a> {
    json: bool,
    width: Width,
    columns: &'a [String],
}

impl Form<'_> {
    fn output(self, request: &Request, response: &Response) -> Result<Output, Failure> {
        if self.json {
            return Ok(as_json(response));
        }
        if !self.columns.is_empty() {
            let answer = match response {
                // The rest of it is no row.
                Response::Rollover(rollover) => Output::json(&rollover.rows()),
                other => as_json(other),
            };
            let answer = serde_json::from_str(&answer.text).unwrap_or_default();
            return Ok(Output::done(show::columns::text(&answer, self.columns)?));
        }
        Ok(Output::done(show::text(request, response, now(), self.width)))
    }
}

fn list(data: &Path, form: Form<'_>, request: &Request, only: &Only) -> Result<Output, Failure> {
    let answer = listing::select(ask::ask(data, request.clone())?, only, now())?;
    // Whoever asks for columns may be a program, to which the words are a name.
    let for_people = !form.json && form.columns.is_empty();
    if listing::is_empty(&answer) && *only != Only::default() && for_people {
        return Ok(Output::done("none fits\n"));
    }
    form.output(request, &answer)
}

fn ask_and_show(data: &Path, form: Form<'_>, request: Request) -> Result<Output, Failure> {
    let (response, others) = others::ask(data, &request)?;
    let mut output = form.output(&request, &response)?;
    if !form.json {
        output.text.push_str(&others);
    }
    if let Response::Check(report) = &response
        && show::check::is_bad(report)
    {
        output.exit_code = admin::failure::FailureKind::FindingsBad.exit_code();
    }
    if response.held().is_some() {
        output.exit_code = admin::failure::FailureKind::NotOnDisk.exit_code();
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
        Response::NamedList(answer) => Output::json(answer),
        Response::Named(answer) => Output::json(answer),
        Response::Changed(answer) => Output::json(answer),
        Response::ChangedAll(answer) => Output::json(answer),
        Response::Crl(answer) => Output::json(answer),
        Response::Rollover(answer) => Output::json(answer),
        Response::Ca(answer) => Output::json(answer),
        Response::Status(answer) => Output::json(answer),
        Response::Sessions(answer) => Output::json(answer),
        Response::History(answer) => Output::json(answer),
        Response::TlsServers(answer) => Output::json(answer),
        Response::TlsServer(answer) => Output::json(answer),
        Response::Kicked(answer) => Output::json(answer),
        Response::Events(answer) => Output::json(&answer.events),
        Response::Check(answer) => Output::json(&answer.findings),
        Response::Settings(answer) => Output::json(answer),
        Response::Reloaded(answer) => Output::json(answer),
        Response::Stories(answer) => Output::json(answer),
        // Holds keys; its command prints what was written instead.
        Response::Profile(answer) => Output::json(&answer.name),
    }
}

fn now() -> Timestamp {
    Timestamp::from_wall(SystemClock.now().wall)
}
