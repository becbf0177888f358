//! Lines of bounded length, wiped after use, as they may carry keys.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use zeroize::Zeroizing;

/// Reads up to a line feed; `None` where the other side closed before the first byte.
pub(super) async fn read_line(
    from: &mut (impl AsyncBufRead + Unpin),
    limit: usize,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(FIRST_ROOM));
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = from.take(bound).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => {
            line.pop();
            Ok(Some(line))
        }
        Some(_) if read > limit => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"))
        }
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Enough for most lines, so that growing leaves no copies behind.
const FIRST_ROOM: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_ends_at_its_line_feed() {
        let mut from: &[u8] = b"one\ntwo\n";
        assert_eq!(
            read_line(&mut from, 10).await.expect("read").expect("a line").as_slice(),
            b"one"
        );
        assert_eq!(
            read_line(&mut from, 10).await.expect("read").expect("a line").as_slice(),
            b"two"
        );
        assert!(read_line(&mut from, 10).await.expect("read").is_none());
    }

    #[tokio::test]
    async fn a_line_beyond_the_limit_or_cut_off_is_an_error() {
        let mut long: &[u8] = b"0123456789\n";
        let error = read_line(&mut long, 5).await.expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let mut cut: &[u8] = b"012";
        let error = read_line(&mut cut, 5).await.expect_err("cut off");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
