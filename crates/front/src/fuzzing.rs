//! What the explorer and the replay of known inputs run: a stranger's first bytes.

use crate::hello::{Gathering, Step};
use crate::opening::Opening;

/// A function of any octets.
pub type Target = fn(&[u8]);

/// The targets, by name.
pub const TARGETS: [(&str, Target); 2] = [("opening", opening), ("hello", hello)];

/// What was told of some bytes is told of all that begin so, and soon.
pub fn opening(octets: &[u8]) {
    let mut known = Opening::More;
    for end in 0..=octets.len() {
        let told = Opening::of(&octets[..end]);
        match known {
            Opening::More => known = told,
            known => assert_eq!(told, known, "{end} bytes"),
        }
    }
    assert!(known != Opening::More || octets.len() < 32, "it goes on and on");
}

/// A first message is the same in whatever pieces it comes, and no more of it is kept than may be.
pub fn hello(octets: &[u8]) {
    // What stands behind it may end the connection sooner where it comes along.
    let Some(asked) = gathered(octets, octets.len()) else { return };
    for piece in [1, 7] {
        assert_eq!(gathered(octets, piece).as_ref(), Some(&asked), "in pieces of {piece}");
    }
}

/// The name and the protocols that a whole message asks for.
fn gathered(octets: &[u8], piece: usize) -> Option<(Option<String>, Vec<Vec<u8>>)> {
    let mut sent = Vec::new();
    let mut gathering = Gathering::into(&mut sent);
    for bytes in octets.chunks(piece.max(1)) {
        let bytes = &bytes[..bytes.len().min(gathering.room())];
        if bytes.is_empty() {
            return None;
        }
        match gathering.take(bytes) {
            Step::More => {}
            Step::Whole(hello) => {
                assert!(octets.starts_with(&sent));
                return Some((hello.name, hello.alpn));
            }
            Step::No(..) => return None,
        }
    }
    None
}
