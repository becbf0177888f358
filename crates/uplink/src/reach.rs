//! One connection to the service, as far as the first octet of it may be sent.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ask::{Dial, DialError, SystemDial};
use clock::Clock;
use pki::{AnchorError, ClockTime, client_config};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use starttls::{Fault, Protocol, Relay, Upgrade};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use upgrade::{Between, Failed, to_tls};

use crate::pin::Pin;
use crate::secured::Secured;
use crate::standing::{Memory, Revocation, Unsettled};
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
    /// The service's greeting, where its protocol needs it later on.
    greeting: Vec<u8>,
}

/// Why a service is not reached.
#[derive(Debug)]
pub enum ReachError {
    /// Its host is not.
    Dial(DialError),
    /// It did not finish a handshake in time.
    Slow,
    /// It hung up within the handshake, or the connection broke.
    HungUp(io::Error),
    /// It does not come to TLS by its protocol's STARTTLS.
    NoTls(Fault),
    /// It speaks no TLS that we speak.
    Tls(TlsError),
    /// It is not the one that was meant: its certificate is another's, or of no CA that is trusted.
    NotTrusted(TlsError),
    /// Its key is not the pinned one.
    Pin,
    /// It does not take our certificate, or wants one and there is none.
    Refused(AlertDescription),
    /// Its certificate was revoked, or may have been.
    Unsettled(Unsettled),
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
        let settings = &self.settings;
        let standings = self.memory.standings();
        let verifier = ServiceVerifier::new(&settings.cas, Arc::clone(&standings), settings.pin)
            .map_err(|_| ReachError::NotTrusted(CertificateError::UnknownIssuer.into()))?;
        let time = Arc::new(ClockTime(Arc::clone(&self.clock)));
        let mut config =
            client_config(verifier, settings.identity.clone(), time).map_err(ReachError::Tls)?;
        config.enable_sni = true;
        let target = &settings.target;
        let mut stream =
            SystemDial.dial(target.host(), target.port()).await.map_err(ReachError::Dial)?;
        let _ = stream.set_nodelay(true);
        let said = timeout(FOR_A_HANDSHAKE, stream.write_all(first)).await;
        said.map_err(|_| ReachError::Slow)?.map_err(ReachError::HungUp)?;
        let begun = timeout(FOR_A_HANDSHAKE, begin(target, &mut stream)).await;
        let greeting = begun.map_err(|_| ReachError::Slow)??;
        let connecting =
            TlsConnector::from(Arc::new(config)).connect(target.name().clone(), stream);
        let stream = match timeout(FOR_A_HANDSHAKE, connecting).await {
            Ok(handshake) => handshake.map_err(ReachError::of)?,
            Err(_) => return Err(ReachError::Slow),
        };
        let settled = self.memory.settle(&standings, settings.revocation).await;
        let warning = settled.map_err(ReachError::Unsettled)?;
        Ok(Reached { stream: Secured::new(stream), warning, begun_by: target.starttls(), greeting })
    }
}

impl Reached {
    /// The connection as a program is to see it that knows nothing of TLS.
    pub fn for_program(self, target: &Target) -> (Between<Secured>, Option<String>) {
        let relay = target.starttls().map_or_else(Relay::none, |protocol| {
            Relay::before(protocol, &target.name().to_str(), &self.greeting)
        });
        (Between::new(self.stream, relay), self.warning)
    }
}

/// Has TLS begin, where the protocol has a way to it, and gives the greeting that is needed later on.
async fn begin(target: &Target, stream: &mut TcpStream) -> Result<Vec<u8>, ReachError> {
    let Some(protocol) = target.starttls() else { return Ok(Vec::new()) };
    let mut upgrade = Upgrade::client(protocol, &target.name().to_str());
    match to_tls(stream, &mut upgrade).await {
        Ok(_) => Ok(upgrade.greeting().to_vec()),
        Err(Failed::Broken(error)) => Err(ReachError::HungUp(error)),
        Err(Failed::Fault(fault)) => Err(ReachError::NoTls(fault)),
    }
}

impl ReachError {
    /// What a handshake, or a read after it, ended with. With TLS 1.3 a service that refuses us says so only then.
    pub(crate) fn of(error: io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()).cloned();
        match tls {
            Some(TlsError::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            )) => Self::Pin,
            Some(error @ TlsError::InvalidCertificate(_)) => Self::NotTrusted(error),
            Some(TlsError::AlertReceived(alert)) if is_about_us(alert) => Self::Refused(alert),
            Some(error) => Self::Tls(error),
            None => Self::HungUp(error),
        }
    }

    /// What to do.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Dial(_) | Self::Slow | Self::HungUp(_) => {
                "see that the service runs and that nothing between blocks it"
            }
            Self::NoTls(fault) => fault.mend(),
            Self::Tls(_) => "see that the port is one where TLS begins at once",
            Self::NotTrusted(_) => {
                "name its CA with --ca, and the name in its certificate with --name"
            }
            Self::Pin => {
                "if its key was changed on purpose, take the new pin; else somebody is between"
            }
            Self::Refused(_) => {
                "give a certificate that it takes, with --profile or --cert and --key"
            }
            Self::Unsettled(Unsettled::Revoked(_)) => "have a new certificate issued for it",
            Self::Unsettled(Unsettled::NotKnown(_)) => {
                "see that its CA can be asked, or take --revocation=prefer"
            }
        }
    }
}

/// RFC 8446 section 6.2: what a service says of a client's certificate.
fn is_about_us(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

impl fmt::Display for ReachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(f),
            Self::Slow => f.write_str("it did not finish a handshake in time"),
            Self::HungUp(error) => write!(f, "it hung up: {error}"),
            Self::NoTls(fault) => f.write_str(&fault.what()),
            Self::Tls(error) => write!(f, "it speaks no TLS that can be spoken with it: {error}"),
            Self::NotTrusted(error) => write!(f, "it is not trusted: {error}"),
            Self::Pin => f.write_str("its key is not the pinned one"),
            Self::Refused(alert) => {
                write!(
                    f,
                    "it does not take the certificate that it was shown, or wants one: {alert:?}"
                )
            }
            Self::Unsettled(why) => why.fmt(f),
        }
    }
}

impl Error for ReachError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Dial(error) => Some(error),
            Self::HungUp(error) => Some(error),
            Self::Tls(error) | Self::NotTrusted(error) => Some(error),
            Self::Unsettled(error) => Some(error),
            Self::NoTls(fault) => Some(fault),
            Self::Slow | Self::Pin | Self::Refused(_) => None,
        }
    }
}

const FOR_A_HANDSHAKE: Duration = Duration::from_secs(10);
