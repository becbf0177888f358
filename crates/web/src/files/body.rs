//! A part of a file as a body, read a piece at a time.

use std::fs::File;
use std::io::{self, ErrorKind, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

use crate::body::{Body, BodyError};
use crate::limits::FILE_PIECE;
use crate::seats::Seat;

struct FileBody {
    file: tokio::fs::File,
    /// Where to go first.
    seek: Seek,
    left: u64,
    _seat: Seat,
}

enum Seek {
    To(u64),
    Going,
    There,
}

/// The octets of `part`; a file that is shorter by then breaks the answer off.
pub(super) fn part_of(file: File, part: Range<u64>, seat: Seat) -> Body {
    let seek = if part.start == 0 { Seek::There } else { Seek::To(part.start) };
    let file = tokio::fs::File::from_std(file);
    FileBody { file, seek, left: part.end - part.start, _seat: seat }.boxed_unsync()
}

impl FileBody {
    fn poll_there(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Seek::To(start) = self.seek {
            Pin::new(&mut self.file).start_seek(SeekFrom::Start(start))?;
            self.seek = Seek::Going;
        }
        if let Seek::Going = self.seek {
            ready!(Pin::new(&mut self.file).poll_complete(context))?;
            self.seek = Seek::There;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        ready!(self.poll_there(context))?;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(FILE_PIECE);
        let mut piece = vec![0; most];
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
        }
        piece.truncate(read);
        self.left -= read as u64;
        Poll::Ready(Ok(piece.into()))
    }
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(context));
        Poll::Ready(Some(piece.map(Frame::data).map_err(BodyError::File)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
