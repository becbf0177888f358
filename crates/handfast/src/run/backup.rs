//! `backup` and `restore`, in words.

use std::path::Path;

use admin::failure::Failure;
use gateway::data::DataDir;
use serde_json::json;

use super::output::Output;
use super::patience::Patience;

pub(crate) fn back_up(data: &Path, json: bool, to: &Path) -> Result<Output, Failure> {
    let patience = Patience::start("copying");
    gateway::backup::back_up(&DataDir::new(data), to)?;
    drop(patience);
    let bytes = to.metadata().map_or(0, |meta| meta.len());
    if json {
        return Ok(Output::json(&json!({ "file": to, "bytes": bytes })));
    }
    Ok(Output::done(format!(
        "wrote {} ({} KiB); the CA's key is in it: who has the file is the CA\n",
        to.display(),
        bytes.div_ceil(1024)
    )))
}

pub(crate) fn restore(data: &Path, json: bool, from: &Path) -> Result<Output, Failure> {
    let patience = Patience::start("restoring");
    gateway::backup::restore(&DataDir::new(data), from)?;
    drop(patience);
    if json {
        return Ok(Output::json(&json!({ "data": data })));
    }
    Ok(Output::done(format!(
        "restored {}; what was revoked after the backup was made would be let in again: revoke it again\n",
        data.display()
    )))
}
