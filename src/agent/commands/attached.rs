//! `evidenced attach --list`: what people brought, and until when it counts.

use evidenced_model::{AgentId, Archive, Attachment, Digest, LogHead};
use evidenced_report::visible;
use evidenced_seal::SealError;
use evidenced_seal::history::{Logged, entries_from};
use evidenced_seal::log::EntryKind;
use evidenced_seal::object::ObjectReader;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::Context;
use crate::args::{Attach, Format};
use crate::config::Loaded;
use crate::exit::{Ended, Exit};
use crate::lines::Lines;
use crate::opened::failed;

/// An attachment as its log entry names it.
#[derive(Debug, Serialize)]
struct Listed {
    /// SHA-256 of the stored record.
    id: Digest,
    agent: AgentId,
    /// The log entry.
    entry: LogHead,
    state: State,
    /// The record; `null` if a pack does not show it.
    attachment: Option<Attachment>,
}

/// Whether it counts today (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    InForce,
    NotYet,
    Expired,
    /// A pack does not show it, so that nobody can tell.
    Unknown,
}

pub(super) fn run(context: &Context, options: &Attach, loaded: &Loaded) -> Result<Exit, Ended> {
    let archive = super::archive(options.store.as_deref(), loaded)?;
    let today = TimeZone::UTC.to_datetime(context.time.now()).date();
    let mut lines = Lines::new();
    let mut none = true;
    for agent in evidenced_seal::select::agents(&*archive).map_err(failed)? {
        for logged in entries_from(&*archive, &agent, None, 0).map_err(failed)? {
            let Some(listed) = listed(&*archive, &agent, logged.map_err(failed)?, today)? else { continue };
            if !is_asked_for(options, &listed) {
                continue;
            }
            none = false;
            if context.common.format == Format::Json {
                lines.json(&listed)?;
            } else {
                lines.text(line(&listed, today))?;
            }
        }
    }
    if none && context.common.format != Format::Json && !context.common.quiet {
        lines.text("nothing is attached")?;
    }
    lines.finish()?;
    Ok(Exit::Done)
}

/// The attachment that an entry names; `None` if it is about something else.
fn listed(archive: &dyn Archive, agent: &AgentId, logged: Logged, today: Date) -> Result<Option<Listed>, Ended> {
    let (EntryKind::Attachment, Some(subject)) = (logged.entry.kind, logged.subject) else { return Ok(None) };
    let referrer = format!("log entry {}", logged.head.index);
    let attachment = match ObjectReader::new(archive).document::<Attachment>(&subject.sha256(), &referrer) {
        Ok(attachment) => Some(attachment),
        Err(SealError::Withheld { .. }) => None,
        Err(error) => return Err(failed(error)),
    };
    let state = attachment.as_ref().map_or(State::Unknown, |attachment| state(attachment, today));
    Ok(Some(Listed { id: subject.sha256(), agent: agent.clone(), entry: logged.head, state, attachment }))
}

fn is_asked_for(options: &Attach, listed: &Listed) -> bool {
    let Some(attachment) = &listed.attachment else { return true };
    let controls = &options.control;
    attachment.controls.iter().any(|to| {
        (controls.is_empty() || controls.iter().any(|id| id == to.control.as_str()))
            && options.catalog.as_deref().is_none_or(|id| id == to.catalog.as_str())
    })
}

fn state(attachment: &Attachment, today: Date) -> State {
    if attachment.is_over(today) {
        State::Expired
    } else if attachment.valid_from.is_some_and(|from| today < from) {
        State::NotYet
    } else {
        State::InForce
    }
}

fn line(listed: &Listed, today: Date) -> String {
    let Some(attachment) = &listed.attachment else {
        return format!("{}  withheld from this pack", listed.id);
    };
    format!(
        "{}  {}  {} ({}), by {}{}  {}",
        attachment.at.strftime("%Y-%m-%d"),
        numbers(attachment),
        visible(&attachment.title),
        visible(&attachment.file),
        visible(&attachment.by),
        validity(attachment, today),
        listed.id
    )
}

/// The controls' numbers.
pub(super) fn numbers(attachment: &Attachment) -> String {
    let numbers: Vec<&str> = attachment.controls.iter().map(|to| to.control.as_str()).collect();
    numbers.join(", ")
}

/// From when until when it counts, and whether it has run out.
pub(super) fn validity(attachment: &Attachment, today: Date) -> String {
    let from = attachment.valid_from.map_or_else(String::new, |from| format!(", from {from}"));
    let until = attachment.valid_until.map_or_else(String::new, |until| format!(", valid until {until}"));
    let word = match state(attachment, today) {
        State::Expired => " (expired)",
        State::NotYet => " (not yet)",
        State::InForce | State::Unknown => "",
    };
    format!("{from}{until}{word}")
}
