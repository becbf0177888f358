//! What a virtual server does with requests: its settings in the words of `web`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use web::{
    Action, Connection, Files, Fixed, Hsts, Http, Identity, Limits, Redirect, Route, Site, Tls,
};

use crate::backend::Target;
use crate::means::Means;
use crate::policy::Client;
use crate::service::Weighted;
use crate::settings::VirtualServer;
use crate::site_name::SiteName;
use crate::upstreams::{Proxied, Upstreams};

/// What has a virtual server's requests.
#[derive(Debug)]
pub(crate) struct WebSite {
    pub(crate) site: Arc<Site>,
    pub(crate) upstreams: Upstreams,
}

impl WebSite {
    /// Where it is HTTP that is spoken. What the `former` one has, as connections to backends, goes on.
    pub(crate) fn of(
        server: &VirtualServer,
        means: &Means,
        former: Option<&Self>,
    ) -> Option<Arc<Self>> {
        if server.passthrough || !server.is_http() {
            return None;
        }
        let (mut upstreams, mut routes) = (Upstreams::default(), Vec::new());
        for service in server.services() {
            let prefix = service.path.prefix()?;
            let action = match &service.backends[..] {
                [Weighted { to: Target::Files(folder), .. }] => files(folder),
                [Weighted { to: Target::Redirect(url), .. }] => {
                    Action::Redirect(Redirect::Under(url.parse().ok()?))
                }
                _ => {
                    let former = former.and_then(|former| former.upstreams.of(&service));
                    let former = former.filter(|_| !server.reaches_by_tls());
                    let proxied = former.or_else(|| Proxied::new(&service, server, means))?;
                    Action::Proxy(upstreams.add(proxied))
                }
            };
            routes.push(Route { prefix, action });
        }
        let mut site = Site::new(routes);
        let patterns = |names: &mut dyn Iterator<Item = &SiteName>| {
            names.filter_map(|name| name.as_str().parse().ok()).collect()
        };
        if server.default {
            // Its backend may be another server's as well, and choose by the host: nobody gets there around that
            // one's conditions.
            let mut others = means.names.iter().filter(|name| !server.names.contains(name));
            site.foreign = patterns(&mut others);
        } else {
            site.names = patterns(&mut server.names.iter());
        }
        site.hsts = hsts(server);
        site.limits =
            Limits { body: (server.max_body > 0).then_some(server.max_body), ..site.limits };
        Some(Arc::new(Self { site: Arc::new(site), upstreams }))
    }
}

/// A folder that can't be opened is said to whoever asks, and to the log.
fn files(folder: &Path) -> Action {
    match Files::open(folder) {
        Ok(files) => Action::Files(Arc::new(files)),
        Err(error) => {
            tracing::error!(%error, "a virtual server has nothing to show; mend that, and reload");
            Action::Fixed(Fixed {
                status: http::StatusCode::SERVICE_UNAVAILABLE,
                content_type: "text/plain".to_owned(),
                body: "there is nothing here\n".into(),
            })
        }
    }
}

fn hsts(server: &VirtualServer) -> Option<Hsts> {
    let max_age = Duration::from_secs(server.hsts_seconds.into());
    let (include_subdomains, preload) = (server.hsts_subdomains, server.hsts_preload);
    (server.hsts_seconds > 0).then_some(Hsts { max_age, include_subdomains, preload })
}

/// What is known of a connection before its first request.
pub(crate) fn connection(
    peer: SocketAddr,
    local: SocketAddr,
    alpn: Option<&str>,
    server_name: Option<String>,
    client: Option<&Client>,
    chain: &[rustls::pki_types::CertificateDer<'_>],
) -> Connection {
    let identity = client.map(|client| Identity {
        user: client.holder.user.to_string(),
        device: Some(client.holder.device.to_string()),
        leaf: client.leaf.to_vec().into(),
        chain: chain.iter().map(|one| one.to_vec().into()).collect(),
    });
    let http = if alpn == Some("h2") { Http::Two } else { Http::One };
    Connection { peer, local, http, tls: Some(Tls { server_name, identity }) }
}
