//! Which virtual server a client means: by the name that it asks for, then by the protocols that it speaks.
//!
//! Not here: connections. Invariant: a name that stands whole in the settings outweighs a wildcard, and a wildcard the
//! default.

use std::collections::HashMap;
use std::sync::Arc;

use crate::holder::Holder;
use crate::means::Means;
use crate::refused::Refused;
use crate::settings::{Listen, Settings, Unmatched, VirtualServer};
use crate::site::Site;

/// All virtual servers in force.
#[derive(Debug, Default)]
pub(crate) struct Table {
    by_label: HashMap<String, Vec<Arc<Site>>>,
    by_name: HashMap<String, Vec<Arc<Site>>>,
    by_domain: HashMap<String, Vec<Arc<Site>>>,
    default: Option<Arc<Site>>,
}

impl Table {
    /// Of these settings; what of the `former` table goes on, goes on.
    pub(crate) fn new(
        settings: &Settings,
        means: &Means,
        former: &Table,
    ) -> Result<Self, rustls::Error> {
        let mut table = Self::default();
        for server in &settings.server {
            let former = former.present(server.label(), &server.alpn);
            table.add(Arc::new(Site::new(server, means, former)?));
        }
        Ok(table)
    }

    fn add(&mut self, site: Arc<Site>) {
        for name in &site.settings.names {
            let sites = match name.wildcard() {
                Some(domain) => self.by_domain.entry(domain.to_owned()),
                None => self.by_name.entry(name.as_str().to_owned()),
            };
            sites.or_default().push(Arc::clone(&site));
        }
        if site.settings.default && self.default.is_none() {
            self.default = Some(Arc::clone(&site));
        }
        let label = site.settings.label().to_owned();
        self.by_label.entry(label).or_default().push(site);
    }

    /// The server of this label with these protocols.
    pub(crate) fn present(&self, label: &str, alpn: &[String]) -> Option<&Arc<Site>> {
        self.by_label.get(label)?.iter().find(|site| site.settings.alpn == alpn)
    }

    /// Whether some server of this label lets in this holder, or somebody without a certificate.
    pub(crate) fn lets_in(&self, label: &str, holder: Option<&Holder>) -> bool {
        let sites = self.by_label.get(label).map(Vec::as_slice).unwrap_or_default();
        sites.iter().any(|site| site.settings.passthrough || site.policy.lets_in(holder))
    }

    /// Who speaks for this protocol before a name is known: the default, else the first that names the protocol.
    pub(crate) fn speaks(&self, protocol: &str) -> Option<&Arc<Site>> {
        let by_default = self.default.iter().find(|site| !site.settings.is_http());
        let names = |site: &&Arc<Site>| site.settings.alpn.iter().any(|own| own == protocol);
        let named = self.sites().filter(names).min_by_key(|site| site.settings.label());
        named.or(by_default)
    }

    /// All of them.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.by_label.values().flatten()
    }

    /// The server that is meant on this listener.
    ///
    /// # Errors
    /// [`Refused::UnknownName`] and [`Refused::NoProtocol`].
    pub(crate) fn choose(
        &self,
        listen: &Listen,
        name: Option<&str>,
        alpn: &[Vec<u8>],
    ) -> Result<&Arc<Site>, Refused> {
        if let Some(sites) = name.and_then(|name| self.named(name)) {
            return by_protocol(sites, alpn);
        }
        let otherwise = if name.is_some() { listen.unknown_name } else { listen.no_name };
        match (otherwise, &self.default) {
            (Unmatched::Default, Some(site)) => by_protocol(std::slice::from_ref(site), alpn),
            _ => Err(Refused::UnknownName { asked: name.map(str::to_owned) }),
        }
    }

    /// The server that is meant where this one has greeted before a name was asked for: no other one, since the
    /// connection behind it is this one's. It has those who ask for a name that nobody has, or for none.
    ///
    /// # Errors
    /// As [`Table::choose`], and [`Refused::NotHere`].
    pub(crate) fn choose_greeted(
        &self,
        greeted: &VirtualServer,
        listen: &Listen,
        name: Option<&str>,
        alpn: &[Vec<u8>],
    ) -> Result<&Arc<Site>, Refused> {
        let unknown = || Refused::UnknownName { asked: name.map(str::to_owned) };
        let site = self.present(greeted.label(), &greeted.alpn).ok_or_else(unknown)?;
        if let Some(name) = name {
            match self.named(name) {
                Some(sites) if sites.iter().any(|one| Arc::ptr_eq(one, site)) => {}
                Some(_) => {
                    let (asked, server) = (name.to_owned(), greeted.label().to_owned());
                    return Err(Refused::NotHere { asked, server });
                }
                None if listen.unknown_name == Unmatched::Default => {}
                None => return Err(unknown()),
            }
        }
        by_protocol(std::slice::from_ref(site), alpn)
    }

    fn named(&self, name: &str) -> Option<&[Arc<Site>]> {
        let below = || self.by_domain.get(name.split_once('.')?.1);
        self.by_name.get(name).or_else(below).map(Vec::as_slice)
    }
}

/// The first that speaks one of the client's protocols, else the first that speaks any. A client that names none means
/// the first.
fn by_protocol<'a>(sites: &'a [Arc<Site>], alpn: &[Vec<u8>]) -> Result<&'a Arc<Site>, Refused> {
    let speaks = |site: &&Arc<Site>| {
        alpn.is_empty()
            || site.settings.protocols().iter().any(|own| alpn.iter().any(|o| o == own.as_bytes()))
    };
    let any = |site: &&Arc<Site>| site.settings.protocols().is_empty();
    let found = sites.iter().find(speaks).or_else(|| sites.iter().find(any));
    found.ok_or_else(|| {
        let server = sites.first().map_or("", |site| site.settings.label()).to_owned();
        Refused::NoProtocol { server }
    })
}
