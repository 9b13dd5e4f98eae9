//! Results on standard output; a reader who has gone away is no error.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::exit::{Ended, Exit};

/// Standard output, buffered.
pub(crate) struct Lines {
    out: io::BufWriter<io::Stdout>,
    gone: bool,
}

impl Lines {
    /// Standard output.
    pub(crate) fn new() -> Self {
        Self { out: io::BufWriter::with_capacity(64 * 1024, io::stdout()), gone: false }
    }

    /// One line of text.
    pub(crate) fn text(&mut self, line: impl AsRef<str>) -> Result<(), Ended> {
        self.write(line.as_ref().as_bytes())?;
        self.write(b"\n")
    }

    /// One JSON object a line, members in the order of the type.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Ended> {
        let mut line = serde_json::to_vec(value).map_err(|error| Ended::new(Exit::Usage, error.to_string()))?;
        line.push(b'\n');
        self.write(&line)
    }

    /// Bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        let written = self.out.write_all(bytes);
        self.settle(written)
    }

    /// Whether the reader has gone away, so that nothing more need be made for him.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Hands everything over.
    pub(crate) fn finish(mut self) -> Result<(), Ended> {
        let flushed = self.out.flush();
        self.settle(flushed)
    }

    fn settle(&mut self, result: io::Result<()>) -> Result<(), Ended> {
        match result {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            Err(error) => Err(Ended::new(Exit::Usage, format!("standard output cannot be written: {error}"))),
        }
    }
}
