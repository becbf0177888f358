//! Certificates by a name: of servers, and of whatever else under the CA is no device of a user.
//!
//! Their keys are made where they are used, and only their public halves come here. The gateway's reserved name is
//! refused by the profiles (`pki`).

use std::time::Duration;

use pki::{Csr, KeyFamily, Profile};
use store::{Actor, CertificateName, Holder};

use crate::error::AuthorityError;
use crate::issuance::{DAY, Issuance, IssueRequest, KeptKey};
use crate::issuer::Signs;
use crate::not_in_profile::NotInProfile;
use crate::settings::NamedProfile;

/// What such a certificate is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// To be reached.
    Server,
    /// To reach others.
    Client,
    /// Both.
    Peer,
}

impl Usage {
    /// As the settings call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Peer => "peer",
        }
    }
}

/// A certificate that is wanted under a name.
#[derive(Clone, Debug)]
pub struct NamedRequest {
    /// The name, which is a server's first host name.
    pub name: CertificateName,
    /// What for.
    pub usage: Usage,
    /// Further host names and addresses of a server.
    pub hosts: Vec<String>,
    /// How long it is to live; as the settings say where nothing is said.
    pub days: Option<u32>,
    /// The key.
    pub csr: Csr,
    /// Whether it was made elsewhere, by somebody who gave us the CSR.
    pub elsewhere: bool,
}

impl Issuance {
    pub(crate) async fn issue_named(
        &self,
        actor: &Actor,
        request: NamedRequest,
        supersedes_within: Option<Duration>,
    ) -> Result<store::Certificate, AuthorityError> {
        let NamedRequest { name, usage, hosts, days, csr, elsewhere } = request;
        let settings = self.settings.load_full();
        let days = days.unwrap_or(settings.named.days);
        let profile = match usage {
            Usage::Server => Profile::Server { names: all(&name, hosts) },
            Usage::Client => Profile::Client { name: name.to_string() },
            Usage::Peer => Profile::Peer { names: all(&name, hosts) },
        };
        settings.named.allows_usage(usage)?;
        settings.named.allows(&profile, days, csr.public_key().family())?;
        let request = IssueRequest {
            profile,
            public_key: csr.public_key().clone(),
            subject: format!("CN={name}"),
            holder: Holder::Other(name.to_string()),
            life: DAY * days,
            key: if elsewhere { KeptKey::AtTheHolder } else { KeptKey::HandedOut },
            supersedes_within,
        };
        let issuers = self.issuers.load_full();
        self.sign_and_record(actor, issuers.signing(Signs::Devices), request).await
    }
}

impl NamedProfile {
    /// Whether certificates may be for this at all.
    fn allows_usage(&self, usage: Usage) -> Result<(), NotInProfile> {
        let (wanted, allowed) = (usage.word(), &self.usages);
        match allowed.iter().any(|word| word == wanted) {
            true => Ok(()),
            false => Err(NotInProfile::Usage { wanted, allowed: allowed.clone() }),
        }
    }

    /// Whether such a certificate may be made.
    fn allows(&self, profile: &Profile, days: u32, key: KeyFamily) -> Result<(), NotInProfile> {
        if !(1..=self.days).contains(&days) {
            return Err(NotInProfile::Days { wanted: days, most: self.days });
        }
        if !self.keys.iter().any(|kind| kind == word(key)) {
            return Err(NotInProfile::Key { kind: word(key), allowed: self.keys.clone() });
        }
        let (Profile::Server { names } | Profile::Peer { names }) = profile else { return Ok(()) };
        match names.iter().find(|name| !self.has_domain(name)) {
            None => Ok(()),
            Some(name) => {
                Err(NotInProfile::Domain { name: name.clone(), allowed: self.domains.clone() })
            }
        }
    }

    fn has_domain(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let holds = |domain: &String| {
            let domain = domain.to_ascii_lowercase();
            name.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.domains.is_empty() || self.domains.iter().any(holds)
    }
}

fn word(key: KeyFamily) -> &'static str {
    match key {
        KeyFamily::Rsa(_) => "rsa",
        KeyFamily::P256 => "p256",
        KeyFamily::P384 => "p384",
        KeyFamily::Ed25519 => "ed25519",
    }
}

/// The name first, each once.
fn all(name: &CertificateName, hosts: Vec<String>) -> Vec<String> {
    let mut all = vec![name.to_string()];
    for host in hosts {
        if !all.iter().any(|known| known.eq_ignore_ascii_case(&host)) {
            all.push(host);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_a_domain_are_in_it_and_names_that_only_end_alike_are_not() {
        let domains = vec!["example.org".to_owned(), "192.0.2.1".to_owned()];
        let (keys, usages) = (vec!["p256".to_owned()], vec!["server".to_owned()]);
        let profile = NamedProfile { days: 90, keys, domains, usages };
        let allows = |name: &str, days, key| {
            profile.allows(&Profile::Server { names: vec![name.to_owned()] }, days, key)
        };
        for name in ["example.org", "WWW.example.org", "*.example.org", "192.0.2.1"] {
            assert_eq!(allows(name, 90, KeyFamily::P256), Ok(()), "{name}");
        }
        for name in ["badexample.org", "example.org.evil.net", "192.0.2.12"] {
            let refused = allows(name, 90, KeyFamily::P256);
            assert!(matches!(refused, Err(NotInProfile::Domain { .. })), "{name}");
        }
        let long = allows("example.org", 91, KeyFamily::P256);
        assert_eq!(long, Err(NotInProfile::Days { wanted: 91, most: 90 }));
        let rsa = allows("example.org", 90, KeyFamily::Rsa(2048));
        assert!(matches!(rsa, Err(NotInProfile::Key { kind: "rsa", .. })));
        let client = Profile::Client { name: "backup".to_owned() };
        assert_eq!(profile.allows(&client, 1, KeyFamily::P256), Ok(()), "it has no host's name");
        assert_eq!(profile.allows_usage(Usage::Server), Ok(()));
        let peer = profile.allows_usage(Usage::Peer);
        assert!(matches!(peer, Err(NotInProfile::Usage { wanted: "peer", .. })));
        let names = vec!["elsewhere.net".to_owned()];
        let elsewhere = profile.allows(&Profile::Peer { names }, 1, KeyFamily::P256);
        assert!(matches!(elsewhere, Err(NotInProfile::Domain { .. })));
    }

    #[test]
    fn a_servers_name_is_its_first_host_and_none_is_there_twice() {
        let name = CertificateName::new("www.example.org").expect("a name");
        let hosts = ["WWW.example.org", "192.0.2.1"].map(str::to_owned).to_vec();
        assert_eq!(all(&name, hosts), ["www.example.org", "192.0.2.1"]);
    }
}
