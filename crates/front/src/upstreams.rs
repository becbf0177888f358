//! The services that virtual servers proxy to: looked at for as long as some settings name them, and said to be down and
//! up again.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use uplink::NotATarget;
use web::{Ailment, Backend, Health, Onlooker, Upstream, UpstreamLimits};

use crate::backend::{Address, Target};
use crate::means::Means;
use crate::secure_way::SecureWay;
use crate::service::{Service, Weighted};
use crate::settings::VirtualServer;
use crate::trust::Trust;

/// Those of one virtual server.
#[derive(Debug, Default)]
pub(crate) struct Upstreams(Vec<Arc<Proxied>>);

/// A service in force.
#[derive(Debug)]
pub(crate) struct Proxied {
    settings: Service,
    upstream: Arc<Upstream>,
    watch: AbortHandle,
}

/// A backend at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendState {
    /// Where it is, as the settings write it.
    pub to: String,
    /// What is the matter with it, where it is left out.
    pub ailment: Option<String>,
}

impl Upstreams {
    /// The one of these settings.
    pub(crate) fn of(&self, settings: &Service) -> Option<Arc<Proxied>> {
        self.0.iter().find(|proxied| proxied.settings == *settings).cloned()
    }

    pub(crate) fn add(&mut self, proxied: Arc<Proxied>) -> Arc<Upstream> {
        let upstream = Arc::clone(&proxied.upstream);
        self.0.push(proxied);
        upstream
    }

    /// All backends, in the order of the settings.
    pub(crate) fn backends(&self) -> Vec<BackendState> {
        self.0.iter().flat_map(|proxied| proxied.backends()).collect()
    }
}

impl Proxied {
    /// Looked at from here on, where the settings want that.
    pub(crate) fn new(
        settings: &Service,
        server: &VirtualServer,
        means: &Means,
    ) -> Option<Arc<Self>> {
        let backend = |one| backend(one, &server.backend_tls, means);
        let backends = settings.backends.iter().map(backend).collect::<Option<Vec<_>>>()?;
        let limits = UpstreamLimits {
            answer: Duration::from_secs(settings.answer_seconds.into()),
            requests: settings.max_requests as usize,
            ..UpstreamLimits::default()
        };
        let names = settings.backends.iter().map(|one| one.to.to_string()).collect();
        let teller = Teller { server: server.label().to_owned(), names };
        let upstream = Upstream::new(backends, limits).ok()?.with_onlooker(Arc::new(teller));
        let upstream = match health(settings) {
            Some(health) => upstream.with_health(health),
            None => upstream,
        };
        let upstream = Arc::new(upstream);
        let looks = Arc::clone(&upstream);
        let watch = means.runtime.spawn(async move { looks.watch().await }).abort_handle();
        Some(Arc::new(Self { settings: settings.clone(), upstream, watch }))
    }

    fn backends(&self) -> Vec<BackendState> {
        let names = self.settings.backends.iter().map(|one| one.to.to_string());
        let ailments = self.upstream.ailments().into_iter();
        let state = |(to, ailment): (String, Option<Ailment>)| BackendState {
            to,
            ailment: ailment.map(|ailment| ailment.to_string()),
        };
        names.zip(ailments).map(state).collect()
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn backend(settings: &Weighted, trust: &Trust, means: &Means) -> Option<Backend> {
    let backend = match &settings.to {
        Target::Http(address) => Backend::tcp(address.host.clone(), address.port),
        Target::Https(address) => {
            let uplink = service(address)
                .and_then(|service| trust.uplink(service, means.verifier.cas(), &means.clock));
            if let Err(what) = &uplink {
                tracing::error!(backend = %settings.to, "a backend can't be reached: {what}");
            }
            Backend::by(Arc::new(SecureWay(uplink)))
        }
        Target::Tcp(_) | Target::Tls(_) | Target::Files(_) | Target::Redirect(_) => return None,
    };
    Some(backend.with_weight(settings.weight))
}

fn service(address: &Address) -> Result<uplink::Target, String> {
    address.to_string().parse().map_err(|error: NotATarget| error.to_string())
}

fn health(settings: &Service) -> Option<Health> {
    let path = settings.health.as_ref()?.as_str().parse().ok()?;
    let every = Duration::from_secs(settings.health_seconds.into());
    Some(Health { path, every, within: every.min(LONGEST_LOOK) })
}

/// Says it in the log.
struct Teller {
    server: String,
    names: Vec<String>,
}

impl Teller {
    fn name(&self, backend: usize) -> &str {
        self.names.get(backend).map_or("", String::as_str)
    }
}

impl Onlooker for Teller {
    fn left_out(&self, backend: usize, why: &Ailment) {
        let (server, backend) = (&self.server, self.name(backend));
        tracing::warn!(
            server,
            backend,
            "a backend is left out: {why}; start it, or mend the settings"
        );
    }

    fn is_back(&self, backend: usize) {
        let (server, backend) = (&self.server, self.name(backend));
        tracing::info!(server, backend, "a backend is back");
    }
}

/// For an answer to a look.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
