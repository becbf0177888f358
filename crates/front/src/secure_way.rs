//! An HTTP backend that is reached over TLS, for `web`, which knows none.

use std::fmt;
use std::io;

use uplink::Uplink;
use web::{Connecting, Stream, Way};

/// The way, or what it lacks.
pub(crate) struct SecureWay(pub(crate) Result<Uplink, String>);

impl Way for SecureWay {
    fn connect(&self) -> Connecting<'_> {
        Box::pin(async {
            let uplink = self.0.as_ref().map_err(|what| io::Error::other(what.clone()))?;
            let reached = uplink.reach().await.map_err(io::Error::other)?;
            Ok(Box::new(reached.stream) as Box<dyn Stream>)
        })
    }
}

impl fmt::Debug for SecureWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(uplink) => write!(f, "{} over TLS", uplink.target()),
            Err(what) => write!(f, "nowhere: {what}"),
        }
    }
}
