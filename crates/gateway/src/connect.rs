//! How a command reaches a data folder: through the running gateway if there is one, else by owning
//! the folder for as long as the command takes. Same requests, same code, same answers.
//!
//! The lock tells which: a folder whose lock is free has no gateway, whatever socket a dead one
//! left behind.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use admin::failure::{Failure, FailureKind};
use admin::permission::Caller;
use admin::protocol::Reply;
use admin::request::Request;
use clock::Clock;
use tokio::time::sleep;

use crate::control::{Client, Execute, own_user};
use crate::data::{DataDir, DataError, Lock};
use crate::failures::from_data;
use crate::gateway::Gateway;

/// A way to have requests executed.
#[derive(Debug)]
pub struct Admin(Way);

#[derive(Debug)]
enum Way {
    Socket(Client),
    Here(Box<Gateway>, Caller),
}

impl Admin {
    /// Finds the way to `data`. A folder that no first start made is an error.
    pub async fn connect_or_open(data: &DataDir, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        if data.is_empty() {
            return Err(no_folder(data));
        }
        for _ in 0..TRIES {
            match Lock::take(data) {
                Ok(lock) => {
                    let gateway = Gateway::assemble(data.clone(), clock, lock).await?;
                    return Ok(Self(Way::Here(Box::new(gateway), own_user())));
                }
                // Held by others, or not ours to open: then a gateway has to answer.
                Err(error) => match Client::connect(&data.socket()).await {
                    Ok(client) => return Ok(Self(Way::Socket(client))),
                    Err(refused) => give_up_or_wait(data, &error, &refused)?,
                },
            }
            sleep(PAUSE).await;
        }
        let path = data.path().to_owned();
        Err(from_data(&DataError::Busy { path, holder: None })
            .because("it holds the lock, but no gateway answers on the control socket")
            .hint("if it is a gateway that just starts, try again in a moment"))
    }

    /// Whether a running gateway answers.
    pub fn is_remote(&self) -> bool {
        matches!(self.0, Way::Socket(_))
    }

    /// Has a request executed.
    pub async fn call(&mut self, request: Request) -> Reply {
        match &mut self.0 {
            Way::Socket(client) => client.call(request).await,
            Way::Here(gateway, caller) => gateway.execute(caller, request).await,
        }
    }

    /// Gives the folder up, after everything is on the disk.
    pub async fn close(self) {
        if let Way::Here(gateway, _) = self.0 {
            gateway.close().await;
        }
    }
}

/// Whether the owner may still be on its way up or down.
fn give_up_or_wait(data: &DataDir, lock: &DataError, socket: &io::Error) -> Result<(), Failure> {
    match lock {
        DataError::Busy { .. } if socket.kind() == io::ErrorKind::PermissionDenied => {
            Err(forbidden(data, socket))
        }
        DataError::Busy { .. } => Ok(()),
        DataError::Folder { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Err(no_folder(data))
        }
        DataError::Folder { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Err(forbidden(data, socket))
        }
        other => Err(from_data(other)),
    }
}

fn no_folder(data: &DataDir) -> Failure {
    let message = format!("there is no gateway in {}", data.path().display());
    Failure::new(FailureKind::NotFound, message)
        .hint("start it once, which makes CA, keys and settings: handfast up")
        .hint("or name another folder with --data or HANDFAST_DATA")
}

fn forbidden(data: &DataDir, error: &io::Error) -> Failure {
    let message = format!("this user may not command the gateway in {}", data.path().display());
    Failure::new(FailureKind::Forbidden, message)
        .caused_by(error)
        .hint("run as root, or have root add you to the group `handfast`")
}

const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);
