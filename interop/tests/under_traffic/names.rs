//! A name server for one name, whose address changes.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sysio::lab::Host;

/// The name.
pub(crate) const NAME: &str = "vpn.example.test";

/// A name server that answers every question for an IPv4 address with the same one.
pub(crate) struct Zone(Arc<AtomicU32>);

impl Zone {
    /// Serves `first` on port 53 of `at`, as long as this process lives.
    pub(crate) fn serve(host: &Host, at: Ipv4Addr, first: Ipv4Addr) -> Self {
        let socket = host.netns.run(|| UdpSocket::bind((at, 53))).expect("a thread");
        let socket = socket.expect("port 53 is free");
        let address = Arc::new(AtomicU32::new(first.to_bits()));
        let present = Arc::clone(&address);
        std::thread::spawn(move || {
            let mut message = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut message) {
                let address = Ipv4Addr::from_bits(present.load(Ordering::Relaxed));
                // An answer that is lost is asked for again.
                let _ = socket.send_to(&answer(&message[..length], address), from);
            }
        });
        Self(address)
    }

    /// From now on the name has this address.
    pub(crate) fn moves_to(&self, address: Ipv4Addr) {
        self.0.store(address.to_bits(), Ordering::Relaxed);
    }
}

/// The question with an address behind it, if it is one for an IPv4 address.
fn answer(question: &[u8], address: Ipv4Addr) -> Vec<u8> {
    let name = question[12..].iter().position(|byte| *byte == 0).expect("a question");
    let end = 12 + name + 5;
    let is_v4 = question[end - 4..end - 2] == [0, 1];
    let mut answer = question[..end].to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[6..12].copy_from_slice(&[0, is_v4.into(), 0, 0, 0, 0]);
    if is_v4 {
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}
