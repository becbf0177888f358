//! What is asked of a gateway and what it answers: plain values, one JSON line each way.
//!
//! The words a person reads are not made here; the command line makes them from these values.
//! Invariant: every listing that can be printed is complete in its answer, so that `--json`
//! prints the answer itself.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::request::Request;
use crate::response::Response;

/// The version of this protocol. A gateway refuses a call of another version, as the binary was
/// replaced while it was running.
pub const VERSION: u32 = 4;

/// One call, as it goes over the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The caller's [`VERSION`].
    pub version: u32,
    /// What is asked.
    pub request: Request,
}

impl Call {
    /// A call of this binary's version.
    pub fn new(request: Request) -> Self {
        Self { version: VERSION, request }
    }
}

/// What a call is answered with.
pub type Reply = Result<Response, Failure>;

#[cfg(test)]
mod tests {
    use names::RevocationReason;

    use super::*;
    use crate::names::DeviceName;

    #[test]
    fn a_call_survives_the_way_over_the_socket() {
        let call = Call::new(Request::DeviceRevoke {
            device: DeviceName::parse("alice/phone").unwrap(),
            reason: RevocationReason::KeyCompromise,
        });
        let line = serde_json::to_string(&call).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Call>(&line).unwrap(), call);
    }
}
