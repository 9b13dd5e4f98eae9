//! A period: what the evidence of many runs says of each control, its holes and its changes.

mod document;

pub use document::*;
