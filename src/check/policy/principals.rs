//! Names of principals: which account they stand in, and whether they are known.

use super::Known;
use super::parse::Who;

/// The account of an account id or an ARN.
pub(super) fn account_of(principal: &str) -> Option<&str> {
    if is_account(principal) {
        return Some(principal);
    }
    let mut parts = principal.split(':');
    let arn = parts.next() == Some("arn");
    parts.nth(3).filter(|account| arn && is_account(account))
}

/// Twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The unique id of a principal, e.g. `AIDA…` or `AROA…`: what AWS prints once the principal is deleted.
pub(super) fn is_unique_id(text: &str) -> bool {
    (16..=128).contains(&text.len())
        && text.starts_with('A')
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The account's root, under either name: it stands for the whole account and leaves the rest to IAM.
pub(super) fn is_root_of(principal: &str, known: &Known<'_>) -> bool {
    let root = principal.ends_with(":root") || is_account(principal);
    root && account_of(principal).is_some_and(|account| known.own.contains(&account))
}

/// One's own or trusted, by name or by account.
pub(super) fn is_known(principal: &str, known: &Known<'_>) -> bool {
    known.holds(principal) || account_of(principal).is_some_and(|account| known.holds(account))
}

/// The name of a principal that is neither known, nor a service, nor deleted; `*` is left to the caller.
pub(super) fn stranger<'a>(who: Who<'a>, known: &Known<'_>) -> Option<&'a str> {
    match who {
        Who::Aws(name) if is_unique_id(name) => None,
        Who::Aws(name) | Who::Federated(name) | Who::Other(name) if !is_known(name, known) => Some(name),
        _ => None,
    }
}
