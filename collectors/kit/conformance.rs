//! The suite that every collector passes, over its cassettes: full, empty, paged; and, made from them, denied,
//! throttled, truncated and garbled for each operation in turn.
