//! `evidenced attach`: seals a document that somebody brings as evidence for controls.

use std::fs::{File, Metadata};
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use evidenced_map::Mapping;
use evidenced_model::{AttachedTo, Attachment, ControlId, Digest, LogHead};
use evidenced_report::visible;
use evidenced_seal::SealError;
use evidenced_seal::log::{Draft, EntryKind};
use evidenced_seal::object::{Format as Stored, ObjectWriter, object_path};
use evidenced_seal::statement::Subject;
use evidenced_spool::{Pushed, SpoolError};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Context, attached};
use crate::args::{Attach, Format};
use crate::catalogue;
use crate::clock::SystemClock;
use crate::config::Loaded;
use crate::exit::{Ended, Exit};
use crate::keeper::Keeper;
use crate::lines::Lines;
use crate::sealing;
use crate::state::State;

/// The largest file, in bytes.
const LARGEST: u64 = 2 << 30;
/// The longest name, title and note, in bytes.
const LONGEST: usize = 512;
const LONGEST_NOTE: usize = 8192;

pub(crate) fn run(context: &Context, options: &Attach) -> Result<Exit, Ended> {
    let loaded = context.load()?;
    if options.list {
        return attached::run(context, options, &loaded);
    }
    let (Some(path), Some(by)) = (&options.file, &options.by) else {
        return Err(usage("name a file, and with --by who brings it"));
    };
    let controls = controls(&loaded, &options.control, options.catalog.as_deref())?;
    let valid_from = date("--valid-from", options.valid_from.as_deref())?;
    let valid_until = date("--valid-until", options.valid_until.as_deref())?;
    if let (Some(from), Some(until)) = (valid_from, valid_until)
        && until < from
    {
        return Err(usage(format!("--valid-until {until} is before --valid-from {from}: it would never count")));
    }
    let (mut file, metadata, name) = open(path)?;
    let title = options.title.as_ref().unwrap_or(&name);
    for (option, text, most) in [
        ("--by", by, LONGEST),
        ("--title", title, LONGEST),
        ("--note", options.note.as_ref().unwrap_or(&String::new()), LONGEST_NOTE),
    ] {
        if text.len() > most || (option != "--note" && text.trim().is_empty()) {
            return Err(usage(format!("{option}: expected 1 to {most} bytes of text")));
        }
    }
    let store = super::collect::store(&loaded)?;
    let state = State::open(&loaded)?;
    let (signer, new) = sealing::signer(&loaded)?;
    if new && !context.common.quiet {
        super::collect::announce(&loaded, signer.public_key());
    }
    let runtime = super::collect::runtime()?;
    let (record, subject, pushed, location) = runtime.block_on(async {
        let keeper = Keeper::open(&loaded, &state, store, &*signer, Arc::new(SystemClock))?;
        let bring = |digest: Digest, bytes| Attachment {
            agent: keeper.agent.clone(),
            at: keeper.clock.now(),
            by: by.clone(),
            bytes,
            controls: controls.clone(),
            file: name.clone(),
            media_type: media_type(&name).to_owned(),
            note: options.note.clone(),
            sha256: digest,
            title: title.clone(),
            valid_from,
            valid_until,
        };
        let (record, subject) = tokio::task::block_in_place(|| seal(&keeper, path, (&mut file, &metadata), bring))?;
        Ok::<_, Ended>((record, subject, keeper.push(), keeper.location()))
    })?;
    let today = TimeZone::UTC.to_datetime(record.at).date();
    say(context, &Sealed::new(record, &subject, &pushed, location), today)
}

/// Copies the file into the spool, writes its record, and has both wait for the log.
fn seal(
    keeper: &Keeper<'_>,
    path: &Path,
    (file, metadata): (&mut File, &Metadata),
    bring: impl FnOnce(Digest, u64) -> Attachment,
) -> Result<(Attachment, Subject), Ended> {
    let failed = |error: SpoolError| match error {
        SpoolError::Source { reason } => usage(format!("{} cannot be read to its end: {reason}", path.display())),
        SpoolError::Full { .. } => usage(format!("{error}; the file of {} bytes was not sealed", metadata.len())),
        error => usage(format!("{error}; nothing was sealed")),
    };
    keeper.spool.check_room_for(metadata.len()).map_err(failed)?;
    let mut parcel = keeper.spool.parcel().map_err(failed)?;
    let copied = parcel.copy(file).map_err(failed)?;
    let changed = || usage(format!("{} changed while it was read; attach it again", path.display()));
    let now = file.stream_position().and_then(|_| file.metadata()).map_err(|_| changed())?;
    let same = now.len() == copied.bytes && now.modified().ok() == metadata.modified().ok();
    if !same || copied.bytes != metadata.len() {
        return Err(changed());
    }
    let record = bring(copied.digest, copied.bytes);
    let stored = ObjectWriter::new(&mut parcel).and_then(|mut writer| writer.document(&record));
    let stored = stored.map_err(|error: SealError| failed(error.into()))?;
    let subject = Subject::new(object_path(&stored.digest, Stored::Json), stored.digest);
    let draft = Draft::new(EntryKind::Attachment, None).about(subject.clone());
    keeper.spool.enqueue_parcel(parcel, draft).map_err(failed)?;
    Ok((record, subject))
}

/// Opens the file, if it is one with something in it, and gives its name without folders.
fn open(path: &Path) -> Result<(File, Metadata, String), Ended> {
    let wrong = |what: &str| usage(format!("{}: {what}", visible(&path.display().to_string())));
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong("there is no such file; check the path"),
        _ => wrong(&format!("it cannot be read: {error}")),
    })?;
    if metadata.is_dir() {
        return Err(wrong("it is a folder; attach files one by one, or an archive of them"));
    }
    if !metadata.is_file() {
        return Err(wrong("it is no regular file; save it as one first"));
    }
    if metadata.len() > LARGEST {
        return Err(wrong("it is larger than 2 GiB; attach it in parts"));
    }
    if metadata.len() == 0 {
        return Err(wrong("it is empty, so that it shows nothing"));
    }
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.contains('\\'));
    let name = name.ok_or_else(|| wrong("its name is not UTF-8, or has a backslash in it; rename it first"))?;
    let file = File::open(path).map_err(|error| wrong(&format!("it cannot be read: {error}")))?;
    let metadata = file.metadata().map_err(|error| wrong(&format!("it cannot be read: {error}")))?;
    Ok((file, metadata, name.to_owned()))
}

/// The controls that are meant, sorted: of the named catalogue, or of every one that the config enables.
fn controls(loaded: &Loaded, wanted: &[String], catalog: Option<&str>) -> Result<Vec<AttachedTo>, Ended> {
    let mapping = match catalog {
        None => catalogue::chosen_mapping(loaded)?,
        Some(id) => {
            let all = catalogue::mapping()?;
            let Some(found) = all.catalog(id).map(|catalog| catalog.id.clone()) else {
                let known: Vec<&str> = all.catalogs().iter().map(|catalog| catalog.id.as_str()).collect();
                return Err(usage(format!("--catalog {id}: there is no such catalogue; known: {}", known.join(", "))));
            };
            all.only(&[found]).map_err(|error| usage(error.to_string()))?
        }
    };
    let mut controls = Vec::new();
    for number in wanted {
        let has = mapping.catalogs().iter().filter_map(|catalog| {
            let control = catalog.controls.iter().find(|control| control.id.as_str() == number);
            control.map(|control| AttachedTo { catalog: catalog.id.clone(), control: control.id.clone() })
        });
        let before = controls.len();
        controls.extend(has);
        if controls.len() == before {
            let known: Vec<&str> = mapping.catalogs().iter().map(|catalog| catalog.id.as_str()).collect();
            return Err(usage(format!(
                "--control {number}: no control of {} has that number{}; see `evidenced controls list`",
                known.join(", "),
                suggestion(&mapping, number)
            )));
        }
    }
    controls.sort();
    controls.dedup();
    Ok(controls)
}

/// What somebody may have meant: a number of an old edition, one written otherwise, or the nearest.
fn suggestion(mapping: &Mapping, number: &str) -> String {
    let olds = mapping.crosswalks().iter().map(|crosswalk| (crosswalk, crosswalk.find(number)));
    if let Some((crosswalk, now)) = olds.into_iter().find(|(_, now)| !now.is_empty()) {
        let now: Vec<&str> = now.iter().map(ControlId::as_str).collect();
        return format!("; it is one of {}, and now {}", crosswalk.from, now.join(" and "));
    }
    let upper = number.to_ascii_uppercase();
    let all = || mapping.catalogs().iter().flat_map(|catalog| &catalog.controls).map(|control| control.id.as_str());
    let plain = [format!("A.{upper}"), upper.clone()];
    let meant = all().find(|id| plain.iter().any(|plain| plain == id));
    let near = || {
        let distances = all().map(|id| (strsim::damerau_levenshtein(&upper, id), id));
        distances.filter(|(distance, _)| *distance <= 2).min().map(|(_, id)| id)
    };
    meant.or_else(near).map_or_else(String::new, |id| format!("; did you mean {id}?"))
}

fn date(option: &str, text: Option<&str>) -> Result<Option<Date>, Ended> {
    let Some(text) = text else { return Ok(None) };
    // What is longer, such as a moment, would lose what it says beyond the day.
    let date: Option<Date> = text.parse().ok().filter(|_| text.len() == "2026-01-31".len());
    let wrong = || usage(format!("{option} {text:?} is no date: expected a day such as 2026-01-31"));
    date.map(Some).ok_or_else(wrong)
}

/// What a file is, by the ending of its name. Nobody looks into it.
fn media_type(name: &str) -> &'static str {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "eml" => "message/rfc822",
        "gif" => "image/gif",
        "htm" | "html" => "text/html",
        "jpeg" | "jpg" => "image/jpeg",
        "json" => "application/json",
        "md" => "text/markdown",
        "odp" => "application/vnd.oasis.opendocument.presentation",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "odt" => "application/vnd.oasis.opendocument.text",
        "p7m" => "application/pkcs7-mime",
        "p7s" => "application/pkcs7-signature",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "txt" | "log" => "text/plain",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

/// What was sealed, and how far it came.
#[derive(Debug, Serialize)]
struct Sealed {
    /// SHA-256 of the stored record.
    id: Digest,
    /// The record.
    attachment: Attachment,
    /// Where the file is, or will be.
    object: String,
    /// Where its record is, or will be.
    record: String,
    /// The log entry that names it; `null` while it waits in the spool.
    head: Option<LogHead>,
    /// Why it waits.
    error: Option<String>,
    store: String,
}

impl Sealed {
    fn new(attachment: Attachment, subject: &Subject, pushed: &Pushed, store: String) -> Self {
        let head = pushed.sealed.iter().rfind(|(sealed, _)| sealed == subject).map(|(_, head)| *head);
        let refused = pushed.refused_sealed.iter().rfind(|(sealed, _)| sealed == subject).map(|(_, why)| why.clone());
        let stopped = pushed.stopped.as_ref().map(ToString::to_string);
        Self {
            id: subject.sha256(),
            object: object_path(&attachment.sha256, Stored::Binary),
            record: subject.name.clone(),
            head,
            error: refused.or(stopped).filter(|_| head.is_none()),
            attachment,
            store,
        }
    }
}

fn say(context: &Context, sealed: &Sealed, today: Date) -> Result<Exit, Ended> {
    let mut lines = Lines::new();
    if context.common.format == Format::Json {
        lines.json(sealed)?;
    } else {
        let Attachment { bytes, file, sha256, media_type, .. } = &sealed.attachment;
        let (title, numbers) = (visible(&sealed.attachment.title), attached::numbers(&sealed.attachment));
        lines.text(format!("{title}: evidence for {numbers}{}", attached::validity(&sealed.attachment, today)))?;
        lines.text(format!("file      {} ({bytes} bytes, {media_type})", visible(file)))?;
        lines.text(format!("SHA-256   {sha256}"))?;
        lines.text(format!("record    {}", sealed.id))?;
        match &sealed.head {
            Some(head) => lines.text(format!("log head  {head}"))?,
            None => lines.text("log head  none yet: it is kept in the spool")?,
        }
    }
    lines.finish()?;
    if sealed.head.is_some() {
        return Ok(Exit::Done);
    }
    let why = sealed.error.as_deref().unwrap_or("something before it could not be sent");
    let _ = writeln!(
        std::io::stderr(),
        "evidenced: it is kept in the spool ({}); the next run sends it, or `evidenced spool push`",
        visible(why)
    );
    Ok(Exit::Spooled)
}

fn usage(message: impl Into<String>) -> Ended {
    Ended::new(Exit::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_may_have_meant_is_told() {
        let mapping = catalogue::mapping().unwrap();
        for (wrong, hint) in [
            ("6.3", "did you mean A.6.3?"),
            ("a.6.3", "did you mean A.6.3?"),
            ("A.6,3", "did you mean A.6.3?"),
            ("A.9.2.3", "one of iso27001-2013, and now"),
            ("nonsense", ""),
        ] {
            let said = suggestion(&mapping, wrong);
            assert!(said.contains(hint) && said.is_empty() == hint.is_empty(), "{wrong}: {said}");
        }
    }

    #[test]
    fn days_are_days() {
        assert_eq!(date("--valid-from", None).unwrap(), None);
        assert_eq!(date("x", Some("2028-02-29")).unwrap(), Some(jiff::civil::date(2028, 2, 29)));
        for wrong in ["", "2026-02-29", "2026-1-1", "tomorrow", "2026-01-31T12:00:00Z", "20260131"] {
            let said = date("--valid-from", Some(wrong)).unwrap_err();
            assert!(said.message.contains("--valid-from") && said.message.contains("2026-01-31"), "{}", said.message);
        }
    }

    #[test]
    fn the_ending_says_what_a_file_is() {
        assert_eq!(media_type("Training.PDF"), "application/pdf");
        assert_eq!(media_type("minutes"), "application/octet-stream");
        assert_eq!(media_type(".pdf"), "application/octet-stream");
    }
}
