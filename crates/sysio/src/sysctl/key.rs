//! The kernel settings that are changed, and no others.

use std::fmt::{self, Display};
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SysctlError;

/// A kernel setting of the calling thread's network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sysctl {
    /// Forward IPv4 packets.
    Ipv4Forward,
    /// Forward IPv6 packets, on all interfaces.
    Ipv6Forward,
    /// Heed IPv6 router advertisements on an interface: 0 never, 1 unless forwarding, 2 always.
    AcceptRouterAdvertisements(String),
}

impl Sysctl {
    /// The present value.
    pub fn read(&self) -> Result<String, SysctlError> {
        let value = fs::read_to_string(self.path()?);
        Ok(value.map_err(|error| SysctlError::new(self, error))?.trim().to_owned())
    }

    pub(super) fn write(&self, value: &str) -> Result<(), SysctlError> {
        fs::write(self.path()?, value).map_err(|error| SysctlError::new(self, error))
    }

    fn path(&self) -> Result<PathBuf, SysctlError> {
        // Records are read back from disk, so that names are checked here and not at the making.
        if let Self::AcceptRouterAdvertisements(interface) = self
            && !crate::interface::is_name(interface)
        {
            return Err(SysctlError::new(self, std::io::ErrorKind::InvalidInput.into()));
        }
        Ok(PathBuf::from("/proc/sys").join(self.to_string()))
    }
}

impl Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4Forward => f.write_str("net/ipv4/ip_forward"),
            Self::Ipv6Forward => f.write_str("net/ipv6/conf/all/forwarding"),
            Self::AcceptRouterAdvertisements(interface) => {
                write!(f, "net/ipv6/conf/{interface}/accept_ra")
            }
        }
    }
}
