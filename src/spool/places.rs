//! Named places where a test ends the process or fills the disk. Without the feature `failpoints` they are nothing.
//!
//! A place is armed by name, in the environment (`FAILPOINTS=bundle.renamed=return(abort)`) or by the crate `fail`:
//! `return(abort)` ends the process there at once, `return(full)` is a disk without space.

/// Every place, in the order in which a run comes by.
pub const PLACES: &[&str] = &[
    "journal.create",
    "journal.grow",
    "journal.enqueue",
    "journal.enqueue.torn",
    "journal.enqueued",
    "journal.keep",
    "journal.keep.torn",
    "journal.kept",
    "journal.remove",
    "journal.removing",
    "journal.removed",
    "lease.take",
    "lease.taken",
    "lease.end",
    "lease.ended",
    "bundle.create",
    "bundle.object",
    "bundle.object.torn",
    "bundle.object.written",
    "cycle.collected",
    "cycle.judged",
    "bundle.files",
    "bundle.flush",
    "bundle.flushed",
    "bundle.rename",
    "bundle.renamed",
    "bundle.sealed",
    "bundle.keep",
    "bundle.keep.torn",
    "bundle.kept",
    "parcel.create",
    "parcel.copy",
    "parcel.copy.torn",
    "parcel.copied",
    "parcel.object",
    "parcel.object.torn",
    "parcel.object.written",
    "parcel.files",
    "parcel.flush",
    "parcel.flushed",
    "parcel.rename",
    "parcel.renamed",
    "parcel.sealed",
    "parcel.keep",
    "parcel.keep.torn",
    "parcel.kept",
    "push.bundle",
    "push.object",
    "push.object.sent",
    "push.objects.sent",
    "push.run",
    "push.run.sent",
    "push.entry",
    "push.entry.sent",
    "push.named",
    "push.cached",
    "push.leave",
    "push.left",
    "push.gone",
    "push.parcel",
    "push.parcel.sent",
    "push.parcel.named",
    "push.parcel.left",
    "push.parcel.gone",
];

/// Passes a place.
#[inline]
pub fn place(name: &'static str) -> std::io::Result<()> {
    // Without the feature both of these are gone before the compiler sees them.
    fail::fail_point!(name, |action: Option<String>| armed(action.as_deref()));
    let _ = (name, armed as fn(Option<&str>) -> std::io::Result<()>);
    Ok(())
}

/// Where `<name>.torn` is armed, writes half of the bytes and ends the process, or fails.
#[inline]
pub fn torn(name: &'static str, file: &mut dyn std::io::Write, bytes: &[u8]) -> std::io::Result<()> {
    fail::fail_point!(&format!("{name}.torn"), |action: Option<String>| {
        file.write_all(&bytes[..bytes.len() / 2])?;
        armed(action.as_deref())
    });
    let _ = (name, file, bytes);
    Ok(())
}

/// What an armed place does.
fn armed(action: Option<&str>) -> std::io::Result<()> {
    match action {
        Some("full") => Err(std::io::ErrorKind::StorageFull.into()),
        _ => std::process::abort(),
    }
}

/// Arms the places that the environment names, for as long as the result lives.
#[cfg(feature = "failpoints")]
pub fn arm() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}
