//! What stands between two sides of one protocol, and what it has to know.

use std::fmt::Debug;
use std::net::SocketAddr;

use crate::doors::Doors;
use crate::fault::Fault;

/// What is said to each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Both {
    /// To the client.
    pub to_client: Vec<u8>,
    /// To the service.
    pub to_service: Vec<u8>,
}

/// Who the client is, for a backend that takes our word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Where it comes from.
    pub source: SocketAddr,
    /// Whose certificate it showed.
    pub login: Option<String>,
}

/// What stands between the two, for one protocol.
pub(crate) trait Between: Debug + Send {
    fn begin(&mut self, _: &mut Both) {}

    fn client_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault>;

    fn service_says(&mut self, octets: &[u8], out: &mut Both) -> Result<(), Fault>;

    fn take_doors(&mut self, _: Box<dyn Doors>) {}

    fn is_settled(&self) -> bool {
        true
    }

    fn is_done(&self) -> bool;
}
