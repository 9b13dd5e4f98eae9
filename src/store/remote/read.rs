//! Reading an object as a stream: a few pieces ahead, and on from where it stood when the line breaks.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::runtime::{Runtime, park_until};
use super::{Body, Got, Remote, Trouble, retry};

/// So many pieces are held at once.
const AHEAD: usize = 4;

/// An object that is being read.
pub(crate) struct Reader {
    pieces: Receiver<Result<Bytes, Trouble>>,
    piece: Bytes,
    ended: bool,
}

impl Reader {
    /// Reads on from an answer; the object itself is named for when the line breaks.
    pub(crate) fn start(
        runtime: &Runtime,
        remote: Arc<dyn Remote>,
        key: String,
        version: Option<String>,
        timeout: Duration,
        body: Box<dyn Body>,
    ) -> Self {
        let (sender, pieces) = channel(AHEAD);
        runtime.spawn(async move {
            if let Err(trouble) = feed(&*remote, &key, version.as_deref(), timeout, body, &sender).await {
                let _ = sender.send(Err(trouble)).await;
            }
        });
        Self { pieces, piece: Bytes::new(), ended: false }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match park_until(self.pieces.recv()) {
                Some(Ok(piece)) => {
                    // An empty piece is the end; silence is not.
                    self.ended = piece.is_empty();
                    self.piece = piece;
                }
                Some(Err(Trouble::Away(reason))) => {
                    return Err(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, reason));
                }
                Some(Err(trouble)) => return Err(std::io::Error::other(trouble.reason())),
                None => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Passes pieces on to whoever reads, until the end or until nobody reads any more.
async fn feed(
    remote: &dyn Remote,
    key: &str,
    version: Option<&str>,
    timeout: Duration,
    mut body: Box<dyn Body>,
    sender: &Sender<Result<Bytes, Trouble>>,
) -> Result<(), Trouble> {
    let mut at = 0;
    let mut attempt = 0;
    loop {
        let next = async { body.next().await.transpose() };
        match retry::once(timeout, next).await {
            Ok(Some(piece)) if piece.is_empty() => {}
            Ok(piece) => {
                let piece = piece.unwrap_or_default();
                at += piece.len() as u64;
                let end = piece.is_empty();
                if sender.send(Ok(piece)).await.is_err() || end {
                    return Ok(());
                }
            }
            Err(Trouble::Away(reason)) => {
                let Some(pause) = retry::pause(attempt, key) else { return Err(Trouble::Away(reason)) };
                attempt += 1;
                tracing::debug!(file = key, at, reason, "the line broke; reading on");
                tokio::time::sleep(pause).await;
                match retry::retry(key, timeout, || remote.get(key, version, at)).await? {
                    Got::Found(rest, _) => body = rest,
                    Got::Missing | Got::Hidden => {
                        return Err(Trouble::Refused("it went away while it was read".to_owned()));
                    }
                }
            }
            Err(trouble) => return Err(trouble),
        }
    }
}
