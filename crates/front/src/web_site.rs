//! What a virtual server does with requests: its settings in the words of `web`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use web::{
    Action, Backend, Connection, Files, Fixed, Hsts, Http, Identity, Redirect, Route, Site, Tls,
    Upstream, UpstreamLimits,
};

use crate::backend::{Address, Target};
use crate::policy::Client;
use crate::settings::VirtualServer;
use crate::site_name::SiteName;

/// The site, where it is HTTP that is spoken.
pub(crate) fn of(server: &VirtualServer, all: &[SiteName]) -> Option<Arc<Site>> {
    if server.passthrough {
        return None;
    }
    let action = match &server.backend {
        Target::Tcp(_) => return None,
        Target::Http(address) => proxy(address)?,
        Target::Files(folder) => files(folder),
        Target::Redirect(url) => Action::Redirect(Redirect::Under(url.clone())),
    };
    let prefix = "/".parse().ok()?;
    let mut site = Site::new(vec![Route { prefix, action }]);
    let patterns = |names: &mut dyn Iterator<Item = &SiteName>| {
        names.filter_map(|name| name.as_str().parse().ok()).collect()
    };
    if server.default {
        // Its backend may be another server's as well, and choose by the host: nobody gets there around that one's
        // conditions.
        let mut others = all.iter().filter(|name| !server.names.contains(name));
        site.foreign = patterns(&mut others);
    } else {
        site.names = patterns(&mut server.names.iter());
    }
    site.hsts = hsts(server);
    Some(Arc::new(site))
}

fn proxy(address: &Address) -> Option<Action> {
    let backend = Backend::tcp(address.host.clone(), address.port);
    let upstream = Upstream::new(vec![backend], UpstreamLimits::default()).ok()?;
    Some(Action::Proxy(Arc::new(upstream)))
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
