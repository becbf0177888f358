//! Those who ask: threads with a connection each, which ask about one certificate after the other and look at
//! nothing but whether an answer came.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::house::House;
use crate::manner::Manner;
use crate::servers::Server;

pub(crate) struct Askers<'a> {
    pub(crate) house: &'a House,
    pub(crate) server: &'a Server,
    pub(crate) manner: Manner,
    pub(crate) count: usize,
}

/// What came of it.
pub(crate) struct Asked {
    pub(crate) answers: u64,
    pub(crate) seconds: f64,
}

impl Askers<'_> {
    /// Asks for so long.
    pub(crate) fn ask(&self, time: Duration) -> Result<Asked, Box<dyn Error>> {
        let begun = Instant::now();
        let answers = thread::scope(|scope| -> io::Result<u64> {
            let threads: Vec<_> = (0..self.count)
                .map(|one| scope.spawn(move || self.one(one, begun + time)))
                .collect();
            let mut all = 0;
            for thread in threads {
                let failed = || io::Error::other("an asker panicked");
                all += thread.join().map_err(|_| failed())??;
            }
            Ok(all)
        })?;
        Ok(Asked { answers, seconds: begun.elapsed().as_secs_f64() })
    }

    fn one(&self, one: usize, until: Instant) -> io::Result<u64> {
        let mut answers = 0;
        let mut kept = None;
        while Instant::now() < until {
            let number = one + self.count * answers as usize;
            let nonce = self.manner.has_nonce().then_some(number as u64);
            let request = self.house.request(number, nonce);
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => BufReader::new(TcpStream::connect(self.server.address)?),
            };
            stream.get_mut().write_all(&self.head(&request))?;
            if answer(&mut stream)? && self.manner.stays() {
                kept = Some(stream);
            }
            answers += 1;
        }
        Ok(answers)
    }

    fn head(&self, request: &[u8]) -> Vec<u8> {
        let connection = if self.manner.stays() { "keep-alive" } else { "close" };
        let mut octets = format!(
            "POST {} HTTP/1.1\r\nHost: ca\r\nContent-Type: application/ocsp-request\r\n\
             Connection: {connection}\r\nContent-Length: {}\r\n\r\n",
            self.server.path,
            request.len()
        )
        .into_bytes();
        octets.extend(request);
        octets
    }
}

/// Whether the connection stays.
fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    let (mut length, mut stays, mut line) = (None, true, String::new());
    stream.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        return Err(io::Error::other(format!("no answer: {line:?}")));
    }
    stays &= line.starts_with("HTTP/1.1");
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse::<u64>().ok();
        }
        stays &= header != "connection: close";
    }
    let mut body = Vec::new();
    match length {
        Some(length) => stream.take(length).read_to_end(&mut body)?,
        None => stream.read_to_end(&mut body)?,
    };
    // A SEQUENCE with status `successful` first.
    let succeeded = body.windows(3).take(8).any(|octets| octets == [0x0a, 1, 0]);
    if !succeeded {
        return Err(io::Error::other("the responder did not answer"));
    }
    Ok(stays && length.is_some())
}
