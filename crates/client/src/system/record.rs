//! What a killed client would leave behind, on record before it is done.
//!
//! Every running client has a folder of its own and a lock on it that the kernel drops with the
//! process; a folder whose lock is free belongs to a dead one. Routes are only touched in the
//! network namespace that they were made in.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sysio::netlink::{Netlink, Route};
use sysio::{FolderLock, LockError, Network};

use super::SystemError;
use crate::Warning;

/// Where records are kept unless the caller chooses another place: one that a reboot clears, as it
/// does routes. Who may not write there is not root, and gets a place of his own.
pub fn default_state_folder() -> PathBuf {
    let usual = PathBuf::from(USUAL_PLACE);
    if fs::create_dir_all(&usual).is_ok_and(|()| is_writable(&usual)) {
        return usual;
    }
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(own) if is_writable(&own) => own.join("handfast/connect"),
        _ => std::env::temp_dir().join(format!("handfast-connect-{}", std::process::id())),
    }
}

fn is_writable(folder: &Path) -> bool {
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
}

/// This client's record.
#[derive(Debug)]
pub(super) struct Record {
    folder: PathBuf,
    content: Content,
    _lock: FolderLock,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    netns: String,
    routes: Vec<Line>,
}

/// A route that does not go with the TUN interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    address: IpAddr,
    bits: u8,
    via: Option<IpAddr>,
    ifindex: Option<u32>,
    metric: Option<u32>,
}

impl Record {
    /// Makes a record, after mending what dead clients left in `state`.
    pub(super) async fn open(
        state: &Path,
        netlink: &Netlink,
    ) -> Result<(Self, Vec<Warning>), SystemError> {
        fs::create_dir_all(state).map_err(|source| failed(state, source))?;
        let mended = mend_all(state, netlink).await;
        let (folder, lock) = own_folder(state)?;
        let content = Content { netns: netns(), routes: Vec::new() };
        Ok((Self { folder, content, _lock: lock }, mended))
    }

    /// Notes a route that is about to be made.
    pub(super) fn add(&mut self, route: &Route) -> Result<(), SystemError> {
        self.content.routes.push(Line::from(route));
        self.write()
    }

    /// Strikes a route that is gone.
    pub(super) fn remove(&mut self, route: &Route) -> Result<(), SystemError> {
        let line = Line::from(route);
        self.content.routes.retain(|other| *other != line);
        self.write()
    }

    /// Whether nothing would be left behind.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.content.routes.is_empty()
    }

    fn write(&self) -> Result<(), SystemError> {
        let path = self.folder.join(FILE);
        let written = serde_json::to_vec(&self.content).map_err(io::Error::from).and_then(|text| {
            let next = self.folder.join(NEXT_FILE);
            fs::write(&next, text)?;
            fs::rename(&next, &path)
        });
        written.map_err(|source| failed(&path, source))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.content.routes.is_empty() {
            // A folder that stays is looked at and removed by the next client.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

pub(super) async fn mend_all(state: &Path, netlink: &Netlink) -> Vec<Warning> {
    let mut mended = Vec::new();
    let folders = fs::read_dir(state).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in folders.filter(|path| path.is_dir() && !is_hidden(path)) {
        if let Ok(_lock) = FolderLock::acquire(&folder) {
            mend(&folder, netlink, &mut mended).await;
        }
    }
    mended
}

/// What lies there for other purposes.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

async fn mend(folder: &Path, netlink: &Netlink, mended: &mut Vec<Warning>) {
    let text = fs::read(folder.join(FILE)).unwrap_or_default();
    let content: Content = serde_json::from_slice(&text).unwrap_or_default();
    if !content.routes.is_empty() && content.netns != netns() {
        return;
    }
    for route in content.routes.iter().filter_map(Line::route) {
        if netlink.route_delete(&route).await.is_ok() {
            mended.push(Warning::Mended(format!("the route to {} is removed", route.destination)));
        }
    }
    // A folder that stays is looked at again next time.
    let _ = fs::remove_dir_all(folder);
}

/// Another client may be looking at the folder in the moment that it is made: then it is gone, and
/// the next one is tried.
fn own_folder(state: &Path) -> Result<(PathBuf, FolderLock), SystemError> {
    let mut number = 0;
    loop {
        let folder = state.join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
        match FolderLock::acquire(&folder) {
            Ok(lock) if folder.join(FILE).exists() => drop(lock),
            Ok(lock) => return Ok((folder, lock)),
            Err(LockError::Io { path, source }) if number >= MOST_TRIES => {
                return Err(failed(&path, source));
            }
            Err(error @ LockError::Held { .. }) if number >= MOST_TRIES => {
                return Err(failed(&folder, io::Error::other(error.to_string())));
            }
            Err(_) => {}
        }
        number += 1;
    }
}

/// Which network namespace this is: routes of another one are none of our business.
fn netns() -> String {
    let name = fs::read_link("/proc/thread-self/ns/net").unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn failed(path: &Path, source: io::Error) -> SystemError {
    SystemError::Record { path: path.to_owned(), source }
}

impl From<&Route> for Line {
    fn from(route: &Route) -> Self {
        Self {
            address: route.destination.address(),
            bits: route.destination.bits(),
            via: route.via,
            ifindex: route.ifindex,
            metric: route.metric,
        }
    }
}

impl Line {
    fn route(&self) -> Option<Route> {
        let destination = Network::new(self.address, self.bits)?;
        let Self { via, ifindex, metric, .. } = *self;
        Some(Route { destination, via, ifindex, metric, source: None })
    }
}

const USUAL_PLACE: &str = "/run/handfast/connect";
const FILE: &str = "undo.json";
const NEXT_FILE: &str = "undo.json.next";
const MOST_TRIES: u32 = 100;
