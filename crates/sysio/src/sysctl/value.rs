//! Reading and writing a kernel setting.

use std::fs;
use std::path::PathBuf;

use super::{Sysctl, SysctlError};

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
