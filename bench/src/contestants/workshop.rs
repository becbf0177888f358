//! Where the programs are, and a folder for their files that goes with the run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::BenchError;

/// What contestants are made with.
#[derive(Debug)]
pub(crate) struct Workshop {
    handfast: PathBuf,
    sid: Option<PathBuf>,
    folder: PathBuf,
}

impl Workshop {
    /// Makes the folder. Its path is short, since control sockets live in it.
    pub(crate) fn new(handfast: &Path, sid: Option<&Path>) -> Result<Self, BenchError> {
        let handfast = fs::canonicalize(handfast).map_err(BenchError::file(handfast.to_owned()))?;
        let folder = std::env::temp_dir().join(format!("hf-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(BenchError::file(folder.clone()))?;
        Ok(Self { handfast, sid: sid.map(Path::to_owned), folder })
    }

    /// A folder inside, made if it is not there.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, BenchError> {
        let path = self.folder.join(name);
        fs::create_dir_all(&path).map_err(BenchError::file(path.clone()))?;
        Ok(path)
    }

    /// A file inside.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The binary under test.
    pub(crate) fn handfast(&self) -> Command {
        Command::new(&self.handfast)
    }

    /// A program of Debian sid, run by that system's own loader and libraries: the machine's C library
    /// may be older than what it was built for.
    pub(crate) fn sid(&self, program: &str) -> Result<Command, BenchError> {
        let root = self.sid.as_ref().ok_or_else(|| {
            BenchError::Unavailable(format!(
                "{program} of Debian sid is not there: the xtask makes it with debootstrap, as root"
            ))
        })?;
        let binary = ["usr/sbin", "usr/bin"].map(|folder| root.join(folder).join(program));
        let binary = binary.into_iter().find(|path| path.is_file());
        let binary = binary
            .ok_or_else(|| BenchError::Unavailable(format!("{program} is not in the sid root")))?;
        let loader = find(&root.join("usr/lib64"), "ld-linux")
            .or_else(|| find(&root.join("usr/lib"), "ld-linux"))
            .ok_or_else(|| BenchError::Unavailable("the sid root has no loader".to_owned()))?;
        let libraries = find(&root.join("usr/lib"), "-linux-gnu")
            .ok_or_else(|| BenchError::Unavailable("the sid root has no libraries".to_owned()))?;
        let mut command = Command::new(loader);
        command.arg("--library-path").arg(libraries).arg(binary);
        command.env("OPENSSL_CONF", root.join("etc/ssl/openssl.cnf"));
        Ok(command)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // A temporary folder that stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn find(folder: &Path, part: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let named =
        |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().contains(part));
    paths.into_iter().find(named)
}
