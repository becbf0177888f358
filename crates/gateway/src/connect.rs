//! How a command reaches a data folder: through the running gateway if there is one, else by owning
//! the folder for as long as the command takes. Same requests, same code, same answers.
//!
//! The lock tells which: a folder whose lock is free has no gateway, whatever socket a dead one
//! left behind.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use admin::permission::Caller;
use admin::protocol::Reply;
use admin::request::Request;
use admin::response::Response;
use clock::Clock;
use store::{FolderLock, LockError};
use tokio::time::sleep;

use crate::control::{Client, Execute, own_user};
use crate::data::DataDir;
use crate::error::GatewayError;
use crate::gateway::Gateway;

/// A way to have requests executed.
#[derive(Debug)]
pub struct Admin(Way);

#[derive(Debug)]
enum Way {
    Socket(Client),
    Here(Box<Gateway>, Caller),
}

/// Why there is no way to a data folder.
#[derive(Debug)]
pub enum ConnectError {
    /// No first start has made it.
    NoGateway(PathBuf),
    /// It belongs to others, and a running gateway does not listen to this user.
    Forbidden {
        /// The folder.
        folder: PathBuf,
        /// What the system said of the control socket.
        source: io::Error,
    },
    /// Its owner holds the lock and answers nobody.
    Silent(LockError),
    /// It can't be used.
    Lock(LockError),
    /// What lies in it can't be opened.
    Open(Box<GatewayError>),
}

impl Admin {
    /// Finds the way to `data`. A folder that no first start made is an error.
    pub async fn connect_or_open(
        data: &DataDir,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectError> {
        if data.is_empty() {
            return Err(ConnectError::NoGateway(data.path().to_owned()));
        }
        for _ in 0..TRIES {
            match FolderLock::take(data.path()) {
                Ok(lock) => {
                    let gateway = Gateway::assemble(data.clone(), clock, lock).await;
                    let gateway = gateway.map_err(|error| ConnectError::Open(Box::new(error)))?;
                    return Ok(Self(Way::Here(Box::new(gateway), own_user())));
                }
                // Held by others, or not ours to open: then a gateway has to answer.
                Err(error) => match Client::connect(&data.socket()).await {
                    Ok(client) => return Ok(Self(Way::Socket(client))),
                    Err(refused) => give_up_or_wait(data, error, refused)?,
                },
            }
            sleep(PAUSE).await;
        }
        let folder = data.path().to_owned();
        Err(ConnectError::Silent(LockError::Held { folder, holder: None }))
    }

    /// Whether a running gateway answers.
    pub fn is_remote(&self) -> bool {
        matches!(self.0, Way::Socket(_))
    }

    /// Has a request executed.
    pub async fn call(&mut self, request: Request) -> Reply {
        match &mut self.0 {
            Way::Socket(client) => client.call(request).await,
            Way::Here(gateway, caller) => gateway.execute(caller, request).await.and_then(on_disk),
        }
    }

    /// Gives the folder up, after everything is on the disk.
    pub async fn close(self) {
        if let Way::Here(gateway, _) = self.0 {
            gateway.close().await;
        }
    }
}

/// A command ends at once, and with it what is in memory alone.
fn on_disk(response: Response) -> Reply {
    let Some(why) = response.held() else { return Ok(response) };
    Err(Failure::new(FailureKind::Environment, "it could not be recorded")
        .because(why)
        .hint("no gateway runs that would hold it in memory: make room on the disk, then repeat"))
}

/// Whether the owner may still be on its way up or down.
fn give_up_or_wait(data: &DataDir, lock: LockError, socket: io::Error) -> Result<(), ConnectError> {
    let folder = data.path().to_owned();
    match &lock {
        LockError::Held { .. } if socket.kind() == io::ErrorKind::PermissionDenied => {
            Err(ConnectError::Forbidden { folder, source: socket })
        }
        LockError::Held { .. } => Ok(()),
        LockError::Unusable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Err(ConnectError::NoGateway(folder))
        }
        LockError::Unusable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Err(ConnectError::Forbidden { folder, source: socket })
        }
        LockError::Unusable { .. } => Err(ConnectError::Lock(lock)),
    }
}

impl Display for ConnectError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGateway(folder) => write!(f, "there is no gateway in {}", folder.display()),
            Self::Forbidden { folder, .. } => {
                write!(f, "this user may not command the gateway in {}", folder.display())
            }
            Self::Silent(error) | Self::Lock(error) => error.fmt(f),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoGateway(_) => None,
            Self::Forbidden { source, .. } => Some(source),
            Self::Silent(error) | Self::Lock(error) => error.source(),
            Self::Open(error) => error.source(),
        }
    }
}

const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);
