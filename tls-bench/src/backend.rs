//! The services behind all servers: one answers requests of HTTP/1.1, one pours or takes bytes, as it is told by the
//! first one.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::failed::Failed;

/// Pour.
pub(crate) const DOWN: u8 = b'd';
/// Take.
pub(crate) const UP: u8 = b'u';

/// Serves at these ports until it is killed.
pub(crate) fn serve(http: u16, bulk: u16) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let requests = TcpListener::bind(("127.0.0.1", http)).await?;
        let bytes = TcpListener::bind(("127.0.0.1", bulk)).await?;
        loop {
            tokio::select! {
                Ok((stream, _)) = requests.accept() => drop(tokio::spawn(answer(stream))),
                Ok((stream, _)) = bytes.accept() => drop(tokio::spawn(carry(stream))),
            }
        }
    })
}

/// Requests without a body, one behind the other.
async fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let body = "x".repeat(BODY);
    let whole = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {BODY}\r\n\r\n{body}"
    );
    let (mut buffer, mut filled) = (vec![0; 16 * 1024], 0);
    loop {
        let Ok(read) = stream.read(&mut buffer[filled..]).await else { return };
        filled += read;
        if read == 0 || filled == buffer.len() {
            return;
        }
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(whole.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn carry(mut stream: TcpStream) {
    let mut buffer = vec![7; 64 * 1024];
    match stream.read_u8().await {
        Ok(DOWN) => while stream.write_all(&buffer).await.is_ok() {},
        Ok(UP) => while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {},
        _ => {}
    }
}

/// Of an answer.
const BODY: usize = 1024;
