//! The report as JSON.

use std::io::Write;

use serde::Serialize;

use crate::{Report, ReportError};

/// Writes the report as one indented JSON object that ends in a line feed. Its shape is [`Report`]'s.
///
/// Foreign text stands in it as it is, but for what could act on a terminal: that is escaped, as JSON allows.
pub fn json(report: &Report, out: &mut dyn Write) -> Result<(), ReportError> {
    ascii_json(report, out)
}

/// Writes a period in the same way.
pub fn period(period: &crate::period::Period, out: &mut dyn Write) -> Result<(), ReportError> {
    ascii_json(period, out)
}

/// Writes anything as one indented JSON object that ends in a line feed, in the same way.
pub fn ascii_json<T: Serialize>(value: &T, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut out = Ascii(out);
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Escapes what is not ASCII, and DEL. Outside of strings, JSON is ASCII, so this changes no meaning.
pub(crate) struct Ascii<'a>(pub(crate) &'a mut dyn Write);

impl Write for Ascii<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    // Serde writes a string in pieces that end where an ASCII character is escaped: each piece is whole UTF-8.
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let text = std::str::from_utf8(bytes).map_err(std::io::Error::other)?;
        if !text.bytes().any(|b| b >= 0x7f) {
            return self.0.write_all(bytes);
        }
        for c in text.chars() {
            if c < '\u{7f}' {
                self.0.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(self.0, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
