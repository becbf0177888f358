//! Bounds for one connection and the requests on it, the sizes of all buffers, and the memory that follows.

use std::time::Duration;

use crate::connection::Http;

/// What a client may take. What can't be kept to counts as the nearest that can: no head can be held below 8 KiB,
/// since hyper reads that much at once, and no time lasts longer than ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a request's head.
    pub head: usize,
    /// Fields in it, over HTTP/1.1.
    pub fields: usize,
    /// Until a head is there, counted from the end of the request before.
    pub head_time: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Between two pieces of a request's body; for all of one that a handler reads.
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

impl Limits {
    /// The most memory that a connection takes for what is on its way: all its requests go to backends, nobody reads,
    /// and all are written to. Files, tunnels and answers from memory take less. Not in it are TLS, the bodies that
    /// handlers read, and what it costs to keep many small pieces apart.
    pub fn memory(&self, http: Http) -> usize {
        let Self { head, streams, .. } = self.kept();
        let (to_backend, from_backend) = (BACKEND_BUFFER + FRAME, BACKEND_BUFFER);
        let request = head + to_backend + from_backend;
        match http {
            Http::One => 2 * head + BACKEND_BUFFER + request,
            Http::Two => {
                let streams = usize::try_from(streams).unwrap_or(usize::MAX);
                streams
                    .saturating_mul(request + SEND_BUFFER)
                    .saturating_add(CONNECTION_WINDOW as usize)
            }
        }
    }

    pub(crate) fn kept(&self) -> Self {
        let head = self.head.clamp(LEAST_HEAD, MOST_HEAD);
        Self {
            head,
            fields: self.fields.min(MOST_FIELDS),
            head_time: endurable(self.head_time),
            idle: endurable(self.idle),
            body_time: endurable(self.body_time),
            body: self.body,
            stall: endurable(self.stall),
            streams: self.streams,
            drain: endurable(self.drain),
            tunnel_idle: endurable(self.tunnel_idle),
        }
    }
}

/// A time that any clock can be set forward by.
pub(crate) fn endurable(time: Duration) -> Duration {
    time.min(TEN_YEARS)
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

/// Of a stream's answer, over HTTP/2.
pub(crate) const SEND_BUFFER: usize = 128 * 1024;
/// Of a stream's request, likewise.
pub(crate) const WINDOW: u32 = 64 * 1024;
/// Of all of them together.
pub(crate) const CONNECTION_WINDOW: u32 = 256 * 1024;
/// From a backend, its head among it, and as much to it.
pub(crate) const BACKEND_BUFFER: usize = 64 * 1024;
/// The longest frame that clients send over HTTP/2.
const FRAME: usize = 16 * 1024;
/// Each way, where another protocol is carried.
pub(crate) const TUNNEL_BUFFER: usize = 16 * 1024;
/// Of a file at once, and once more on its way from the disk.
pub(crate) const FILE_PIECE: usize = 32 * 1024;

/// hyper panics below it.
const LEAST_HEAD: usize = 8 * 1024;
const MOST_HEAD: usize = 16 * 1024 * 1024;
/// hyper panics for more than a map of fields can have.
const MOST_FIELDS: usize = 16 * 1024;
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_connection_is_what_the_manual_says() {
        let limits = Limits::default();
        assert_eq!(limits.memory(Http::One) / 1024, 304);
        assert_eq!(limits.memory(Http::Two) / 1024, 30_656);
    }

    #[test]
    fn limits_that_can_be_kept_to_are_kept() {
        assert_eq!(Limits::default().kept(), Limits::default());
    }
}
