//! One connection to the service, as far as the first octet of it may be sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ask::{Dial, SystemDial};
use clock::Clock;
use pki::standing::Standings;
use pki::{AnchorError, ClockTime, service_client_config};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig};
use starttls::{Protocol, Relay, Upgrade};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use upgrade::{Between, Failed, doors, to_tls_after};

use crate::beside::{Beside, Data};
use crate::pin::Pin;
use crate::reach_error::ReachError;
use crate::secured::Secured;
use crate::standing::{Memory, Revocation};
use crate::target::Target;
use crate::verifier::ServiceVerifier;

/// What has to hold of a service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which.
    pub target: Target,
    /// The CAs that may vouch for it.
    pub cas: Vec<CertificateDer<'static>>,
    /// The one key that it may have.
    pub pin: Option<Pin>,
    /// Our own certificate, shown to a service that asks for one.
    pub identity: Option<Arc<CertifiedKey>>,
    /// What is done about a certificate that may have been revoked.
    pub revocation: Revocation,
}

/// A way to a service, which remembers what CAs said of it.
#[derive(Debug)]
pub struct Uplink {
    settings: Settings,
    memory: Memory,
    clock: Arc<dyn Clock>,
}

/// A service that is the right one.
#[derive(Debug)]
pub struct Reached {
    /// The connection.
    pub stream: Secured,
    /// What was passed over.
    pub warning: Option<String>,
    /// By which protocol's words TLS began, where it did not at once.
    pub begun_by: Option<Protocol>,
    /// The way for connections beside it.
    pub beside: Beside,
    /// The service's greeting, where its protocol needs it later on.
    pub greeting: Vec<u8>,
}

/// A service as a program is to see it that knows nothing of TLS.
#[derive(Debug)]
pub(crate) struct ForProgram {
    pub(crate) stream: Between<Secured>,
    /// What was passed over.
    pub(crate) warning: Option<String>,
    pub(crate) data: Data,
}

impl Uplink {
    /// # Errors
    /// Where the CAs can't be read.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, AnchorError> {
        let memory = Memory::new(settings.cas.clone(), Arc::clone(&clock));
        // What is wrong with them is better said now.
        ServiceVerifier::new(&settings.cas, memory.standings(), settings.pin)?;
        Ok(Self { settings, memory, clock })
    }

    /// The same, and its CA has so long to say whether its certificate was revoked: for who gives less than that time
    /// to the whole.
    #[must_use]
    pub fn asking_for(self, limit: Duration) -> Self {
        Self { memory: self.memory.asking_for(limit), ..self }
    }

    /// Which service it is.
    pub fn target(&self) -> &Target {
        &self.settings.target
    }

    /// A connection to the service, over which nothing has been sent.
    ///
    /// # Errors
    /// Where there is none, or it is not to be used.
    pub async fn reach(&self) -> Result<Reached, ReachError> {
        self.reach_behind(&[]).await
    }

    /// The same behind these octets in the clear, with which a proxy says whose connection it is.
    ///
    /// # Errors
    /// As [`Uplink::reach`].
    pub async fn reach_behind(&self, first: &[u8]) -> Result<Reached, ReachError> {
        let mut stream = self.dial().await?;
        let said = timeout(FOR_A_HANDSHAKE, stream.write_all(first)).await;
        said.map_err(|_| ReachError::Slow)?.map_err(ReachError::HungUp)?;
        self.secure(stream, Vec::new(), &[]).await
    }

    /// A connection to the service's host, over which it may greet, and which is nobody's yet.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn dial(&self) -> Result<TcpStream, ReachError> {
        let target = &self.settings.target;
        let stream = SystemDial.dial(target.host(), target.port()).await;
        let stream = stream.map_err(ReachError::Dial)?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// The service at the other end of such a connection, of which this was heard already. TLS is asked for by `request`,
    /// where that is some client's, which its login is read by.
    ///
    /// # Errors
    /// As [`Uplink::reach`].
    pub async fn secure(
        &self,
        mut stream: TcpStream,
        heard: Vec<u8>,
        request: &[u8],
    ) -> Result<Reached, ReachError> {
        let target = &self.settings.target;
        let standings = self.memory.standings();
        let config = Arc::new(self.config(&standings)?);
        let begun = timeout(FOR_A_HANDSHAKE, begin(target, &mut stream, heard, request)).await;
        let greeting = begun.map_err(|_| ReachError::Slow)??;
        let connecting =
            TlsConnector::from(Arc::clone(&config)).connect(target.name().clone(), stream);
        let stream = match timeout(FOR_A_HANDSHAKE, connecting).await {
            Ok(handshake) => handshake.map_err(ReachError::of)?,
            Err(_) => return Err(ReachError::Slow),
        };
        let settled = self.memory.settle(&standings, self.settings.revocation).await;
        let warning = settled.map_err(ReachError::Unsettled)?;
        let beside = Beside::of(&stream, target.name().clone(), config)?;
        let stream = Secured::new(stream);
        Ok(Reached { stream, warning, begun_by: target.starttls(), beside, greeting })
    }

    fn config(&self, standings: &Arc<Standings>) -> Result<ClientConfig, ReachError> {
        let settings = &self.settings;
        let verifier = ServiceVerifier::new(&settings.cas, Arc::clone(standings), settings.pin)
            .map_err(|_| ReachError::NotTrusted(CertificateError::UnknownIssuer.into()))?;
        let time = Arc::new(ClockTime(Arc::clone(&self.clock)));
        let mut config = service_client_config(verifier, settings.identity.clone(), time)
            .map_err(ReachError::Tls)?;
        if settings.target.starttls() == Some(Protocol::Ftp) {
            config.resumption = Resumption::in_memory_sessions(SESSIONS);
        }
        Ok(config)
    }
}

impl Reached {
    /// The connection as a program is to see it that connected to `local` and knows nothing of TLS.
    pub(crate) fn for_program(self, target: &Target, local: SocketAddr) -> ForProgram {
        let relay = target.starttls().map_or_else(Relay::none, |protocol| {
            Relay::before(protocol, &target.name().to_str(), &self.greeting)
        });
        let (doors, transfers) = doors(local, None);
        let stream = Between::new(self.stream, relay.with_doors(Box::new(doors)));
        ForProgram { stream, warning: self.warning, data: Data::new(self.beside, transfers) }
    }
}

/// Has TLS begin, where the protocol has a way to it, and gives the greeting that is needed later on.
async fn begin(
    target: &Target,
    stream: &mut TcpStream,
    heard: Vec<u8>,
    request: &[u8],
) -> Result<Vec<u8>, ReachError> {
    let Some(protocol) = target.starttls() else { return Ok(Vec::new()) };
    let mut upgrade = Upgrade::client_asking(protocol, &target.name().to_str(), request);
    match to_tls_after(stream, &mut upgrade, heard).await {
        Ok(_) => Ok(upgrade.greeting().to_vec()),
        Err(Failed::Broken(error)) => Err(ReachError::HungUp(error)),
        Err(Failed::Fault(fault)) => Err(ReachError::NoTls(fault)),
    }
}

const FOR_A_HANDSHAKE: Duration = Duration::from_secs(10);
/// Of one control connection.
const SESSIONS: usize = 8;
