//! The rules of judging, one room for each: loading, single resources, joins, populations, properties, examples.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod examples;
mod joins;
mod kit;
mod loading;
mod mappings;
mod populations;
mod properties;
mod single;
