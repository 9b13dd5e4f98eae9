//! What IAM policy documents grant, to whom, and under which conditions.

use crate::functions::NativeFunction;

/// The functions on policy documents that CEL programs may call.
pub const FUNCTIONS: &[NativeFunction] = &[];
