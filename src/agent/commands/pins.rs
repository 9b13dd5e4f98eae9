//! `--key FILE[@FROM..TO]`: public keys that are pinned, each for its time.

use std::path::Path;

use evidenced_seal::{PublicKey, PublicKeys, Validity};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::exit::{Ended, Exit};

/// Reads the files.
pub(crate) fn read(pins: &[String]) -> Result<PublicKeys, Ended> {
    let mut keys = PublicKeys::default();
    for pin in pins {
        let (file, validity) = split(pin)?;
        let key = PublicKey::open(Path::new(file)).map_err(|error| usage(error.to_string()))?;
        let id = key.id();
        if !keys.pin(key, validity) {
            return Err(usage(format!("--key {pin}: the key {id} is named twice; name it once, with one window")));
        }
    }
    Ok(keys)
}

/// The file, and when its key is believed. A file's own name may hold an `@`.
fn split(pin: &str) -> Result<(&str, Validity), Ended> {
    let Some((file, window)) = pin.rsplit_once('@').filter(|(_, window)| window.contains("..")) else {
        return Ok((pin, Validity::default()));
    };
    let (from, until) = window.split_once("..").unwrap_or_default();
    let end = |text: &str, last: bool| match text {
        "" => Ok(None),
        text => moment(text, last).map(Some).ok_or_else(|| {
            let shape =
                "expected FILE@FROM..TO, with dates (2026-01-31) or times (2026-01-31T12:00:00Z), each optional";
            usage(format!("--key {pin}: {text:?} is no date: {shape}"))
        }),
    };
    let validity = Validity { from: end(from, false)?, until: end(until, true)? };
    if let (Some(from), Some(until)) = (validity.from, validity.until)
        && from >= until
    {
        return Err(usage(format!("--key {pin}: its window ends before it begins")));
    }
    Ok((file, validity))
}

/// A moment; of a date its beginning, or the beginning of the next one.
pub(crate) fn moment(text: &str, after: bool) -> Option<Timestamp> {
    let of_day = |date: Date| {
        let date = if after { date.tomorrow().ok()? } else { date };
        TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
    };
    text.parse::<Timestamp>().ok().or_else(|| text.parse::<Date>().ok().and_then(of_day))
}

fn usage(message: String) -> Ended {
    Ended::new(Exit::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_open_ends() {
        let window = |pin| split(pin).map(|(file, validity)| (file, validity.to_string())).map_err(|e| e.message);
        let shown = |pin, file, text: &str| assert_eq!(window(pin), Ok((file, text.to_owned())), "{pin}");
        shown("a.pem", "a.pem", "at any time");
        shown("a@b.pem", "a@b.pem", "at any time");
        shown("a.pem@..", "a.pem", "at any time");
        shown("a.pem@2026-01-31..", "a.pem", "from 2026-01-31T00:00:00Z on");
        shown("a.pem@..2026-01-31", "a.pem", "until 2026-02-01T00:00:00Z");
        shown(
            "a.pem@2026-01-01T10:00:00Z..2026-01-31",
            "a.pem",
            "from 2026-01-01T10:00:00Z until 2026-02-01T00:00:00Z",
        );
        for (pin, word) in [("a.pem@x..", "no date"), ("a.pem@2026-02-01..2026-01-01", "before it begins")] {
            assert!(window(pin).unwrap_err().contains(word), "{pin}");
        }
    }
}
