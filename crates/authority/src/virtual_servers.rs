//! The certificates of virtual servers: made and renewed here like the gateway's own, and revoked by their names.
//!
//! A server's certificates stand in the records under its first name, with keys that are kept beside them. One of that
//! name whose key is elsewhere is somebody else's, and stays. Invariant: what is given is recorded, and holds.

use std::sync::Arc;

use clock::Timestamp;
use pki::{KeyType, Profile};
use rustls::sign::CertifiedKey;
use store::{Actor, Certificate, Holder, Secret};

use crate::describe;
use crate::error::AuthorityError;
use crate::issuance::{Issuance, IssueRequest, KeptKey, generate};
use crate::issuer::Signs;
use crate::server_certificates::ServerCertificate;

/// What a virtual server needs a certificate for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VirtualServer {
    /// Its names, in lower case; it is recorded under the first.
    pub names: Vec<String>,
    /// The kind of key.
    pub key: KeyType,
}

/// The certificate of a virtual server.
#[derive(Debug)]
pub struct VirtualServerCertificate(ServerCertificate);

impl VirtualServerCertificate {
    /// With its key.
    pub fn identity(&self) -> &Arc<CertifiedKey> {
        &self.0.identity
    }

    /// When it ends.
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }
}

impl Issuance {
    /// Whether this one serves as it is.
    pub(crate) fn serves_virtually(
        &self,
        server: &VirtualServer,
        certificate: &VirtualServerCertificate,
    ) -> bool {
        self.serves(&certificate.0, &server.names)
    }

    /// A certificate for each of these servers, in their order, made anew where it is missing, revoked, near its end, or
    /// for other names.
    pub(crate) async fn virtual_servers(
        &self,
        servers: &[VirtualServer],
    ) -> Result<Vec<Result<VirtualServerCertificate, AuthorityError>>, AuthorityError> {
        let _one = self.issuing.lock().await;
        let mut recorded = self.store.certificates_of_names().await?;
        recorded.retain(|row| row.revocation.is_none() && row.issued_by == self.own_issuer());
        let mut all = Vec::with_capacity(servers.len());
        for server in servers {
            let former = self.newest_of(server, &recorded).await;
            all.push(match former {
                Ok(former) => self.fresh_virtual(server, former).await,
                Err(error) => Err(error),
            });
        }
        Ok(all)
    }

    async fn fresh_virtual(
        &self,
        server: &VirtualServer,
        former: Option<ServerCertificate>,
    ) -> Result<VirtualServerCertificate, AuthorityError> {
        let former = match former {
            Some(former) if self.serves(&former, &server.names) => {
                return Ok(VirtualServerCertificate(former));
            }
            former => former,
        };
        match (self.make_virtual(server).await, former) {
            // Whatever the error: one that holds serves until its end.
            (Err(error), Some(former)) if self.now() < former.not_after => {
                let name = server.names.first();
                tracing::error!(%error, name, "a virtual server's certificate stays the former one");
                Ok(VirtualServerCertificate(former))
            }
            (made, _) => made.map(VirtualServerCertificate),
        }
    }

    /// The newest that was made here.
    async fn newest_of(
        &self,
        server: &VirtualServer,
        recorded: &[Certificate],
    ) -> Result<Option<ServerCertificate>, AuthorityError> {
        let holder = holder(server);
        let fits = |row: &&Certificate| {
            row.holder == holder && describe::key_type(&row.der) == server.key.name()
        };
        for row in recorded.iter().rev().filter(fits) {
            match self.load_certificate(row).await {
                Err(AuthorityError::KeyMissing { .. }) => {}
                loaded => return loaded.map(Some),
            }
        }
        Ok(None)
    }

    async fn make_virtual(
        &self,
        server: &VirtualServer,
    ) -> Result<ServerCertificate, AuthorityError> {
        let key = generate(server.key).await?;
        let name = server.names.first().map_or("", String::as_str);
        let request = IssueRequest {
            profile: Profile::Server { names: server.names.clone() },
            public_key: key.public_key().clone(),
            subject: format!("CN={name}"),
            holder: holder(server),
            life: self.settings.load().server_life,
            key: KeptKey::Here(Secret::new(key.pkcs8().to_vec())),
            supersedes_within: None,
        };
        let issuers = self.issuers.load_full();
        let issuer = issuers.signing(Signs::Gateway);
        let row = self.sign_and_record(&Actor::Gateway, issuer, request).await?;
        tracing::info!(name, serial = %row.id, "a virtual server has a new certificate");
        ServerCertificate::new(&row, &key, self.crosses(row.issued_by).await?)
    }
}

fn holder(server: &VirtualServer) -> Holder {
    Holder::Other(server.names.first().cloned().unwrap_or_default())
}
