//! What has to hold for the services behind a virtual server: backends, routes, and how they are looked at.

use front::{Service, Target, Trust, UrlPath, VirtualServer};

use super::{Finding, refuse_at, trust};

/// The first contradiction.
pub(super) fn consistent(server: &VirtualServer, at: usize) -> Result<(), Finding> {
    let services = server.services();
    if services.is_empty() {
        let message = "a virtual server needs a backend; write backend = \"http://127.0.0.1:8080\"";
        return refuse_at(&["tls", "server", "names"], at, message.to_owned());
    }
    if server.backend.is_some() && !server.backends.is_empty() {
        let message = "both `backend` and `backends`; leave one out";
        return refuse_at(&["tls", "server", "backends"], at, message.to_owned());
    }
    routes(server, at)?;
    for service in &services {
        let own = server.backend.is_some() || !server.backends.is_empty();
        let in_route = service.path != UrlPath::root() || !own;
        let path = if in_route { ROUTE } else { place(server) };
        kinds(service, path, at)?;
        figures(service, in_route, at)?;
    }
    let path = &["tls", "server", "backend_tls"];
    if server.backend_tls != Trust::default() && !server.reaches_by_tls() {
        let message = "no backend is reached over TLS; write it as tls:HOST:PORT or https://HOST, or leave this out";
        return refuse_at(path, at, message.to_owned());
    }
    trust::consistent(&server.backend_tls, path, at)?;
    if server.health.is_some() && !services.iter().any(is_looked_at) {
        let message = "only http:// backends are looked at; leave `health` out";
        return refuse_at(&["tls", "server", "health"], at, message.to_owned());
    }
    Ok(())
}

fn routes(server: &VirtualServer, at: usize) -> Result<(), Finding> {
    if server.route.is_empty() {
        return Ok(());
    }
    if server.passthrough {
        let message =
            "TLS is not ended here, so that no path is seen; leave out `passthrough` or the routes";
        return refuse_at(ROUTE, at, message.to_owned());
    }
    let of_bytes = |service: &Service| service.backends.iter().any(|one| !one.to.is_http());
    if server.services().iter().any(of_bytes) {
        let message =
            "routes are for requests; write every backend of this server as http://HOST:PORT";
        return refuse_at(ROUTE, at, message.to_owned());
    }
    for (number, route) in server.route.iter().enumerate() {
        if route.backend.is_some() != route.backends.is_empty() {
            let message = format!("the route {} needs either `backend` or `backends`", route.path);
            return refuse_at(ROUTE, at, message);
        }
        let paths = server.services().into_iter().map(|service| service.path);
        let same = paths.filter(|path| path.leads_where(&route.path)).count();
        if same > 1 {
            let message = format!(
                "{} leads to two services (number {} of its routes is one); leave one out",
                route.path,
                number + 1
            );
            return refuse_at(ROUTE, at, message);
        }
    }
    Ok(())
}

/// Several have their turns only where they are alike.
fn kinds(service: &Service, path: &'static [&'static str], at: usize) -> Result<(), Finding> {
    if service.backends.len() < 2 {
        return Ok(());
    }
    let requests = |one: &front::Weighted| matches!(one.to, Target::Http(_) | Target::Https(_));
    let bytes = |one: &front::Weighted| matches!(one.to, Target::Tcp(_) | Target::Tls(_));
    if !service.backends.iter().all(requests) && !service.backends.iter().all(bytes) {
        let message = "several backends have their turns where all are http://HOST:PORT or https://HOST, or all \
                       tcp:HOST:PORT or tls:HOST:PORT; name one";
        return refuse_at(path, at, message.to_owned());
    }
    let again = |(at, one): &(usize, &front::Weighted)| {
        service.backends[..*at].iter().any(|before| before.to == one.to)
    };
    match service.backends.iter().enumerate().find(again) {
        Some((_, twice)) => {
            let message = format!("{} stands here twice; raise its weight", twice.to);
            refuse_at(path, at, message)
        }
        None => Ok(()),
    }
}

fn figures(service: &Service, in_route: bool, at: usize) -> Result<(), Finding> {
    if let Some(one) = service.backends.iter().find(|one| !(1..=256).contains(&one.weight)) {
        let message = format!("the weight of {} is {}; choose 1 to 256", one.to, one.weight);
        let path = if in_route { ROUTE } else { &["tls", "server", "backends"] };
        return refuse_at(path, at, message);
    }
    let bounds: [(&str, &'static [&'static str], u32, u32); 3] = [
        ("health_seconds", &["tls", "server", "health_seconds"], service.health_seconds, AN_HOUR),
        ("answer_seconds", &["tls", "server", "answer_seconds"], service.answer_seconds, A_DAY),
        ("max_requests", &["tls", "server", "max_requests"], service.max_requests, MOST),
    ];
    for (name, path, value, most) in bounds {
        if !(1..=most).contains(&value) {
            let message = format!("{name} is {value}; choose 1 to {most}");
            return refuse_at(if in_route { ROUTE } else { path }, at, message);
        }
    }
    Ok(())
}

fn is_looked_at(service: &Service) -> bool {
    service.backends.iter().any(|one| matches!(one.to, Target::Http(_) | Target::Https(_)))
}

fn place(server: &VirtualServer) -> &'static [&'static str] {
    match server.backends.is_empty() {
        true => &["tls", "server", "backend"],
        false => &["tls", "server", "backends"],
    }
}

const ROUTE: &[&str] = &["tls", "server", "route"];
const AN_HOUR: u32 = 3600;
const A_DAY: u32 = 86_400;
const MOST: u32 = 1_000_000;
