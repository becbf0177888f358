//! One certificate: ordered, and kept with its key among the records' secrets.
//!
//! Invariant: what serves was kept first; what the disk does not take is written once it does.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use acme::{AcmeError, Method, Placed, Renewal};
use clock::{Clock, Timestamp};
use pki::{KeyType, PrivateKey};
use rustls::pki_types::CertificateDer;
use store::{Secret, Store};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::account::Accounts;
use super::ca::ca;
use super::drawer::Drawer;
use super::fault::OrderFault;
use super::gone;
use super::stage::DoorStage;
use super::wanted::Wanted;
use crate::config::Acme;
use crate::tls_door::served::{NotServed, Served};

/// Where certificates are ordered, and kept.
#[derive(Debug)]
pub(super) struct Desk {
    drawer: Arc<Drawer<Store>>,
    store: Store,
    accounts: Accounts,
    clock: Arc<dyn Clock>,
    stage: DoorStage,
}

/// An order that the CA is not through with, and the key that it is for.
#[derive(Debug)]
pub(super) struct Begun {
    since: Timestamp,
    key: PrivateKey,
    placed: Placed,
}

impl Desk {
    pub(super) fn new(store: Store, clock: Arc<dyn Clock>, stage: DoorStage) -> Self {
        let drawer = Arc::new(Drawer::before(store.clone()));
        let accounts = Accounts::kept_in(Arc::clone(&drawer));
        Self { drawer, store, accounts, clock, stage }
    }

    /// Writes what the disk did not take before.
    pub(super) async fn write(&self) {
        self.drawer.write().await;
    }

    /// Has the records forget what nobody wants any longer.
    pub(super) async fn forget_all_but(&self, wanted: impl Iterator<Item = Wanted>) {
        let wanted: HashSet<_> = wanted.map(|one| place(&one)).collect();
        match gone::forget(&self.store, &wanted, self.now()).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(count, "keys of servers that are gone went from the records")
            }
            Err(error) => {
                tracing::warn!(%error, "keys of servers that are gone stay; it is tried again")
            }
        }
    }

    /// What was kept and serves at this moment, and whether it does under all names, or under the first alone.
    pub(super) async fn kept(&self, wanted: &Wanted) -> (Option<Served>, bool) {
        let secret = self.drawer.get(&place(wanted)).await;
        let secret = secret.inspect_err(|error| {
            tracing::error!(%error, "a certificate that was kept is not read");
        });
        let Some(secret) = secret.ok().flatten() else { return (None, false) };
        let Ok(text) = std::str::from_utf8(secret.expose()) else { return (None, false) };
        let serves = |names| Served::of(text, text, names, self.now()).ok();
        match serves(&wanted.names) {
            Some(served) => (Some(served), true),
            None => (serves(wanted.names.get(..1).unwrap_or_default()), false),
        }
    }

    /// When its CA would have it renewed, where it says that.
    pub(super) async fn renewal(
        &self,
        settings: &Acme,
        leaf: &CertificateDer<'_>,
    ) -> Result<Option<Renewal>, OrderFault> {
        Ok(ca(settings, &self.clock).await?.renewal(leaf).await?)
    }

    /// Orders it, in the place of another, after so many failures, or goes on with what was begun. Leaves behind what is
    /// to be gone on with.
    pub(super) async fn order(
        &self,
        settings: &Acme,
        wanted: &Wanted,
        former: Option<&CertificateDer<'_>>,
        failures: u32,
        begun: &mut Option<Begun>,
    ) -> Result<Served, OrderFault> {
        let ca = ca(settings, &self.clock).await?;
        let account = self.accounts.account(settings, &ca).await?;
        let mut at_work = self.at_work(wanted, former, begun.take()).await?;
        let (methods, Begun { key, placed, .. }) = (methods(settings, failures), &mut at_work);
        let chain = match account.certificate(&wanted.names, key, &methods, placed).await {
            Ok(chain) => chain,
            Err(error) => {
                match error {
                    AcmeError::Slow { .. } => *begun = Some(at_work),
                    AcmeError::AccountUnknown => self.accounts.forget(settings).await,
                    AcmeError::Refused { .. } => self.accounts.doubt(),
                    _ => {}
                }
                return Err(error.into());
            }
        };
        let key = at_work.key.to_pem();
        let served = Served::of(&chain, &key, &wanted.names, self.now());
        let served = served.map_err(|why| AcmeError::not_fit(&not_served(&why)))?;
        let text = Zeroizing::new([key.as_bytes(), chain.as_bytes()].concat());
        self.drawer.put(&place(wanted), Secret::from(text)).await;
        Ok(served)
    }

    /// What was begun of late, or another one.
    async fn at_work(
        &self,
        wanted: &Wanted,
        former: Option<&CertificateDer<'_>>,
        begun: Option<Begun>,
    ) -> Result<Begun, OrderFault> {
        let now = self.now();
        match begun.filter(|begun| now.since(begun.since) <= A_DAY) {
            Some(begun) => Ok(begun),
            None => {
                let (stage, key) = (Arc::new(self.stage.clone()), generate(wanted.key).await?);
                let placed = Placed::on(stage);
                let placed = match former {
                    Some(former) => placed.replacing(former),
                    None => placed,
                };
                Ok(Begun { since: now, key, placed })
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }
}

/// RSA takes a second.
async fn generate(kind: KeyType) -> Result<PrivateKey, OrderFault> {
    let made = spawn_blocking(move || PrivateKey::generate(kind)).await;
    made.ok().and_then(Result::ok).ok_or(OrderFault::Acme(AcmeError::Key))
}

/// After a failure the next one comes first: the CA may reach another port.
fn methods(settings: &Acme, failures: u32) -> Vec<Method> {
    let mut methods: Vec<Method> = settings.challenges.iter().map(|one| (*one).into()).collect();
    let first = failures as usize % methods.len().max(1);
    methods.rotate_left(first);
    methods
}

fn not_served(why: &NotServed) -> String {
    match why {
        NotServed::Identity(error) => error.to_string(),
        NotServed::Chain(unfit) => unfit.to_string(),
    }
}

fn place(wanted: &Wanted) -> String {
    let name = wanted.names.first().map_or("", String::as_str);
    format!("{}{name}/{}/{}", gone::CERTIFICATES, wanted.key, wanted.directory)
}

/// What a CA is not through with by then it has forgotten.
const A_DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Challenge;

    #[test]
    fn after_a_failure_another_way_comes_first() {
        let names = |failures| {
            let methods = methods(&Acme::default(), failures);
            methods.into_iter().map(Method::name).collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["tls-alpn-01", "http-01"]);
        assert_eq!(names(1), ["http-01", "tls-alpn-01"]);
        assert_eq!(names(2), ["tls-alpn-01", "http-01"]);
        let one = Acme { challenges: vec![Challenge::Http01], ..Acme::default() };
        assert_eq!(methods(&one, 3), [Method::Http01]);
    }
}
