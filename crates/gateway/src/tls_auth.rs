//! The key that every packet of the VPN's control channel is signed with: the door's, kept with the
//! records.

use store::{Actor, Secret, Store};
use wire::static_key::StaticKey;
use zeroize::Zeroizing;

use crate::error::GatewayError;

/// The key; made where there is none yet.
pub(crate) async fn key(store: &Store) -> Result<StaticKey, GatewayError> {
    if let Some(secret) = store.secret_get(NAME).await? {
        let bytes = secret.expose().try_into().map_err(|_| GatewayError::TlsAuthKey)?;
        return Ok(StaticKey::from_bytes(bytes));
    }
    let bytes = Zeroizing::new(authority::random_bytes::<{ StaticKey::LEN }>()?);
    store.secret_put(&Actor::Gateway, NAME, Secret::new(bytes.to_vec())).await?;
    Ok(StaticKey::from_bytes(&bytes))
}

/// The secret with the key.
const NAME: &str = "tls-auth";
