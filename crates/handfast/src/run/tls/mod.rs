//! `handfast tls`: the client's side of TLS, and a look at servers.

mod connect;
mod faults;
mod identity;
mod look;
mod test;

use std::path::Path;

use admin::failure::Failure;

use super::output::Output;

use crate::args::order::TlsOrder;
pub(in crate::run) use faults::{Fault, faults};
pub(in crate::run) use identity::identity_of;
pub(in crate::run) use look::question;
pub(in crate::run) use test::{anchors, dates, judge, staple};

pub(super) fn run(data: &Path, json: bool, order: TlsOrder) -> Result<Output, Failure> {
    match order {
        TlsOrder::Connect(order) => connect::run(data, json, order),
        TlsOrder::Test(order) => test::run(data, json, &order),
    }
}
