//! An order: names in, a chain out (RFC 8555 section 7.4).
//!
//! 1. the order is placed;
//! 2. each name that the CA wants a proof of gets one on the stage, and the CA is told to look;
//! 3. once it has seen all, it is given the request and signs;
//! 4. the proofs come down.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use pki::{PrivateKey, request_naming};

use crate::challenge::{Method, Shown, Stage, is_token};
use crate::error::AcmeError;
use crate::http::Https;

pub(crate) async fn order(
    account: &Account,
    http: &Https,
    names: &[String],
    key: &PrivateKey,
    methods: &[Method],
    stage: &dyn Stage,
) -> Result<String, AcmeError> {
    let of = |error| AcmeError::of(error, http);
    let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(of)?;
    let mut shown = Shown::on(stage);
    let used = prove(&mut order, http, names, methods, &mut shown).await?;
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready) => {}
        outcome => return Err(why(&mut order, http, used, outcome.err()).await),
    }
    let request = request_naming(names, key).map_err(|_| AcmeError::Key)?;
    order.finalize_csr(&request).await.map_err(of)?;
    order.poll_certificate(&PATIENCE).await.map_err(of)
}

/// Puts a proof of each name on the stage, and has the CA look. Gives the method that served last.
async fn prove(
    order: &mut Order,
    http: &Https,
    names: &[String],
    methods: &[Method],
    shown: &mut Shown<'_>,
) -> Result<Option<Method>, AcmeError> {
    let of = |error| AcmeError::of(error, http);
    let mut used = None;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(of)?;
        // It may remember a proof of before.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
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
        shown.show(proof.map_err(|_| AcmeError::Key)?);
        challenge.set_ready().await.map_err(of)?;
        used = Some(method);
    }
    Ok(used)
}

/// Which name the CA found not to be ours, and what it says of it.
async fn why(
    order: &mut Order,
    http: &Https,
    used: Option<Method>,
    error: Option<instant_acme::Error>,
) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            break;
        }
        let failed = authorization
            .challenges
            .iter()
            .find(|one| one.status == ChallengeStatus::Invalid && one.error.is_some());
        if let Some(problem) = failed.and_then(|one| one.error.clone()) {
            let name = authorization.identifier().to_string();
            return AcmeError::not_proved(name, used, &problem);
        }
    }
    error.map_or(AcmeError::Slow { until: None }, |error| AcmeError::of(error, http))
}

/// It may look from several places, one after the other.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));
