//! Handshakes that the running gateway tells of itself, as it answers them.

use std::path::Path;

use admin::failure::Failure;
use admin::request::{ExplainTarget, Request};
use admin::response::Response;
use explain::story::Stories;

use super::ask::ask;
use super::output::unexpected;

/// What the running gateway tells of its own handshakes.
pub(super) fn by_gateway(data: &Path, which: ExplainTarget) -> Result<Stories, Failure> {
    let Response::Stories(told) = ask(data, Request::Explain { which })? else {
        return Err(unexpected());
    };
    serde_json::from_value(told.0).map_err(|_| unexpected())
}
