//! Names of files in a store: relative, plain, and never out of it.

pub use evidenced_model::valid_path;
