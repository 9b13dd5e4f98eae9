//! What people declared and brought, as the log says: waivers, exclusions, owners, attached documents.

use evidenced_isms::Isms;
use evidenced_model::{Attachment, Digest};
use evidenced_report::period::{AttachmentPeriod, Declared, DeclaredWaiver, PeriodBuilder};
use evidenced_seal::log::EntryKind;
use evidenced_seal::object::ObjectReader;
use jiff::tz::TimeZone;

use super::Asked;
use super::log::AgentLog;
use crate::exit::Ended;
use crate::opened::failed;

/// Tells the period what an agent's log says of it. What a pack withholds, or cannot be read, is told as such.
pub(super) fn tell(
    objects: ObjectReader<'_>,
    log: &mut AgentLog,
    asked: &Asked<'_>,
    builder: &mut PeriodBuilder,
) -> Result<(), Ended> {
    let mut last: Option<Digest> = None;
    let mut withheld = 0_u64;
    for (kind, at, subject) in std::mem::take(&mut log.sealed) {
        let about = subject.name.starts_with("v1/objects/").then(|| subject.sha256());
        if kind == EntryKind::Attachment {
            let Some(digest) = about else { continue };
            let record: Attachment = match objects.document(&digest, "the log") {
                Err(evidenced_seal::SealError::Withheld { .. }) => {
                    withheld += 1;
                    continue;
                }
                read => read.map_err(failed)?,
            };
            builder.attachment(attached(digest, record, asked));
            continue;
        }
        // Several entries tell of one change.
        if last.is_some() && last == about {
            continue;
        }
        last = about;
        let declared = match about {
            // Nothing is declared any more.
            None => {
                log.isms = None;
                Declared::default()
            }
            Some(digest) => match objects.document::<Isms>(&digest, "the log") {
                Err(evidenced_seal::SealError::Withheld { .. }) => {
                    withheld += 1;
                    continue;
                }
                read => declared(log.isms.insert(read.map_err(failed)?)),
            },
        };
        builder.declare(&log.agent, at, declared);
    }
    if withheld > 0 {
        builder.caution(format!(
            "this is a pack: {withheld} attachments and changes of waivers in the log of {} are withheld; who approved a \
             waiver, and what is attached, may be missing here",
            log.agent
        ));
    }
    Ok(())
}

fn attached(id: Digest, record: Attachment, asked: &Asked<'_>) -> AttachmentPeriod {
    let end = asked.to.min(asked.now);
    let today = TimeZone::UTC.to_datetime(end).date();
    AttachmentPeriod {
        id,
        expired: record.is_over(today),
        controls: record.controls.into_iter().map(|one| (one.catalog, one.control)).collect(),
        title: record.title,
        file: record.file,
        sha256: record.sha256,
        bytes: record.bytes,
        by: record.by,
        at: record.at,
        valid_until: record.valid_until.map(|date| date.to_string()),
    }
}

fn declared(isms: &Isms) -> Declared {
    let waivers = isms.waivers().iter().map(|waiver| {
        let declared = DeclaredWaiver {
            approved_by: waiver.approved_by.clone(),
            reason: waiver.reason.clone(),
            ticket: waiver.ticket.clone(),
            expires: waiver.expires,
        };
        (waiver.id.clone(), declared)
    });
    let mut out = Declared { waivers: waivers.collect(), ..Declared::default() };
    for (catalog, control, statement) in isms.statements() {
        let key = (catalog.clone(), control.clone());
        if let Some(why) = isms.excluded(catalog, control) {
            out.excluded.insert(key.clone(), why.to_owned());
        }
        if let Some(owner) = &statement.owner {
            out.owners.insert(key, owner.clone());
        }
    }
    out
}
