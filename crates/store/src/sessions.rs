//! What is recorded of sessions: written in batches, kept for a time, and told by no event.

use std::net::{IpAddr, SocketAddr};

use clock::Timestamp;
use names::{DeviceName, UserName};

use crate::ids::DeviceId;
use crate::settings_mark::SettingsMark;

/// A session as it is at a moment, or was at its end. A later note of the same session takes the place of
/// a former one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionNote {
    /// When it was opened, to the millisecond.
    pub opened: Timestamp,
    /// The number that the gateway of that time gave it. With the former it names the session.
    pub number: u64,
    /// Whose it is.
    pub device: DeviceId,
    /// Where it comes from.
    pub source: SocketAddr,
    /// It speaks TCP.
    pub tcp: bool,
    /// Its addresses inside: at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// What the client calls itself.
    pub client: String,
    /// Whether such clients say with which settings their profile was written; what others leave out is no news.
    pub tells_profile: bool,
    /// With which settings its profile was written, where it says so.
    pub profile: Option<SettingsMark>,
    /// The time of this note, to the second.
    pub seen: Timestamp,
    /// Bytes from the client until then, inside the tunnel.
    pub bytes_in: u64,
    /// Bytes to the client until then, inside the tunnel.
    pub bytes_out: u64,
    /// The code of the reason why it ended; none while it is open.
    pub ended: Option<String>,
}

/// A session on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// When it was opened, to the millisecond.
    pub opened: Timestamp,
    /// Its number.
    pub number: u64,
    /// Whose it is.
    pub user: UserName,
    /// Which device's.
    pub device: DeviceName,
    /// Where it came from.
    pub source: SocketAddr,
    /// It spoke TCP.
    pub tcp: bool,
    /// Its addresses inside.
    pub addresses: Vec<IpAddr>,
    /// What the client called itself.
    pub client: String,
    /// Until when this is true: its end, where it ended.
    pub seen: Timestamp,
    /// Bytes from the client, inside the tunnel.
    pub bytes_in: u64,
    /// Bytes to the client, inside the tunnel.
    pub bytes_out: u64,
    /// The code of the reason why it ended; none while it is open.
    pub ended: Option<String>,
}

/// Which sessions are asked for: those for which all of this holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// A user's.
    pub user: Option<UserName>,
    /// The device's of this name.
    pub device: Option<DeviceName>,
    /// Open at that time or later.
    pub since: Timestamp,
    /// Those that had this address inside, or the one that had it at that time.
    pub address: Option<(IpAddr, Option<Timestamp>)>,
    /// At most so many, the newest.
    pub limit: u32,
}
