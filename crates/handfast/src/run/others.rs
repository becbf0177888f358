//! Whom a user's name alone leaves in: it means the first device, and somebody may have meant all of them.

use std::path::Path;

use admin::failure::Failure;
use admin::names::DeviceName;
use admin::request::Request;
use admin::response::{DeviceState, Response};
use names::DeviceName as Own;

use super::ask::Line;
use crate::show::words::{count, list};

/// The answer, and a line on the devices that go on.
pub(super) fn ask(data: &Path, request: &Request) -> Result<(Response, String), Failure> {
    let mut line = Line::open(data)?;
    let response = line.ask(request.clone())?;
    let others = first_device(request).and_then(|device| in_use_beside(&mut line, device));
    line.close();
    Ok((response, others.unwrap_or_default()))
}

/// Which device is shut out, where that may have been said by its user's name.
fn first_device(request: &Request) -> Option<&DeviceName> {
    let (Request::DeviceRevoke { device, .. } | Request::DeviceDisable { device }) = request else {
        return None;
    };
    (device.device == Own::default_device()).then_some(device)
}

/// What was asked for is done, whatever comes of this.
fn in_use_beside(line: &mut Line, device: &DeviceName) -> Option<String> {
    let user = Some(device.user.clone());
    let Ok(Response::Devices(all)) = line.ask(Request::DeviceList { user }) else { return None };
    let in_use = all.into_iter().filter(|one| one.state == DeviceState::Active);
    let others: Vec<_> = in_use.map(|one| one.name).filter(|name| name != device).collect();
    let more = match others.len() {
        0 => return None,
        1 => "1 more device".to_owned(),
        many => count(many, "more device"),
    };
    Some(format!("{} has {more} in use: {}\n", device.user, list(&others)))
}
