//! Getting the credential report: asking for it until it is made, then reading it.

use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::ReportStateType;
use aws_smithy_types::DateTime;
use evidenced_kit::{Captured, Write as _};
use evidenced_model::{Cause, Refusal, Resource, Scope, Unread};
use jiff::Timestamp;
use tokio::time::sleep;

use super::credential_report::{self, CredentialReport, Row, Told};
use super::operations::{GENERATE_REPORT, GET_REPORT};
use crate::Session;
use crate::values::{day_of_text, malformed};

/// Times to ask whether the report is there: at most two minutes, longer each time.
const ATTEMPTS: u32 = 12;

/// A report, and when AWS made it.
pub(super) struct Report {
    pub(super) rows: CredentialReport,
    pub(super) generated: Timestamp,
}

/// The fields of a user that only the report tells.
const USER_FIELDS: &[&str] = &[
    "console",
    "mfa",
    "password_last_used",
    "password_changed",
    "key_1_active",
    "key_1_rotated",
    "key_1_last_used",
    "key_2_active",
    "key_2_rotated",
    "key_2_last_used",
    "cert_1_active",
    "cert_2_active",
];

/// The fields of the account that only the report tells.
const ACCOUNT_FIELDS: &[&str] =
    &["root_password_last_used", "root_key_1_last_used", "root_key_2_last_used", "console_users", "report_generated"];

/// Asks AWS to make the report, waits until it is made, and reads it.
pub(super) async fn read(session: &Session, client: &Client, scope: &Scope) -> Result<Report, Refusal> {
    let mut wait = session.backoff();
    let mut asked = 0;
    loop {
        let made = session.call(scope, &GENERATE_REPORT, || client.generate_credential_report().send()).await?;
        match made.state {
            Some(ReportStateType::Complete) => break,
            Some(_) => asked += 1,
            None => return Err(malformed(&GENERATE_REPORT)),
        }
        if asked == ATTEMPTS {
            let call = GENERATE_REPORT.call.to_owned();
            return Err(Refusal { call, cause: Cause::TimedOut, code: None, permission: None });
        }
        sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(20));
    }
    let answer = session.call(scope, &GET_REPORT, || client.get_credential_report().send()).await?;
    let rows = answer.content.and_then(|content| credential_report::parse(content.as_ref()).ok());
    let generated = answer.generated_time.as_ref().and_then(timestamp);
    match (rows, generated) {
        (Some(rows), Some(generated)) => {
            // AWS makes a new one every four hours at most.
            session.captured(scope, &GET_REPORT, Captured::At(generated));
            Ok(Report { rows, generated })
        }
        _ => Err(malformed(&GET_REPORT)),
    }
}

/// Writes what the report says of a user that was made at `created`.
pub(super) fn write_user(
    resource: &mut Resource,
    report: &Result<Report, Refusal>,
    arn: &str,
    created: Option<&DateTime>,
) {
    let report = match report {
        Ok(report) => report,
        Err(refusal) => return resource.unread_all(USER_FIELDS, refusal),
    };
    match report.rows.users.get(arn).filter(|row| same_user(row, created)) {
        Some(row) => write_row(resource, row),
        // Younger than the report: nobody has said anything yet.
        None => silent(resource, USER_FIELDS),
    }
}

/// Writes what the report says of the account and its root.
pub(super) fn write_account(resource: &mut Resource, report: &Result<Report, Refusal>) {
    let report = match report {
        Ok(report) => report,
        Err(refusal) => return resource.unread_all(ACCOUNT_FIELDS, refusal),
    };
    match &report.rows.root {
        Some(root) => {
            used(resource, "root_password_last_used", root.password_last_used);
            used(resource, "root_key_1_last_used", root.keys[0].last_used);
            used(resource, "root_key_2_last_used", root.keys[1].last_used);
        }
        None => silent(resource, &ACCOUNT_FIELDS[..3]),
    }
    let garbled = report.rows.users.values().any(|row| row.password_enabled == Told::Garbled);
    if garbled {
        resource.unread("console_users", &malformed(&GET_REPORT));
    } else {
        let with_password = report.rows.users.values().filter(|row| row.password_enabled == Told::This(true));
        let mut names: Vec<&str> = with_password.map(|row| row.user.as_str()).collect();
        names.sort_unstable();
        resource.read("console_users", names);
    }
    resource.optional("report_generated", day_of_text(&report.generated.to_string()));
}

pub(super) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    let nanos = i32::try_from(time.subsec_nanos()).ok()?;
    Timestamp::new(time.secs(), nanos).ok()
}

fn write_row(resource: &mut Resource, row: &Row) {
    flag(resource, "console", row.password_enabled);
    flag(resource, "mfa", row.mfa_active);
    used(resource, "password_last_used", row.password_last_used);
    instant(resource, "password_changed", row.password_last_changed);
    flag(resource, "key_1_active", row.keys[0].active);
    instant(resource, "key_1_rotated", row.keys[0].last_rotated);
    used(resource, "key_1_last_used", row.keys[0].last_used);
    flag(resource, "key_2_active", row.keys[1].active);
    instant(resource, "key_2_rotated", row.keys[1].last_rotated);
    used(resource, "key_2_last_used", row.keys[1].last_used);
    flag(resource, "cert_1_active", row.certs_active[0]);
    flag(resource, "cert_2_active", row.certs_active[1]);
}

/// A user that was deleted and made again under the same name has another date than its row.
fn same_user(row: &Row, created: Option<&DateTime>) -> bool {
    match (row.created, created) {
        (Told::This(told), Some(created)) => told.as_second().abs_diff(created.secs()) <= 1,
        _ => true,
    }
}

fn flag(resource: &mut Resource, name: &str, told: Told<bool>) {
    match told {
        Told::This(value) => resource.read(name, value),
        // A user's flags are true or false; nothing is no answer.
        Told::Nothing | Told::Garbled => resource.unread(name, &malformed(&GET_REPORT)),
    };
}

fn instant(resource: &mut Resource, name: &str, told: Told<Timestamp>) {
    write_instant(resource, name, told, |time| Some(time.to_string()));
}

/// Times of use change by themselves: the day is enough.
fn used(resource: &mut Resource, name: &str, told: Told<Timestamp>) {
    write_instant(resource, name, told, |time| day_of_text(&time.to_string()));
}

fn write_instant(
    resource: &mut Resource,
    name: &str,
    told: Told<Timestamp>,
    text: impl Fn(Timestamp) -> Option<String>,
) {
    match told {
        Told::This(time) => resource.optional(name, text(time)),
        Told::Nothing => resource.absent(name),
        Told::Garbled => resource.unread(name, &malformed(&GET_REPORT)),
    };
}

fn silent(resource: &mut Resource, names: &[&str]) {
    for name in names {
        resource
            .unread(name, Unread { call: Some(GET_REPORT.call.to_owned()), cause: Cause::Silent, permission: None });
    }
}
