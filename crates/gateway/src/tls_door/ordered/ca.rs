//! The CA of `[acme]`: whom its web server's certificate has to come from, and who asks it.

use std::path::Path;
use std::sync::Arc;

use acme::{Ca, Eab, Trust};
use clock::Clock;
use data_encoding::BASE64URL_NOPAD;
use pki::certificates_from_pem;
use tokio::fs;
use zeroize::Zeroizing;

use super::fault::OrderFault;
use crate::config::Acme;
use crate::trusted_roots::{of_the_system, usable};

/// As the settings have it.
pub(super) async fn ca(settings: &Acme, clock: &Arc<dyn Clock>) -> Result<Ca, OrderFault> {
    let roots = match &settings.ca {
        Some(file) => {
            let text = text(file).await?;
            usable(certificates_from_pem(&text).map_err(|error| fault(file, error))?)
        }
        None => of_the_system(),
    };
    let trust = Trust { roots, revocation: settings.revocation, clock: Arc::clone(clock) };
    let directory = settings.directory.as_str().to_owned();
    Ok(Ca::new(directory, trust, settings.email.clone(), eab(settings).await?))
}

async fn eab(settings: &Acme) -> Result<Option<Eab>, OrderFault> {
    let (Some(id), Some(file)) = (&settings.eab_id, &settings.eab_key_file) else {
        return Ok(None);
    };
    let text = text(file).await?;
    let unpadded = text.trim().trim_end_matches('=');
    let key = BASE64URL_NOPAD.decode(unpadded.as_bytes());
    let key = key.map_err(|error| fault(file, format_args!("no base64url: {error}")))?;
    Ok(Some(Eab { id: id.clone(), key: Zeroizing::new(key) }))
}

async fn text(file: &Path) -> Result<Zeroizing<String>, OrderFault> {
    let text = fs::read_to_string(file).await;
    text.map(Zeroizing::new).map_err(|error| fault(file, error))
}

fn fault(file: &Path, why: impl ToString) -> OrderFault {
    OrderFault::File { file: file.to_owned(), why: why.to_string() }
}
