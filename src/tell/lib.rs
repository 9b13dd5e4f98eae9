//! Telling people and programs what has changed.
