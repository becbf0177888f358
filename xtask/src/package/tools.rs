//! The programs that make packages, from the registry of crates into the build folder.

use std::path::PathBuf;

use crate::command::run;
use crate::failed::Failed;
use crate::workspace;

/// A folder that has them.
pub(super) struct Tools(PathBuf);

impl Tools {
    /// Those at hand, the others built, which takes minutes.
    pub(super) fn provide() -> Result<Self, Failed> {
        let folder = workspace::target_folder()?.join("tools");
        for (name, version) in PROGRAMS {
            if folder.join("bin").join(name).exists() {
                continue;
            }
            println!("building what makes packages into the build folder: {name}");
            let which = ["--version", version, "--root", &folder.display().to_string()];
            run("cargo", &[&["install", "--locked", "--quiet", name][..], &which].concat())?;
        }
        Ok(Self(folder.join("bin")))
    }

    pub(super) fn run(&self, name: &str, arguments: &[&str]) -> Result<(), Failed> {
        run(&self.0.join(name).display().to_string(), arguments)
    }
}

const PROGRAMS: [(&str, &str); 3] =
    [("cargo-deb", "3.8.0"), ("cargo-generate-rpm", "0.21.1"), ("cargo-cyclonedx", "0.5.9")];
