//! Keys of certificates that nobody orders any longer: of servers that are gone, or of another CA than the present one.
//!
//! They stay for a while, since a server may get its name back, and every order counts at a CA. Not here: when it is
//! looked. Invariant: what a server of the present settings would take up stays.

use std::collections::HashSet;
use std::time::Duration;

use clock::Timestamp;
use pki::{certificates_from_pem, leaf_not_after};
use store::{Actor, Secret, Store, StoreError};

/// Has the records forget those that are not `wanted` and whose certificate ended long ago. Tells how many.
pub(super) async fn forget(
    store: &Store,
    wanted: &HashSet<String>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut gone = Vec::new();
    for name in store.secret_names_below(CERTIFICATES).await? {
        if wanted.contains(&name) {
            continue;
        }
        let secret = store.secret_get(&name).await?;
        if secret.is_some_and(|secret| ended(&secret).is_none_or(|at| at.after(STAYS) < now)) {
            gone.push(name);
        }
    }
    gone.sort();
    let count = gone.len();
    if count > 0 {
        store.secrets_forget(&Actor::Gateway, gone).await?;
    }
    Ok(count)
}

/// When the certificate ends that is kept with a key; nothing where what is kept is of no use.
fn ended(secret: &Secret) -> Option<Timestamp> {
    let text = std::str::from_utf8(secret.expose()).ok()?;
    let chain = certificates_from_pem(text).ok()?;
    leaf_not_after(chain.first()?).ok()
}

/// Where they are kept.
pub(super) const CERTIFICATES: &str = "acme/certificate/";
/// After the certificate's end.
const STAYS: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clock::SystemClock;
    use rcgen::{CertificateParams, KeyPair};
    use time::OffsetDateTime;

    use super::*;
    use crate::testing::TempFolder;

    #[tokio::test]
    async fn a_key_goes_a_month_after_its_certificate_has_ended_unless_a_server_wants_it() {
        let folder = TempFolder::new();
        let records = folder.path().join("records.db");
        let store = Store::open(&records, Arc::new(SystemClock)).expect("opened");
        let kept = |text: &str| Secret::new(text.as_bytes().to_vec());
        for name in [place("gone"), place("wanted"), "tls_auth".to_owned()] {
            store.secret_put(&Actor::Gateway, &name, kept(&made())).await.expect("kept");
        }
        let wanted = HashSet::from([place("wanted")]);
        let last = Timestamp::from_unix_secs(END).after(STAYS);
        assert_eq!(forget(&store, &wanted, last).await.expect("looked"), 0);
        let over = last.after(Duration::from_secs(1));
        assert_eq!(forget(&store, &wanted, over).await.expect("forgotten"), 1);
        assert!(store.secret_get(&place("gone")).await.expect("read").is_none());
        assert!(store.secret_get(&place("wanted")).await.expect("read").is_some());
        assert!(store.secret_get("tls_auth").await.expect("read").is_some());
        assert_eq!(forget(&store, &wanted, over).await.expect("looked"), 0);
        assert_eq!(store.audit().await.expect("looked"), []);
    }

    /// A key and its certificate.
    fn made() -> String {
        let key = KeyPair::generate().expect("a key");
        let mut of = CertificateParams::new(vec!["gone.test".into()]).expect("a name");
        of.not_after = OffsetDateTime::from_unix_timestamp(END as i64).expect("a time");
        key.serialize_pem() + &of.self_signed(&key).expect("signed").pem()
    }

    /// 2027-01-01.
    const END: u64 = 1_798_761_600;

    fn place(name: &str) -> String {
        format!("{CERTIFICATES}{name}.test/p256/https://ca.test/directory")
    }
}
