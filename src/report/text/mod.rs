//! The forms for a terminal.

pub(crate) mod page;
mod report;
mod summary;

use evidenced_model::{Exclusion, Listing};

pub use page::Style;
pub use report::text;
pub use summary::summary;

/// Why a listed account was not read; `None` if it was.
pub(crate) fn not_read(listing: Listing) -> Option<&'static str> {
    match listing {
        Listing::Read => None,
        Listing::Excluded => Some("excluded by the operator"),
        Listing::Elsewhere => Some("read by another shard"),
        Listing::Unreachable => Some("it could not be entered"),
    }
}

/// What an exclusion covers.
pub(crate) fn excluded(exclusion: &Exclusion) -> String {
    let parts = [
        exclusion.account.as_ref().map(|account| format!("account {account}")),
        exclusion.region.as_ref().map(|region| format!("region {region}")),
        exclusion.service.as_ref().map(|service| format!("service {service}")),
        exclusion.kind.as_ref().map(|kind| format!("kind {kind}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        format!("all of {}", exclusion.provider)
    } else {
        format!("{} {}", exclusion.provider, parts.join(", "))
    }
}
