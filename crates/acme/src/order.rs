//! An order: names in, a chain out (RFC 8555 section 7.4).
//!
//! 1. the order is placed, or found as it was left;
//! 2. each name that the CA wants a proof of gets one on the stage, and the CA is told to look;
//! 3. once it has seen all, it is given the request and signs;
//! 4. the proofs come down with the [`Placed`].

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, Identifier, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use pki::{PrivateKey, request_naming};
use rustls::pki_types::CertificateDer;

use crate::challenge::{Method, Shown, Stage, is_token};
use crate::error::AcmeError;
use crate::http::Https;
use crate::nonces::Rounds;
use crate::renewal;

/// An order at its CA, with the proofs that are shown for it. Dropped, it takes them down.
pub struct Placed {
    /// Once the CA has it.
    url: Option<String>,
    /// The certificate that it takes the place of.
    replaces: Option<CertificateIdentifier<'static>>,
    /// The authorizations at which the CA was told to look, by their URLs: to look once, and by one way, is enough.
    answered: HashSet<String>,
    /// The method that served last.
    used: Option<Method>,
    shown: Shown,
}

impl Placed {
    /// None yet; what will have to be shown goes to this stage.
    pub fn on(stage: Arc<dyn Stage>) -> Self {
        let (answered, shown) = (HashSet::new(), Shown::on(stage));
        Self { url: None, replaces: None, answered, used: None, shown }
    }

    /// The CA is to know that it takes this certificate's place: one that knows of renewals counts it less.
    #[must_use]
    pub fn replacing(self, leaf: &CertificateDer<'_>) -> Self {
        Self { replaces: renewal::id(leaf), ..self }
    }
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Placed({:?})", self.url)
    }
}

pub(crate) async fn order(
    account: &Account,
    http: &Https,
    names: &[String],
    key: &PrivateKey,
    methods: &[Method],
    placed: &mut Placed,
) -> Result<String, AcmeError> {
    let mut rounds = Rounds::all();
    loop {
        let came = go_on(account, http, names, key, methods, placed).await;
        if let Some(over) = rounds.over(came) {
            return over;
        }
    }
}

/// From where it stands, to its end.
async fn go_on(
    account: &Account,
    http: &Https,
    names: &[String],
    key: &PrivateKey,
    methods: &[Method],
    placed: &mut Placed,
) -> Result<String, AcmeError> {
    let of = |error| AcmeError::of(error, http);
    let mut order = match &placed.url {
        Some(url) => account.order(url.clone()).await.map_err(of)?,
        None => place(account, names, placed.replaces.clone()).await.map_err(of)?,
    };
    placed.url = Some(order.url().to_owned());
    match order.state().status {
        OrderStatus::Pending => {
            prove(&mut order, http, names, methods, placed).await?;
            match order.poll_ready(&PATIENCE).await {
                Ok(OrderStatus::Ready) => {}
                outcome => return Err(why(&mut order, http, placed.used, outcome.err()).await),
            }
        }
        OrderStatus::Invalid => return Err(why(&mut order, http, placed.used, None).await),
        OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid => {}
    }
    if order.state().status == OrderStatus::Ready {
        let request = request_naming(names, key).map_err(|_| AcmeError::Key)?;
        order.finalize_csr(&request).await.map_err(of)?;
    }
    order.poll_certificate(&PATIENCE).await.map_err(of)
}

async fn place(
    account: &Account,
    names: &[String],
    replaces: Option<CertificateIdentifier<'_>>,
) -> Result<Order, instant_acme::Error> {
    let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
    let order = NewOrder::new(&identifiers);
    let order = match replaces {
        Some(former) => order.replaces(former),
        None => order,
    };
    account.new_order(&order).await
}

/// Puts a proof of each name on the stage, and has the CA look.
async fn prove(
    order: &mut Order,
    http: &Https,
    names: &[String],
    methods: &[Method],
    placed: &mut Placed,
) -> Result<(), AcmeError> {
    let of = |error| AcmeError::of(error, http);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(of)?;
        // It may remember a proof of before.
        let is_proved = authorization.status == AuthorizationStatus::Valid;
        if is_proved || placed.answered.contains(authorization.url()) {
            continue;
        }
        let (name, url) = (authorization.identifier().to_string(), authorization.url().to_owned());
        if !names.contains(&name) {
            return Err(AcmeError::no_method(&name));
        }
        let offered = |method: &&Method| {
            authorization.challenges.iter().any(|one| one.r#type == method.kind())
        };
        let method = methods.iter().find(offered).copied();
        let method = method.ok_or_else(|| AcmeError::no_method(&name))?;
        let challenge = authorization.challenge(method.kind());
        let Some(mut challenge) = challenge else { return Err(AcmeError::no_method(&name)) };
        if !is_token(&challenge.token) {
            return Err(AcmeError::no_token());
        }
        let proof = method.proof(&name, &challenge.token, &challenge.key_authorization());
        placed.shown.show(proof.map_err(|_| AcmeError::Key)?);
        challenge.set_ready().await.map_err(of)?;
        placed.answered.insert(url);
        placed.used = Some(method);
    }
    Ok(())
}

/// Why it came to nothing: which name the CA found not to be ours, or else what it says of the order.
async fn why(
    order: &mut Order,
    http: &Https,
    used: Option<Method>,
    error: Option<instant_acme::Error>,
) -> AcmeError {
    match unproved(order, http, used).await {
        // What it would have said is asked again.
        Ok(Some(error)) | Err(error @ AcmeError::NonceRefused { .. }) => return error,
        Ok(None) | Err(_) => {}
    }
    let error = error.or_else(|| order.state().error.clone().map(instant_acme::Error::Api));
    error.map_or_else(AcmeError::invalid, |error| AcmeError::of(error, http))
}

/// The first name that the CA found not to be ours, and what it says of it.
async fn unproved(
    order: &mut Order,
    http: &Https,
    used: Option<Method>,
) -> Result<Option<AcmeError>, AcmeError> {
    let of = |error| AcmeError::of(error, http);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(of)?;
        authorization.refresh().await.map_err(of)?;
        let failed = authorization
            .challenges
            .iter()
            .find(|one| one.status == ChallengeStatus::Invalid && one.error.is_some());
        if let Some(problem) = failed.and_then(|one| one.error.clone()) {
            let name = authorization.identifier().to_string();
            return Ok(Some(AcmeError::not_proved(name, used, &problem)));
        }
    }
    Ok(None)
}

/// It may look from several places, one after the other.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));
