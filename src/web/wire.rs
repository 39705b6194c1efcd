//! A visitor's connection. Who takes no byte of the answer for a while is not served any longer, and who is told something
//! while still sending gets to read it before the connection is gone.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// How long, and for how many bytes, we go on taking in what nobody reads. Closing before that makes the kernel throw away
/// the answer that is on its way (a 413, a 431).
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

pub struct Wire {
    stream: TcpStream,
    /// How long an answer may lie there without a byte of it being taken.
    patience: Duration,
    stuck: Option<Pin<Box<Sleep>>>,
    lingering: Option<Lingering>,
}

struct Lingering {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl Wire {
    pub const fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, stuck: None, lingering: None }
    }

    fn keep_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.keep_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.keep_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.lingering = Some(Lingering { until: Box::pin(sleep(LINGER_TIME)), bytes: 0 });
        }
        let Self { stream, lingering, .. } = &mut *self;
        let Some(Lingering { until, bytes }) = lingering else { return Poll::Ready(Ok(())) };
        let mut scratch = [0; 4096];
        while *bytes < LINGER_BYTES && until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => *bytes += buf.filled().len(),
                // They have hung up as well.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn pair(patience: Duration) -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let visitor = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Wire::new(listener.accept().await.unwrap().0, patience), visitor)
    }

    #[tokio::test]
    async fn who_never_takes_the_answer_is_not_served_any_longer() {
        let (mut wire, mut visitor) = pair(Duration::from_millis(50)).await;
        let endless = vec![b'x'; 64 * 1024 * 1024];
        let refused = wire.write_all(&endless).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        drop(wire);
        let mut taken = Vec::new();
        let _ = visitor.read_to_end(&mut taken).await;
        assert!(!taken.is_empty() && taken.len() < endless.len());
    }

    #[tokio::test]
    async fn who_is_still_sending_gets_to_read_the_answer() {
        let (mut wire, mut visitor) = pair(Duration::from_secs(5)).await;
        visitor.write_all(&[b'x'; 300_000]).await.unwrap();
        wire.write_all(b"too much").await.unwrap();
        let (closed, answer) = tokio::join!(wire.shutdown(), async {
            let mut answer = String::new();
            visitor.read_to_string(&mut answer).await.map(|_| answer)
        });
        closed.unwrap();
        assert_eq!(answer.unwrap(), "too much");
    }
}
