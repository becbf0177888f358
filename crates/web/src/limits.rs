//! Bounds for one connection and the requests on it.

use std::time::Duration;

/// What a client may take. The most memory that a connection holds follows: over HTTP/1.1 two buffers of
/// [`Limits::head`], over HTTP/2 [`Limits::streams`] times 128 KiB for answers and 256 KiB for requests' bodies.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of a request's head.
    pub head: usize,
    /// Fields in it, over HTTP/1.1.
    pub fields: usize,
    /// Until a head is there, counted from the end of the request before.
    pub head_time: Duration,
    /// Without a request, over HTTP/2.
    pub idle: Duration,
    /// Between two pieces of a request's body.
    pub body_time: Duration,
    /// Octets of a request's body; bodies are not kept, so by default it may be as long as it likes.
    pub body: Option<u64>,
    /// Until the client takes what was made ready for it.
    pub stall: Duration,
    /// Requests at once, over HTTP/2.
    pub streams: u32,
    /// For requests under way once the connection is to end.
    pub drain: Duration,
    /// Without an octet either way, once the connection carries another protocol.
    pub tunnel_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 32 * 1024,
            fields: 100,
            head_time: Duration::from_secs(15),
            idle: Duration::from_secs(120),
            body_time: Duration::from_secs(30),
            body: None,
            stall: Duration::from_secs(60),
            streams: 100,
            drain: Duration::from_secs(30),
            tunnel_idle: Duration::from_secs(3600),
        }
    }
}
