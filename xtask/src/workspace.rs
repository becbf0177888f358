//! What cargo knows of the workspace: its crates and its build folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failed::Failed;

/// A crate of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// From the workspace's root.
    pub(crate) folder: PathBuf,
    /// As cargo lists them.
    pub(crate) dependencies: Vec<Value>,
}

/// Every crate of the workspace.
pub(crate) fn packages() -> Result<Vec<Package>, Failed> {
    let metadata = metadata()?;
    let root = Path::new(metadata["workspace_root"].as_str().unwrap_or_default());
    let listed = metadata["packages"].as_array().into_iter().flatten();
    Ok(listed.map(|listed| package(listed, root)).collect())
}

/// The workspace's own folder.
pub(crate) fn root() -> Result<PathBuf, Failed> {
    let metadata = metadata()?;
    let folder = metadata["workspace_root"].as_str();
    folder
        .map(PathBuf::from)
        .ok_or_else(|| Failed::new("cargo metadata names no workspace".to_owned()))
}

/// Where cargo builds.
pub(crate) fn target_folder() -> Result<PathBuf, Failed> {
    let metadata = metadata()?;
    let folder = metadata["target_directory"].as_str();
    folder
        .map(PathBuf::from)
        .ok_or_else(|| Failed::new("cargo metadata names no folder".to_owned()))
}

fn package(listed: &Value, root: &Path) -> Package {
    let manifest = Path::new(listed["manifest_path"].as_str().unwrap_or_default());
    let folder = manifest.parent().unwrap_or(manifest);
    Package {
        name: listed["name"].as_str().unwrap_or_default().to_owned(),
        folder: folder.strip_prefix(root).unwrap_or(folder).to_owned(),
        dependencies: listed["dependencies"].as_array().cloned().unwrap_or_default(),
    }
}

fn metadata() -> Result<Value, Failed> {
    let listed = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .map_err(|e| Failed::new(format!("cargo metadata did not start: {e}")))?;
    serde_json::from_slice(&listed.stdout)
        .map_err(|e| Failed::new(format!("cargo metadata printed no JSON: {e}")))
}
